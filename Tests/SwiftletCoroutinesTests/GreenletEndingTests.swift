import CSwiftlet
import Glibc
import SwiftletCoroutines
import TestSupport
import Testing

/// Dropped greenlets, other threads, the ends of threads.
@Suite struct GreenletEndingTests {
    @Test func droppingUnwindsOnce() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            let defers = Tally()
            for _ in 0..<100 {
                let other = Greenlet<Int> { _ in
                    let witness = Witness(tally)
                    defer { defers.add() }
                    _ = try withExtendedLifetime(witness) { try Greenlet<Int>.current.parent!.switch(0) }
                    Issue.record("went on")
                }
                try other.switch(0)
            }
            #expect(tally.count == 100)
            #expect(defers.count == 100)
            #expect(swiftlet_stack_count(currentThread()).live == 0)
        }
    }

    @Test func droppedWhileItRunsIsUnwoundByWhoContinues() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            let box = Box<Greenlet<Int>?>(nil)
            box.value = Greenlet<Int> { _ in
                let witness = Witness(tally)
                box.value = nil
                _ = try withExtendedLifetime(witness) { try Greenlet<Int>.current.parent!.switch(1) }
            }
            #expect(try box.value!.switch(0) == 1)
            #expect(tally.count == 1)
        }
    }

    @Test func droppingOneThatNeverStartedReleasesItsBody() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            do {
                let witness = Witness(tally)
                _ = Greenlet<Int> { _ in _ = witness }
            }
            #expect(tally.count == 1)
        }
    }

    @Test func anotherErrorWhileUnwindingIsReported() async throws {
        ReportLog.begin()
        try await onFreshThread { () throws -> Void in
            do {
                let other = Greenlet<Int>(name: "grumbler-3141") { _ in
                    do { _ = try Greenlet<Int>.current.parent!.switch(0) } catch { throw Failure(3141) }
                }
                try other.switch(0)
            }
            #expect(ReportLog.reports(containing: "grumbler-3141").count == 1)
        }
    }

    @Test func ignoringExitOnceIsForgiven() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            do {
                let other = Greenlet<Int> { _ in
                    let witness = Witness(tally)
                    try withExtendedLifetime(witness) {
                        do { _ = try Greenlet<Int>.current.parent!.switch(0) } catch {}
                        _ = try Greenlet<Int>.current.parent!.switch(0)
                    }
                }
                try other.switch(0)
            }
            #expect(tally.count == 1)
        }
    }

    @Test func droppedElsewhereUnwindsOnItsOwner() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            let threads = SharedJournal<CInt>()
            nonisolated(unsafe) var other: Greenlet<Int>? = Greenlet<Int> { _ in
                let witness = Witness(tally)
                defer { threads.note(swiftlet_thread_id()) }
                _ = try withExtendedLifetime(witness) { try Greenlet<Int>.current.parent!.switch(0) }
            }
            try other!.switch(0)
            onThreadAndEnd { other = nil }
            #expect(tally.count == 0)
            try Greenlet<Int> { $0 }.switch(1)
            #expect(tally.count == 1)
            #expect(threads.entries == [swiftlet_thread_id()])
        }
    }

    @Test func aGreenletOfAnotherThreadIsRefused() async throws {
        try await onFreshThread { () throws -> Void in
            nonisolated(unsafe) let mine = Greenlet<Int> { $0 }
            let owner = swiftlet_thread_id()
            let errors = SharedJournal<GreenletError>()
            let callers = SharedJournal<CInt>()
            onThreadAndEnd {
                callers.note(swiftlet_thread_id())
                do { try mine.switch(1) } catch { errors.note(error as! GreenletError) }
                do { try mine.throw(Failure()) } catch { errors.note(error as! GreenletError) }
            }
            #expect(errors.entries.count == 2)
            for case .wrongThread(let named, let current) in errors.entries {
                #expect(named.kernelID == Int(owner))
                #expect(current.kernelID == Int(callers.entries[0]))
            }
            #expect(try mine.switch(2) == 2)
        }
    }

    @Test func theMainGreenletOfAnEndedThreadIsGone() async throws {
        try await onFreshThread { () throws -> Void in
            nonisolated(unsafe) var theirs: Greenlet<Int>?
            onThreadAndEnd { theirs = Greenlet<Int>.current }
            #expect(throws: GreenletError.self) { _ = try theirs!.switch(1) }
            // A new thread may get the ended one's record.
            let errors = SharedJournal<GreenletError>()
            for _ in 0..<3 {
                onThreadAndEnd {
                    _ = currentThread()
                    do { try theirs?.switch(1) } catch { errors.note(error as! GreenletError) }
                }
            }
            #expect(errors.entries.count == 3)
        }
    }

    @Test func theEndOfTheThreadUnwinds() async throws {
        let tally = Tally()
        try await onFreshThread { () throws -> Void in
            nonisolated(unsafe) var survivors: [Greenlet<Int>] = []
            onThreadAndEnd {
                for _ in 0..<10 {
                    let other = Greenlet<Int> { _ in
                        let witness = Witness(tally)
                        _ = try withExtendedLifetime(witness) { try Greenlet<Int>.current.parent!.switch(0) }
                    }
                    _ = try! other.switch(0)
                    survivors.append(other)
                }
            }
            #expect(tally.count == 10)
            #expect(survivors.allSatisfy { $0.isDead })
        }
    }

    /// Sixteen threads, each with sixteen greenlets in a round, ten thousand switches each.
    @Test func manyThreadsOfGreenlets() async throws {
        try await onFreshThread { () throws -> Void in
            let sums = SharedJournal<Int>()
            let threads = (0..<16).map { number in
                makeThread {
                    var sum = 0
                    let greenlets = (0..<16).map { index in
                        Greenlet<Int> { first in
                            var message = first
                            while true { message = try Greenlet<Int>.current.parent!.switch(message + index)! }
                        }
                    }
                    for turn in 0..<10_000 { sum += try! greenlets[turn % 16].switch(number)! }
                    sums.note(sum - number * 10_000)
                }
            }
            for thread in threads { pthread_join(thread, nil) }
            let expected = (0..<10_000).reduce(0) { $0 + $1 % 16 }
            #expect(sums.entries == Array(repeating: expected, count: 16))
        }
    }
}
