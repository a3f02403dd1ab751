import Swiftlet
import TestSupport
import Testing

/// Deadlines, cancel scopes, shields.
@Suite struct ScopeTests {
    @Test func aTimeoutEndsItsRegion() async throws {
        try await onLoop { () throws -> Void in
            let watch = Stopwatch()
            let time = elapsed {
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(20)) { try sleep(.seconds(100)) }
                }
            }
            #expect(time >= .milliseconds(20) && watch.elapsed < .seconds(2))
            try nap()  // outside nothing is left of it
        }
    }

    @Test func aRegionThatIsInTimeGivesItsValue() async throws {
        try await onLoop { () throws -> Void in
            let value = try withTimeout(.seconds(100)) { () throws -> Int in
                try nap()
                return 5
            }
            #expect(value == 5)
            #expect(throws: Failure(1)) { try withTimeout(.seconds(1)) { throw Failure(1) } }
        }
    }

    @Test func ofNestedDeadlinesTheNearestCounts() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            // The inner is nearer.
            try withTimeout(.seconds(100)) {
                do {
                    try withTimeout(.milliseconds(5)) { try sleep(.seconds(50)) }
                } catch is DeadlineExceeded { journal.note("inner") }
                try nap()
                journal.note("goes on")
            }
            // The outer is nearer: the inner region does not take the error for its own.
            do {
                try withTimeout(.milliseconds(5)) {
                    do {
                        try withTimeout(.seconds(50)) { try sleep(.seconds(50)) }
                    } catch is DeadlineExceeded { journal.note("wrong") }
                }
            } catch is DeadlineExceeded { journal.note("outer") }
            #expect(journal.entries == ["inner", "goes on", "outer"])
        }
    }

    @Test func aPastDeadlineThrowsAtTheFirstWaitNotBefore() async throws {
        try await onLoop { () throws -> Void in
            let reached = Tally()
            #expect(throws: DeadlineExceeded.self) {
                try withDeadline(.now) {
                    reached.add()
                    try yield()
                    reached.add()
                }
            }
            #expect(reached.count == 1)
            #expect(try withTimeout(.zero) { 1 } == 1)  // no wait, no throw
            try nap()
        }
    }

    @Test func anOwnDeadlineOfTheWaitIsNotTheScopes() async throws {
        try await onLoop { () throws -> Void in
            let waiter = Waiter<Int>()
            let value = try withTimeout(.seconds(100)) { try waiter.wait(until: .after(.milliseconds(2))) }
            #expect(value == nil)
        }
    }

    @Test func aCancelledScopeIsLevelTriggered() async throws {
        try await onLoop { () throws -> Void in
            let throwing = Tally()
            try withCancelScope { scope in
                spawn { scope.cancel() }
                for _ in 0..<3 { do { try sleep(.seconds(100)) } catch is CancellationError { throwing.add() } }
                do { try yield() } catch { throwing.add() }
                do { try checkCancellation() } catch { throwing.add() }
                // Shielded parts complete all the same.
                try shielded { try nap(2) }
                #expect(scope.isCancelled && !scope.hasExpired)
            }
            #expect(throwing.count == 5)
            try nap()  // outside the scope nothing throws
        }
    }

    @Test func aCancelledScopeCostsNothingWhileAShieldedPartWaits() async throws {
        try await onLoop { () throws -> Void in
            try withCancelScope { scope in
                scope.cancel()
                let loop = try EventLoop.current
                let before = (time: threadCPUTime(), turns: loop.statistics.turns)
                try shielded { try sleep(.milliseconds(200)) }
                #expect(threadCPUTime() - before.time < 20_000_000 && loop.statistics.turns - before.turns < 1_000)
                #expect(throws: CancellationError.self) { try yield() }
            }
        }
    }

    @Test func anExpiredScopeStaysExpired() async throws {
        try await onLoop { () throws -> Void in
            let throwing = Tally()
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(5)) {
                    for _ in 0..<2 { do { try sleep(.seconds(100)) } catch { throwing.add() } }
                    try sleep(.seconds(100))
                }
            }
            #expect(throwing.count == 2)
        }
    }

    @Test func cancellingFromAnotherThread() async throws {
        try await onLoop { () throws -> Void in
            try nap()  // what follows may be decided before it parks
            for _ in 0..<50 {
                #expect(throws: CancellationError.self) {
                    try withCancelScope { scope in
                        startThread { scope.cancel() }
                        try sleep(.seconds(100))
                    }
                }
            }
        }
    }

    @Test func cancellingAScopeThatWasLeftDoesNothing() async throws {
        try await onLoop { () throws -> Void in
            let kept = Box<CancelScope?>(nil)
            try withCancelScope { kept.value = $0 }
            spawn { kept.value!.cancel() }
            try sleep(.milliseconds(5))
            #expect(kept.value!.isCancelled)
        }
    }

    @Test func deadlinesInsideAShieldWork() async throws {
        try await onLoop { () throws -> Void in
            #expect(throws: DeadlineExceeded.self) {
                try shielded { try withTimeout(.milliseconds(2)) { try sleep(.seconds(100)) } }
            }
            // One outside does not reach in, and takes effect afterwards.
            let inside = Tally()
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(2)) {
                    try shielded { try nap(10) }
                    inside.add()
                    try yield()
                    inside.add()
                }
            }
            #expect(inside.count == 1)
        }
    }

    @Test func deadlinesReachIntoGenerators() async throws {
        try await onLoop { () throws -> Void in
            let generator = Generator<Int> { yield in
                try yield(1)
                try sleep(.seconds(100))
            }
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(50)) { while try generator.next() != nil {} }
            }
        }
    }

    @Test func deadlinesCompareAndSaturate() throws {
        #expect(Deadline.after(.seconds(1)) > .now)
        #expect(Deadline.after(.seconds(-5)) <= .now)
        #expect(Deadline.after(.seconds(Int64.max)) > .after(.seconds(1_000_000_000)))
        #expect(Deadline.after(.seconds(10)).remaining > .seconds(9))
        #expect(Deadline(ContinuousClock.now.advanced(by: .seconds(10))).remaining > .seconds(9))
    }
}
