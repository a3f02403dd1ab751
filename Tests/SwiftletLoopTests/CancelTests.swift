import Swiftlet
import TestSupport
import Testing

/// Cancelling fibers.
@Suite struct CancelTests {
    @Test func cancelledBeforeStartNeverRuns() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            func make() -> Fiber<Void> {
                let witness = Witness(tally)
                return spawn {
                    _ = witness
                    Issue.record("ran")
                }
            }
            let fiber = make()
            fiber.cancel()
            try fiber.join()
            #expect(fiber.error is CancellationError)
            #expect(!fiber.isStarted && fiber.isFinished)
            #expect(tally.count == 1)
        }
    }

    @Test func cancelledDuringItsDelayEndsAtOnce() async throws {
        try await onLoop { () throws -> Void in
            let fiber = spawn(after: .seconds(100)) { Issue.record("ran") }
            try yield()
            fiber.cancel()
            #expect(try fiber.join(timeout: .seconds(60)))
            #expect(fiber.error is CancellationError)
            #expect(try EventLoop.current.liveFibers().map(\.name) == ["main"])
        }
    }

    @Test func cancelledWhileParkedUnwinds() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            let journal = Journal<String>()
            let fiber = spawn {
                let witness = Witness(tally)
                defer { journal.note("defer") }
                try withExtendedLifetime(witness) { try sleep(.seconds(100)) }
            }
            try yield()
            fiber.cancel()
            fiber.cancel()
            #expect(journal.entries.isEmpty)  // it runs when its turn comes
            try fiber.join()
            #expect(journal.entries == ["defer"])
            #expect(tally.count == 1)
            #expect(fiber.isCancelled)
            fiber.cancel()  // nothing happens to an ended one
            #expect(fiber.error is CancellationError)
        }
    }

    @Test func everyLaterWaitThrowsToo() async throws {
        try await onLoop { () throws -> Void in
            let throwing = Tally()
            let fiber = spawn {
                for _ in 0..<3 { do { try sleep(.seconds(100)) } catch is CancellationError { throwing.add() } }
                do { try yield() } catch { throwing.add() }
                do { try checkCancellation() } catch { throwing.add() }
                return "done"
            }
            try yield()
            fiber.cancel()
            #expect(try fiber.get() == "done")
            #expect(throwing.count == 5)
        }
    }

    @Test func aShieldLetsCleaningUpFinish() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn {
                defer { journal.note("end") }
                do {
                    try sleep(.seconds(100))
                } catch {
                    try shielded {
                        try nap(5)
                        journal.note("cleaned")
                    }
                    try nap()
                    journal.note("not reached")
                }
            }
            try yield()
            fiber.cancel()
            try fiber.join()
            #expect(journal.entries == ["cleaned", "end"])
        }
    }

    @Test func cancelledInsideAShieldTakesEffectAfterIt() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn {
                try shielded {
                    try nap(10)
                    journal.note("shielded")
                    try checkCancellation()
                }
                try nap()
                journal.note("not reached")
            }
            try nap()
            fiber.cancel()
            try fiber.join()
            #expect(journal.entries == ["shielded"])
            #expect(fiber.error is CancellationError)
        }
    }

    @Test func cancelRacesWithCompletion() async throws {
        try await onLoop { () throws -> Void in
            // Result first: it is not lost. Cancel first: it is not swallowed, and the result stays.
            let first = Waiter<Int>()
            let won = spawn { try first.wait()! }
            try yield()
            first.resume(returning: 1)
            won.cancel()
            #expect(try won.get() == 1)

            let second = Waiter<Int>()
            let lost = spawn { try second.wait()! }
            try yield()
            lost.cancel()
            second.resume(returning: 2)
            try lost.join()
            #expect(lost.error is CancellationError)
            #expect(try second.wait() == 2)
        }
    }

    @Test func cancellingFromAnotherThread() async throws {
        try await onLoop { () throws -> Void in
            let fibers = (0..<20).map { _ in spawn { try sleep(.seconds(100)) } }
            try yield()
            try toThread { for fiber in fibers { fiber.cancel() } }
            try joinAll(fibers)
            #expect(fibers.allSatisfy { $0.error is CancellationError })
        }
    }

    @Test func aFiberMayCancelItself() async throws {
        try await onLoop { () throws -> Void in
            let fiber = spawn {
                AnyFiber.current!.cancel()
                try yield()
                Issue.record("went on")
            }
            try fiber.join()
            #expect(fiber.error is CancellationError)
        }
    }

    @Test func anEndlessYielderIsBrokenByATimeout() async throws {
        try await onLoop { () throws -> Void in
            let others = Tally()
            let own = Tally()
            let unfair = Tally()
            let other = spawn {
                while true {
                    others.add()
                    try yield()
                }
            }
            // However many turns fit into the time, each of its own gives the other one exactly one. Only the one that finds
            // the deadline past may end without.
            func takeTurn() throws {
                own.add()
                let before = others.count
                try yield()
                if others.count != before + 1 { unfair.add() }
            }
            let endless = spawn {
                defer { #expect(abs(others.count - own.count) <= 1) }
                for _ in 0..<100 { try takeTurn() }
                try withTimeout(.milliseconds(10)) { while true { try takeTurn() } }
            }
            #expect(throws: DeadlineExceeded.self) { try endless.get() }
            #expect(own.count > 100)
            #expect(unfair.count == 0)
            other.cancel()
        }
    }

    @Test func aWaitInAGeneratorIsCancelled() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            let fiber = spawn {
                let generator = Generator<Int> { yield in
                    let witness = Witness(tally)
                    try withExtendedLifetime(witness) { try sleep(.seconds(100)) }
                }
                _ = try generator.next()
            }
            try yield()
            fiber.cancel()
            try fiber.join()
            #expect(fiber.error is CancellationError)
            #expect(tally.count == 1)
        }
    }

    @Test func handlesOutliveTheLoop() async throws {
        try await onFreshThread { () throws -> Void in
            let fiber = try EventLoop.run(takesOver: false) { () throws -> Fiber<Int> in
                let fiber = spawn { 3 }
                try fiber.join()
                return fiber
            }
            fiber.cancel()
            #expect(try fiber.get() == 3)
            let elsewhere = SharedJournal<Int>()
            onThreadAndEnd {
                fiber.cancel()
                elsewhere.note((try? fiber.get()) ?? -1)
            }
            #expect(elsewhere.entries == [3])
        }
    }
}
