import Swiftlet
import TestSupport
import Testing

/// One pending wait is decided once, whoever comes first.
@Suite struct WaiterTests {
    @Test func decidedBeforeTheWait() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let waiter = Waiter<Int>()
            waiter.resume(returning: 1)
            waiter.resume(returning: 2)
            waiter.resume(throwing: Failure())
            #expect(try waiter.wait() == 1)
            #expect(try waiter.wait() == 1)
        }
    }

    @Test func decidedFromAnotherThread() async throws {
        try await onLoop { () throws -> Void in
            try nap()  // what follows may be decided before it parks
            for n in 0..<200 {
                let waiter = Waiter<Int>()
                startThread { waiter.resume(returning: n) }
                #expect(try waiter.wait() == n)
                let failing = Waiter<Int>()
                startThread { failing.resume(throwing: Failure(n)) }
                #expect(throws: Failure(n)) { try failing.wait() }
            }
        }
    }

    @Test func aTimeoutGivesNilAndTheResultStays() async throws {
        try await onLoop { () throws -> Void in
            let waiter = Waiter<Int>()
            #expect(try waiter.wait(until: .after(.milliseconds(2))) == nil)
            waiter.resume(returning: 4)
            #expect(try waiter.wait() == 4)
        }
    }

    @Test func everyRaceHasOneWinner() async throws {
        try await onLoop { () throws -> Void in
            // A value from another thread, a timeout, and a cancellation from a third, all at about the same time.
            var (values, timeouts, cancellations) = (0, 0, 0)
            let rounds = 300
            for n in 0..<rounds {
                let waiter = Waiter<Int>()
                let fiber = spawn { try waiter.wait(until: .after(.microseconds(n % 3 * 40))) }
                let worker = spawn { try toThread { waiter.resume(returning: n) } }
                let canceller = spawn { try toThread { fiber.cancel() } }
                try joinAll([worker, canceller])
                try fiber.join()
                switch fiber.error {
                case nil: if try fiber.get() == n { values += 1 } else { timeouts += 1 }
                case is CancellationError: cancellations += 1
                default: Issue.record("\(String(describing: fiber.error))")
                }
                #expect(try waiter.wait() == n)  // the result is never lost
            }
            #expect(values + timeouts + cancellations == rounds)
        }
    }

    @Test func theRawPrimitive() async throws {
        try await onLoop { () throws -> Void in
            let token = Box<WaitToken?>(nil)
            let parked = spawn { try park(.other) { token.value = $0 } }
            try yield()
            #expect(token.value?.wake() == true)
            #expect(token.value?.wake(.closed) == false)  // decided
            #expect(try parked.get() == .woken)
            #expect(token.value?.wake() == false)  // long over
            // Decided while it is being registered.
            #expect(try park(.other) { $0.wake(.closed) } == .closed)
            #expect(try park(.other, until: .after(.milliseconds(1))) { _ in } == .timedOut)
        }
    }

    @Test func aShieldedParkIgnoresCancellation() async throws {
        try await onLoop { () throws -> Void in
            let token = Box<WaitToken?>(nil)
            let fiber = spawn { try park(.other, isShielded: true) { token.value = $0 } }
            try yield()
            fiber.cancel()
            try nap()
            #expect(!fiber.isFinished)
            token.value?.wake()
            #expect(try fiber.get() == .woken)
        }
    }

    @Test func aTokenOfAnEarlierLoopWakesNobody() async throws {
        try await onFreshThread { () throws -> Void in
            let token = Box<WaitToken?>(nil)
            func run(_ body: @escaping () throws -> Void) throws { try EventLoop.run(takesOver: false, body) }
            try run {
                let early = spawn { try park(.other, until: .after(.milliseconds(1))) { token.value = $0 } }
                try early.join()
            }
            for _ in 0..<5 {
                try run { () throws -> Void in
                    let fibers = (0..<5).map { _ in spawn { try nap(3) } }
                    spawn { token.value?.wake(.closed) }
                    #expect(try joinAll(fibers, timeout: .seconds(60), rethrowing: true).count == 5)
                }
            }
        }
    }
}
