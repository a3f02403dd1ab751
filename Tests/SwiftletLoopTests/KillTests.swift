import Swiftlet
import TestSupport
import Testing

/// Killing fibers, and fibers that are started later.
@Suite struct KillTests {
    @Test func killedBeforeTheFirstRunNeverRuns() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            func make() -> Fiber<Int> {
                let witness = Witness(tally)
                return spawn {
                    Issue.record("ran")
                    return withExtendedLifetime(witness) { 1 }
                }
            }
            let fiber = make()
            #expect(try fiber.kill())
            #expect(tally.count == 1)
            #expect(fiber.isFinished && !fiber.isStarted)
            // Killed is not failed.
            #expect(fiber.isSuccessful && fiber.wasKilled && fiber.error == nil && fiber.value == nil)
            #expect(throws: GreenletExit.self) { try fiber.get() }
            #expect(try joinAll([fiber], rethrowing: true) == [fiber])
            try yield()  // its turn in the queue comes and nothing happens
        }
    }

    @Test func killedWithAnErrorHasFailed() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn {
                defer { journal.note("defer") }
                try sleep(.seconds(100))
            }
            try yield()
            #expect(try fiber.kill(throwing: Failure(17)))
            #expect(journal.entries == ["defer"])
            #expect(fiber.error as? Failure == Failure(17))
            #expect(!fiber.isSuccessful && !fiber.wasKilled)
            // Of a finished one nothing changes.
            #expect(try fiber.kill(throwing: Failure(18)))
            #expect(fiber.error as? Failure == Failure(17))
            let good = spawn { 1 }
            #expect(try good.get() == 1)
            try good.kill()
            #expect(good.value == 1 && !good.wasKilled)
        }
    }

    @Test func theErrorIsThrownOnceSoCleaningUpMayWait() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn {
                do {
                    try sleep(.seconds(100))
                } catch is GreenletExit {
                    try sleep(.milliseconds(5))
                    journal.note("cleaned")
                    throw GreenletExit()
                }
            }
            try yield()
            try fiber.kill(waits: false)
            #expect(journal.entries.isEmpty && !fiber.isFinished)
            #expect(try fiber.kill(throwing: Failure(), waits: false) == false)  // comes while it cleans up
            try fiber.join()
            #expect(journal.entries.isEmpty)
            #expect(fiber.error as? Failure == Failure())
        }
    }

    @Test func killingWaitsForTheEndOrTheTimeout() async throws {
        try await onLoop { () throws -> Void in
            let stubborn = spawn {
                do { try sleep(.seconds(100)) } catch {}
                try sleep(.seconds(100))
            }
            try yield()
            #expect(try stubborn.kill(timeout: .milliseconds(10)) == false)
            #expect(try stubborn.kill())
        }
    }

    @Test func aShieldHoldsTheErrorBack() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn {
                try shielded {
                    try sleep(.milliseconds(10))
                    journal.note("shielded")
                }
                try yield()
                journal.note("not reached")
            }
            try yield()
            try fiber.kill(throwing: Failure(3))
            #expect(journal.entries == ["shielded"])
            #expect(fiber.error as? Failure == Failure(3))
        }
    }

    @Test func oneThatIsReadyKeepsItsResult() async throws {
        try await onLoop { () throws -> Void in
            let gate = Waiter<Int>()
            let fiber = spawn { () throws -> Int in
                let value = try gate.wait()!
                try yield()
                return value
            }
            try yield()
            gate.resume(returning: 1)
            try fiber.kill(waits: false)  // its wait has been decided: the error comes at the next one
            try fiber.join()
            #expect(fiber.wasKilled)
        }
    }

    @Test func killingOneself() async throws {
        try await onLoop { () throws -> Void in
            let fiber = spawn {
                try AnyFiber.current!.kill(throwing: Failure(4))
                Issue.record("went on")
            }
            try fiber.join()
            #expect(fiber.error as? Failure == Failure(4))
        }
    }

    @Test func killAllOfThem() async throws {
        try await onLoop { () throws -> Void in
            let finished = spawn {}
            let waiting = (0..<5).map { _ in spawn { try sleep(.seconds(100)) } }
            try finished.join()
            let unstarted = spawn { Issue.record("ran") }
            let all: [AnyFiber] = waiting + [unstarted, finished]
            #expect(try killAll(all, timeout: .seconds(60)))
            #expect(all.dropLast().allSatisfy(\.wasKilled) && !finished.wasKilled)
            let stubborn = spawn {
                do { try sleep(.seconds(100)) } catch {}
                try sleep(.seconds(100))
            }
            try yield()
            #expect(try killAll([stubborn], timeout: .milliseconds(5)) == false)
            #expect(try killAll([stubborn], waits: false) == false)
            try stubborn.join()
        }
    }

    @Test func killingFromAnotherThreadAndFromATask() async throws {
        try await onLoop { () throws -> Void in
            let first = spawn { try sleep(.seconds(100)) }
            let second = spawn { try sleep(.seconds(100)) }
            try yield()
            #expect(try toThread { try first.kill(throwing: Failure(5)) })
            #expect(first.error as? Failure == Failure(5))
            #expect(try blockOn { try await second.kill() })
            #expect(second.wasKilled)
        }
    }

    @Test func aFiberThatIsStartedLater() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<Int>()
            let first = Fiber(name: "first") { journal.note(1) }
            let second = Fiber { journal.note(2) }
            let never = Fiber { journal.note(3) }
            let cancelled = Fiber { journal.note(4) }
            let killed = Fiber { journal.note(5) }
            try yield()
            #expect(journal.entries.isEmpty && first.name == "first")
            second.start()
            second.start()
            first.start(after: .milliseconds(2))
            cancelled.cancel()
            cancelled.start()
            try killed.kill()
            killed.start()
            try joinAll([first, second, cancelled])
            #expect(journal.entries == [2, 1])
            #expect(cancelled.error is CancellationError)
            _ = never
        }
    }

    @Test func failuresAreReportedAtOnceWhereWanted() async throws {
        try await onLoop { () throws -> Void in
            try EventLoop.current.configuration.reportsFailuresAtOnce = true
            let fiber = spawn(name: "loud-2718") { throw Failure(7) }
            spawn(name: "loud-2718") { throw CancellationError() }
            spawn(name: "loud-2718") { throw GreenletExit() }
            try yield()
            #expect(ReportLog.reports(containing: "loud-2718").count == 1)
            #expect(ReportLog.reports(containing: "<Fiber loud-2718 finished> failed with Failure").count == 1)
            _ = fiber
        }
        #expect(ReportLog.reports(containing: "loud-2718").count == 1)
    }
}
