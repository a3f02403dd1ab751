import Swiftlet
import TestSupport
import Testing

/// What reaches from a fiber into the generators and greenlets that it runs, and what does not reach back.
@Suite struct FlowTests {
    @Test func cancellingAFiberEndsAWaitInAGreenletThatItRuns() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn { () throws -> Void in
                #expect(throws: CancellationError.self) {
                    try Greenlet<Int> { _ in
                        defer { journal.note("unwound") }
                        try Waiter<Void>().wait()
                    }.switch(1)
                }
                journal.note("told")
                try sleep(.zero)
            }
            try yield()
            fiber.cancel()
            #expect(try fiber.join(timeout: .seconds(60)))
            #expect(fiber.error is CancellationError)
            #expect(journal.entries == ["unwound", "told"])
        }
    }

    @Test func scopesReachIntoGreenlets() async throws {
        try await onLoop { () throws -> Void in
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(5)) { try Greenlet<Int> { _ in try sleep(.seconds(100)) }.switch(1) }
            }
            // Through a greenlet and a generator, and from another fiber.
            var opened: CancelScope?
            let fiber = spawn {
                try withCancelScope { scope in
                    opened = scope
                    _ = try Greenlet<Int> { _ in
                        _ = try Generator<Int> { yield in
                            _ = try Greenlet<String> { _ in try Waiter<Void>().wait() }.switch("inner")
                        }.next()
                    }.switch(1)
                }
            }
            try yield()
            opened?.cancel()
            #expect(try fiber.join(timeout: .seconds(60)))
            #expect(fiber.error is CancellationError)
        }
    }

    @Test func aShieldHoldsInGreenlets() async throws {
        try await onLoop { () throws -> Void in
            let waiter = Waiter<Int>()
            let fiber = spawn { () throws -> Int? in
                try shielded { try Greenlet<Int> { _ in try waiter.wait() }.switch(1) }
            }
            try yield()
            fiber.cancel()
            try yield()
            #expect(!fiber.isFinished)
            waiter.resume(returning: 3)
            #expect(try fiber.get(timeout: .seconds(60)) == 3)
        }
    }

    /// Greenlets follow one another: the scope of one is not that of the next.
    @Test func aGreenletIsNotInTheScopeOfTheOneThatSwitchedToIt() async throws {
        try await onLoop { () throws -> Void in
            let main = Greenlet<Int>.current
            let second = Greenlet<Int> { _ in
                try checkCancellation()
                try nap()
                return 7
            }
            let first = Greenlet<Int> { _ in
                try withCancelScope { scope in
                    scope.cancel()
                    return try second.switch(0)
                }
            }
            try second.setParent(main)
            #expect(try first.switch(0) == 7)
        }
    }

    @Test func insideAGreenletTheFiberIsTheCurrentOne() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let fiber = AnyFiber.current
            #expect(fiber != nil)
            var seen: AnyFiber?
            try Greenlet<Int> { _ in seen = AnyFiber.current }.switch(1)
            #expect(seen === fiber)
        }
    }

    @Test func aScopeAcrossAYieldIsNotTheResumers() async throws {
        try await onLoop { () throws -> Void in
            let generator = Generator<Int> { yield in
                try withTimeout(.milliseconds(5)) {
                    try yield(1)
                    try sleep(.seconds(100))
                }
            }
            #expect(try generator.next() == 1)
            try nap(10)  // longer than the generator's timeout, which does not count here
            try checkCancellation()
            #expect(throws: DeadlineExceeded.self) { try generator.next() }
            try nap()
        }
    }

    @Test func aCancelledScopeOfASuspendedGeneratorLeavesItsResumerAlone() async throws {
        try await onLoop { () throws -> Void in
            var opened: CancelScope?
            let generator = Generator<Int> { yield in
                try withCancelScope { scope in
                    opened = scope
                    try yield(1)
                    try checkCancellation()
                }
            }
            let other = spawn { () throws -> Void in
                #expect(try generator.next() == 1)
                try Waiter<Void>().wait(until: .after(.milliseconds(20)))
            }
            try yield()
            opened?.cancel()
            #expect(try other.join(timeout: .seconds(60)))
            #expect(other.error == nil)
            #expect(throws: CancellationError.self) { try generator.next() }
        }
    }
}
