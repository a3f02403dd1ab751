import Swiftlet
import TestSupport
import Testing

/// Greenlets and fibers on one thread: who waits in the loop belongs to the loop.
struct GreenletInLoopTests {
    @Test func aParentThatWaitsInTheLoopIsNotContinued() async throws {
        try await onLoop { () throws -> Void in
            var greenlet: Greenlet<Int>!
            let gate = Waiter<Int>()
            let parent = spawn { () throws -> Int? in
                greenlet = Greenlet<Int> { $0 + 1 }
                return try gate.wait()
            }
            try yield()
            // The body's end would go to the parent's main greenlet: who switched in is told instead.
            #expect(throws: GreenletError.notSuspended) { try greenlet.switch(1) }
            for _ in 0..<10 { try yield() }
            #expect(!parent.isFinished)
            gate.resume(returning: 5)
            #expect(try parent.get() == 5)
        }
    }

    @Test func aParentWhoseFiberHasEndedIsNotContinued() async throws {
        try await onLoop { () throws -> Void in
            let greenlet = try spawn { Greenlet<Int> { $0 + 1 } }.get()
            try spawn { try sleep(.milliseconds(1)) }.get()  // something else has run on that stack since
            #expect(throws: GreenletError.homeEnded) { try greenlet.switch(1) }
        }
    }

    @Test func oneThatWaitsInTheLoopIsNotSwitchedTo() async throws {
        try await onLoop { () throws -> Void in
            var greenlet: Greenlet<Int>!
            let gate = Waiter<Int>()
            let starter = spawn {
                greenlet = Greenlet<Int> { _ in try gate.wait()! }
                return try greenlet.switch(0)
            }
            try yield()
            #expect(throws: GreenletError.notSuspended) { try greenlet.switch(1) }
            gate.resume(returning: 7)
            #expect(try starter.get() == 7)
        }
    }

    @Test func severalMayWaitForOneWaiter() async throws {
        try await onLoop { () throws -> Void in
            let answer = Waiter<Int>()
            let fibers = (0..<3).map { _ in spawn { try answer.wait() } }
            let impatient = spawn { try withTimeout(.milliseconds(1)) { try answer.wait() } }
            #expect(throws: DeadlineExceeded.self) { try impatient.get() }
            answer.resume(returning: 4)
            #expect(try fibers.map { try $0.get() } == [4, 4, 4])
        }
    }
}
