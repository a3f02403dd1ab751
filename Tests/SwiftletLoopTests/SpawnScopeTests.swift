import CSwiftlet
import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

/// A scope that cannot end before its children: the synchronous spelling, with fibers and with tasks in it.
@Suite struct SpawnScopeTests {
    @Test func endsAfterItsChildren() async throws {
        try await onLoop { () throws -> Void in
            let journal = SharedJournal<String>()
            let value = try withSpawnScope { scope in
                scope.spawn {
                    try yield()
                    journal.note("fiber")
                }
                scope.spawn { () async throws -> Void in
                    try await sleep(.milliseconds(1))
                    journal.note("task")
                }
                journal.note("body")
                return 7
            }
            #expect(value == 7)
            #expect(journal.entries == ["body", "fiber", "task"])
        }
    }

    @Test func withoutChildrenItDoesNotWait() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            #expect(try withSpawnScope { _ in 1 } == 1)
        }
    }

    @Test func givesTheResultsOfItsChildren() async throws {
        try await onLoop { () throws -> Void in
            let sum = try withSpawnScope { scope in
                let fibers = (1...3).map { n in
                    scope.spawn { () throws -> Int in
                        try yield()
                        return n
                    }
                }
                let task = scope.spawn { () async throws -> Int in 10 }
                return try fibers.map { try $0.get() }.reduce(0, +) + blockOn { try await task.value }
            }
            #expect(sum == 16)
        }
    }

    // runtime-peers 39
    @Test func theFirstFailureCancelsSiblingsAndBody() async throws {
        try await onLoop { () throws -> Void in
            let journal = SharedJournal<String>()
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    scope.spawn {
                        do { try sleep(.seconds(100)) } catch {
                            journal.note("fiber")
                            throw Failure(2)  // a real error in the clean-up counts too
                        }
                    }
                    scope.spawn { () async throws -> Void in
                        do { try await sleep(.seconds(100)) } catch {
                            journal.note("task")
                            throw error
                        }
                    }
                    scope.spawn {
                        try yield()
                        throw Failure(1)
                    }
                    defer { journal.note("body") }
                    try sleep(.seconds(100))
                }
            }
            #expect(group.errors.map { $0 as? Failure } == [Failure(1), Failure(2)])
            #expect(journal.entries.sorted() == ["body", "fiber", "task"])
        }
    }

    @Test func aFailingTaskCancelsFibers() async throws {
        try await onLoop { () throws -> Void in
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    scope.spawn { try sleep(.seconds(100)) }
                    scope.spawn { () async throws -> Void in throw Failure(3) }
                }
            }
            #expect(group.errors.map { $0 as? Failure } == [Failure(3)])
        }
    }

    @Test func aFailingBodyCancelsItsChildren() async throws {
        try await onLoop { () throws -> Void in
            let cancelled = Tally()
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    for _ in 0..<3 {
                        scope.spawn {
                            defer { cancelled.add() }
                            try sleep(.seconds(100))
                        }
                    }
                    try yield()
                    throw Failure(4)
                }
            }
            #expect(group.errors.map { $0 as? Failure } == [Failure(4)])
            #expect(cancelled.count == 3)
        }
    }

    // runtime-peers 39
    @Test func aCancelledChildDoesNotFailTheScope() async throws {
        try await onLoop { () throws -> Void in
            let value = try withSpawnScope { scope in
                let one = scope.spawn { try sleep(.seconds(100)) }
                let other = scope.spawn { () async throws -> Void in try await sleep(.seconds(100)) }
                let unstarted = scope.spawn { Issue.record("ran although it was cancelled") }
                unstarted.cancel()
                try yield()
                one.cancel()
                other.cancel()
                let last = scope.spawn { () throws -> Int in
                    try yield()
                    return 5
                }
                return try last.get()
            }
            #expect(value == 5)
        }
    }

    // runtime-peers 39
    @Test func nestedScopesKeepTheTree() async throws {
        try await onLoop { () throws -> Void in
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { outer in
                    outer.spawn {
                        try withSpawnScope { inner in
                            inner.spawn { do { try sleep(.seconds(100)) } catch { throw Failure(2) } }
                            inner.spawn { throw Failure(1) }
                        }
                    }
                    outer.spawn { do { try sleep(.seconds(100)) } catch { throw Failure(3) } }
                }
            }
            #expect(group.errors.count == 2)
            let nested = try #require(group.errors.first { $0 is ErrorGroup } as? ErrorGroup)
            #expect(nested.errors.map { $0 as? Failure } == [Failure(1), Failure(2)])
            #expect(Set(group.leaves.compactMap { $0 as? Failure }) == [Failure(1), Failure(2), Failure(3)])
            let first = try #require(group.filter { $0 as? Failure == Failure(1) })
            #expect(first.errors.count == 1 && first.errors[0] is ErrorGroup && first.leaves.count == 1)
            #expect(group.filter { $0 is DeadlineExceeded } == nil)
            let lines = "\(group)".split(separator: "\n")
            #expect(lines.count == 5)
            #expect(lines[0].hasPrefix("2 errors in the spawn scope at SwiftletLoopTests/SpawnScopeTests.swift:"))
            #expect(lines.contains("  - Failure(number: 1)"))
        }
    }

    @Test func anErrorThatIsPassedOnCountsOnce() async throws {
        try await onLoop { () throws -> Void in
            for delay in [false, true] {
                let group = try #require(throws: ErrorGroup.self) {
                    try withSpawnScope { scope in
                        let child = scope.spawn { () throws -> Void in throw Failure(1) }
                        if delay { while !child.isFinished { do { try yield() } catch {} } }
                        scope.spawn { try child.get() }
                        try child.get()
                    }
                }
                #expect(group.errors.map { $0 as? Failure } == [Failure(1)])
            }
            // Equal ones of two children are two.
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    for _ in 0..<2 { scope.spawn { do { try sleep(.seconds(100)) } catch { throw Failure(1) } } }
                    try yield()
                    scope.cancel()
                }
            }
            #expect(group.errors.count == 2)
        }
    }

    // runtime-peers 40
    @Test func aCancelledScopeIsLevelTriggeredInBodyAndChildren() async throws {
        try await onLoop { () throws -> Void in
            let throwing = Tally()
            let completed = Tally()
            let loop = try EventLoop.current
            #expect(throws: CancellationError.self) {
                try withSpawnScope { scope in
                    @Sendable func endure() throws {
                        for _ in 0..<3 { do { try sleep(.seconds(100)) } catch { throwing.add() } }
                        try shielded {
                            try nap(2)
                            completed.add()
                        }
                        try sleep(.seconds(100))
                    }
                    scope.spawn { try endure() }
                    scope.spawn { () async throws -> Void in try endure() }
                    scope.spawn { scope.cancel() }
                    try endure()
                }
            }
            #expect(throwing.count == 9 && completed.count == 3)
            let before = loop.statistics
            try sleep(.milliseconds(20))  // nothing keeps on being cancelled
            // Other tests ask every loop of the process what it does.
            let later = loop.statistics
            #expect(later.turns - before.turns < 20 + later.foreignWakes - before.foreignWakes)
        }
    }

    @Test func cancellingItselfKeepsTheBodysValue() async throws {
        try await onLoop { () throws -> Void in
            let value = try withSpawnScope { scope in
                scope.spawn { try sleep(.seconds(100)) }
                try yield()
                scope.cancel()
                #expect(scope.isCancelled)
                scope.spawn { Issue.record("began in a cancelled scope") }
                scope.spawn { () async throws -> Void in Issue.record("began in a cancelled scope") }
                return 3
            }
            #expect(value == 3)
        }
    }

    @Test func cancelledFromOutsideItWaitsForItsChildren() async throws {
        try await onLoop { () throws -> Void in
            let ended = Tally()
            let child = spawn { () throws -> Int in
                try withSpawnScope { scope in
                    scope.spawn {
                        defer { ended.add() }
                        do { try sleep(.seconds(100)) } catch { try shielded { try nap(5) } }
                    }
                    return 1
                }
            }
            try yield()
            try yield()
            child.cancel()
            #expect(throws: CancellationError.self) { try child.get() }
            #expect(ended.count == 1)
            // An outer region's cancellation is not swallowed by the scope's own.
            #expect(throws: CancellationError.self) {
                try withCancelScope { outer in
                    try withSpawnScope { scope in
                        scope.spawn { try sleep(.seconds(100)) }
                        scope.cancel()
                        outer.cancel()
                    }
                }
            }
        }
    }

    @Test func cancellingFromAnotherThread() async throws {
        try await onLoop { () throws -> Void in
            for _ in 0..<50 {
                #expect(throws: CancellationError.self) {
                    try withSpawnScope { scope in
                        for _ in 0..<3 { scope.spawn { try sleep(.seconds(100)) } }
                        startThread { scope.cancel() }
                        try sleep(.seconds(100))
                    }
                }
            }
        }
    }

    // runtime-peers 41
    @Test func deadlines() async throws {
        try await onLoop { () throws -> Void in
            let reached = Tally()
            // A past one ends it at the first wait, not before.
            #expect(throws: DeadlineExceeded.self) {
                try withSpawnScope(deadline: .now) { scope in
                    reached.add()
                    scope.spawn { try sleep(.seconds(100)) }
                    try yield()
                    reached.add()
                }
            }
            #expect(reached.count == 1)
            // The children are told in time, whatever the body does.
            let watch = Stopwatch()
            let time = elapsed {
                #expect(throws: DeadlineExceeded.self) {
                    try withSpawnScope(deadline: .after(.milliseconds(10))) { scope in
                        let child = scope.spawn { try sleep(.seconds(100)) }
                        scope.spawn { () async throws -> Void in try await sleep(.seconds(100)) }
                        try shielded { _ = try child.join() }
                        #expect(scope.isCancelled)
                    }
                }
            }
            #expect(time >= .milliseconds(10) && watch.elapsed < .seconds(20))
            // One around the scope counts as well, and is told apart.
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(10)) {
                    do {
                        try withSpawnScope(deadline: .after(.seconds(100))) { scope in
                            scope.spawn { try sleep(.seconds(100)) }
                        }
                    } catch is DeadlineExceeded { Issue.record("took the outer deadline for its own") }
                }
            }
            // One that is in time leaves no timer that matters.
            #expect(try withSpawnScope(deadline: .after(.seconds(100))) { _ in 1 } == 1)
            // An error is not hidden by the deadline that led to it.
            let group = try #require(throws: ErrorGroup.self) {
                // On a clock that stands until all wait: the child has begun in time.
                try simulate {
                    try withSpawnScope(deadline: .after(.milliseconds(5))) { scope in
                        scope.spawn { do { try sleep(.seconds(100)) } catch { throw Failure(1) } }
                    }
                }
            }
            #expect(group.errors.count == 2 && group.errors[0] is DeadlineExceeded && group.errors[1] is Failure)
        }
    }

    @Test func childrenSpawnSiblings() async throws {
        try await onLoop { () throws -> Void in
            let ended = Tally()
            try withSpawnScope { scope in
                @Sendable func grow(_ depth: Int) throws {
                    defer { ended.add() }
                    guard depth > 0 else { return }
                    scope.spawn { try grow(depth - 1) }
                    scope.spawn { () async throws -> Void in try grow(depth - 1) }
                    try yield()
                }
                scope.spawn { try grow(4) }
            }
            #expect(ended.count == 31)
        }
    }

    @Test func misuseIsToldAbout() async throws {
        try await onLoop { () throws -> Void in
            let scope = try withSpawnScope { $0 }
            let late = scope.spawn { 1 }
            #expect(throws: SpawnScopeError.ended) { try late.get() }
            let lateTask = scope.spawn { () async throws -> Int in 1 }
            #expect(throws: SpawnScopeError.ended) { try blockOn { try await lateTask.value } }
            #expect(throws: SpawnScopeError.ended) { try scope.start { (_: ReadySignal<Int>) in } }

            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    let done = Waiter<Void>()
                    startThread {
                        scope.spawn { Issue.record("ran on some thread") }
                        done.resume(returning: ())
                    }
                    _ = try shielded { try done.wait() }
                }
            }
            #expect(group.errors.map { $0 as? SpawnScopeError } == [.wrongThread])
            // Async code may come from anywhere, and runs on the scope's loop.
            let loop = try EventLoop.current
            let ran = Tally()
            try withSpawnScope { scope in
                let done = Waiter<Void>()
                startThread {
                    scope.spawn { () async throws -> Void in if loop.isCurrent { ran.add() } }
                    done.resume(returning: ())
                }
                _ = try done.wait()
            }
            #expect(ran.count == 1)
        }
    }

    @Test func onAThreadsOwnStack() async throws {
        try await onFreshThread { () throws -> Void in
            let sum = try withSpawnScope { scope in
                let fibers = (1...3).map { n in
                    scope.spawn { () throws -> Int in
                        try nap()
                        return n
                    }
                }
                return try fibers.map { try $0.get() }.reduce(0, +)
            }
            #expect(sum == 6)
            // Children that wait for each other are found out, and unwound.
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    let first = Box<Fiber<Void>?>(nil)
                    let second = scope.spawn {
                        try yield()
                        try first.value!.join()
                        return
                    }
                    first.value = scope.spawn { _ = try second.join() }
                }
            }
            #expect(group.errors.count == 1 && group.errors[0] is DeadlockError)
            try EventLoop.current.close()
            #expect(swiftlet_stack_count(currentThread()).live == 0)
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func aHundredThousandChildren() async throws {
        try await onLoop { () throws -> Void in
            // What it works: others may have the processor meanwhile.
            func time(_ count: Int, _ isTask: Bool) throws -> Duration {
                let ended = Tally()
                let time = try processorTime {
                    try withSpawnScope { scope in
                        for _ in 0..<count {
                            if isTask {
                                scope.spawn { () async throws -> Void in _ = ended.add() }
                            } else {
                                scope.spawn { _ = ended.add() }
                            }
                        }
                    }
                }
                #expect(ended.count == count)
                return time
            }
            for isTask in [false, true] {
                _ = try time(1_000, isTask)
                let small = try time(5_000, isTask)
                // 20 times as many; by the square it would be 400 times as long.
                #expect(try time(100_000, isTask) < small * 120 + .milliseconds(500))
            }
            // Cancelling them all is no more than linear either.
            let cancelled = Tally()
            #expect(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    for _ in 0..<20_000 {
                        scope.spawn {
                            defer { cancelled.add() }
                            try sleep(.seconds(1_000))
                        }
                    }
                    try yield()
                    throw Failure()
                }
            }
            #expect(cancelled.count == 20_000)
        }
    }

    @Test func nothingIsLeftOfIt() async throws {
        try await onLoop { () throws -> Void in
            let freed = Tally()
            weak var kept: SpawnScope?
            do {
                try withSpawnScope(deadline: .after(.seconds(1_000))) { scope in
                    kept = scope
                    for n in 0..<10 {
                        let witness = Witness(freed)
                        scope.spawn {
                            try withExtendedLifetime(witness) { try yield() }
                            if n == 5 { throw Failure() }
                        }
                    }
                }
            } catch is ErrorGroup {}
            try yield()
            #expect(freed.count == 10)
            #expect(kept == nil)
        }
    }
}
