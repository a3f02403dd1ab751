import Glibc
import Swiftlet
import TestSupport
import Testing

/// The same synchronous calls where there is no loop: they block.
@Suite struct PlainThreadTests {
    @Test func sleepingAndYielding() async throws {
        try await onFreshThread { () throws -> Void in
            let time = try elapsed { try sleep(.milliseconds(10)) }
            #expect(time >= .milliseconds(10))
            try yield()
            try checkCancellation()
            #expect(EventLoop.currentIfAny == nil)
        }
    }

    @Test func waitersWork() async throws {
        try await onFreshThread { () throws -> Void in
            for n in 0..<100 {
                let waiter = Waiter<Int>()
                startThread { waiter.resume(returning: n) }
                #expect(try waiter.wait() == n)
            }
            #expect(try Waiter<Int>().wait(until: .after(.milliseconds(2))) == nil)
            #expect(try toThread { 4 } == 4)
        }
    }

    @Test func deadlinesAndScopesWork() async throws {
        try await onFreshThread { () throws -> Void in
            #expect(throws: DeadlineExceeded.self) { try withTimeout(.milliseconds(2)) { try sleep(.seconds(100)) } }
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(2)) { while true { try yield() } }
            }
            for _ in 0..<100 {
                #expect(throws: CancellationError.self) {
                    try withCancelScope { scope in
                        startThread { scope.cancel() }
                        try sleep(.seconds(20))
                    }
                }
            }
        }
    }

    @Test func aShieldKeepsAForeignCancelOut() async throws {
        try await onFreshThread { () throws -> Void in
            #expect(throws: CancellationError.self) {
                try withCancelScope { scope in
                    onThreadAndEnd { scope.cancel() }
                    let time = try elapsed { try shielded { try sleep(.milliseconds(5)) } }
                    #expect(time >= .milliseconds(5))
                    try sleep(.seconds(20))
                }
            }
        }
    }

    @Test func descriptorsWork() async throws {
        try await onFreshThread { () throws -> Void in
            let (reading, writing) = makePipe()
            defer {
                close(reading)
                close(writing)
            }
            #expect(try waitUntilReady(writing, for: .writing))
            #expect(try waitUntilReady(reading, for: .reading, until: .after(.milliseconds(2))) == false)
            startThread { writeByte(writing) }
            #expect(try waitUntilReady(reading, for: .reading))
            #expect(throws: DescriptorError.self) {
                try waitUntilReady(-1, for: .reading, until: .after(.milliseconds(50)))
            }
        }
    }

    @Test func deadlinesEndWaitsForDescriptors() async throws {
        try await onFreshThread { () throws -> Void in
            let (reading, writing) = makePipe()
            let descriptor = Descriptor(owning: reading)
            defer {
                descriptor.close()
                close(writing)
            }
            let watch = Stopwatch()
            do {
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(5)) {
                        try waitUntilReady(reading, for: .reading, until: .after(.seconds(100)))
                    }
                }
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(5)) {
                        try descriptor.refused(.reading, until: .after(.seconds(100)))
                    }
                }
            }
            #expect(watch.elapsed < .seconds(2))
        }
    }

    @Test func fibersStartALoopOfTheThread() async throws {
        try await onFreshThread { () throws -> Void in
            let fibers = (0..<10).map { n in
                spawn {
                    try nap()
                    return n
                }
            }
            #expect(try joinAll(fibers).compactMap { $0.value } == Array(0..<10))
            try EventLoop.current.close()
        }
    }

    @Test func aTaskInSwiftsPoolMayCallThemAndBeCancelled() async throws {
        let task = Task.detached { () throws -> Void in try sleep(.seconds(100)) }
        let time = await ContinuousClock().measure {
            task.cancel()
            _ = await task.result
        }
        #expect(time < .seconds(50))  // not the hundred that it would sleep
        let begun = Waiter<Void>()
        let late = Task.detached { () throws -> Void in
            begun.resume(returning: ())
            try sleep(.seconds(100))
        }
        _ = try await begun.wait()
        try await Task.sleep(for: .milliseconds(20))  // no event tells that a thread has blocked; it need not have
        late.cancel()
        let lateTime = await ContinuousClock().measure { _ = await late.result }
        #expect(lateTime < .seconds(50))
    }
}
