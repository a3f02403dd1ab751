import SwiftletCoroutines
import TestSupport
import Testing

/// Parents and trace callbacks.
@Suite struct GreenletParentTests {
    @Test func anErrorGoesToTheNewParent() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<String>()
            let first = Greenlet<Int> { _ in try Greenlet<Int>.current.parent!.switch(0)! }
            let second = Greenlet<Int> { _ in
                do {
                    return try Greenlet<Int>.current.parent!.switch(0)!
                } catch {
                    journal.note("second caught \(error as! Failure == Failure(1))")
                    return 5
                }
            }
            try first.switch(0)
            try second.switch(0)
            let child = Greenlet<Int>(parent: first) { _ in throw Failure(1) }
            try child.setParent(second)
            #expect(child.parent == second)
            #expect(try child.switch(0) == 5)
            #expect(journal.entries == ["second caught true"])
            #expect(first.isActive)
        }
    }

    @Test func cyclesAreRejected() async throws {
        try await onFreshThread { () throws -> Void in
            let a = Greenlet<Int> { $0 }
            let b = Greenlet<Int>(parent: a) { $0 }
            let c = Greenlet<Int>(parent: b) { $0 }
            #expect(throws: GreenletError.cyclicParents) { try a.setParent(c) }
            #expect(throws: GreenletError.cyclicParents) { try a.setParent(a) }
            #expect(a.parent == Greenlet<Int>.current)
            #expect(throws: GreenletError.mainHasNoParent) { try Greenlet<Int>.current.setParent(a) }
        }
    }

    @Test func aForeignParentIsRejected() async throws {
        try await onFreshThread { () throws -> Void in
            nonisolated(unsafe) let mine = Greenlet<Int> { $0 }
            let parent = mine.parent
            let errors = SharedJournal<GreenletError>()
            onThreadAndEnd {
                let theirs = Greenlet<Int> { $0 }
                do { try theirs.setParent(mine) } catch { errors.note(error as! GreenletError) }
                do { try mine.setParent(theirs) } catch { errors.note(error as! GreenletError) }
            }
            #expect(errors.entries.count == 2)
            for case .wrongThread(let owner, let current) in errors.entries { #expect(owner != current) }
            #expect(mine.parent == parent)
        }
    }

    @Test func anUnstartedParentStartsWithTheResult() async throws {
        try await onFreshThread { () throws -> Void in
            let parent = Greenlet<Int> { $0 * 10 }
            let child = Greenlet<Int>(parent: parent) { $0 + 1 }
            #expect(try child.switch(3) == 40)
            #expect(child.isDead && parent.isDead)
        }
    }

    @Test func anUnstartedParentIsPassedByAnError() async throws {
        try await onFreshThread { () throws -> Void in
            var hasRun = false
            let parent = Greenlet<Int> { _ in hasRun = true }
            let child = Greenlet<Int>(parent: parent) { _ in throw Failure(8) }
            #expect(throws: Failure(8)) { try child.switch(0) }
            #expect(parent.isDead && !hasRun)
        }
    }

    @Test func theTraceSeesEachTransfer() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<String>()
            let main = Greenlet<Int>.current
            let other = Greenlet<Int>(name: "other") { _ in
                _ = try? main.switch(0)
                _ = try main.switch(0)
            }
            func name(_ greenlet: Greenlet<Int>) -> String { greenlet == main ? "main" : greenlet.name ?? "?" }
            Greenlet<Int>.setTrace { event, from, to in journal.note("\(event) \(name(from))>\(name(to))") }
            try other.switch(0)
            _ = try other.throw(Failure())
            _ = try? other.throw(Failure(1))
            Greenlet<Int>.setTrace(nil)
            let untraced = Greenlet<Int> { $0 }
            try untraced.switch(0)
            #expect(
                journal.entries == [
                    "switch main>other", "switch other>main", "throw main>other", "switch other>main",
                    "throw main>other", "throw other>main",
                ])
        }
    }

    @Test func aThrowingTraceIsRemovedAndReported() async throws {
        ReportLog.begin()
        try await onFreshThread { () throws -> Void in
            let calls = Journal<Int>()
            Greenlet<Int>.setTrace { _, _, _ in
                calls.note(1)
                throw Failure(271_828)
            }
            let other = Greenlet<Int> { $0 }
            #expect(try other.switch(4) == 4)
            #expect(calls.entries == [1])
            #expect(ReportLog.reports(containing: "271828").count == 1)
        }
    }
}
