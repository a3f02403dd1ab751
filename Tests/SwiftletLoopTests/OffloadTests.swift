import CSwiftlet
import Glibc
import Swiftlet
import Synchronization
import TestSupport
import Testing

/// toThread and blockOn.
@Suite struct OffloadTests {
    @Test func workRunsElsewhereAndItsResultComesBack() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let home = swiftlet_thread_id()
            #expect(try toThread { swiftlet_thread_id() } != home)
            #expect(swiftlet_thread_id() == home)
            #expect(throws: Failure(2)) { try toThread { throw Failure(2) } }
        }
    }

    @Test func atMostSoManyRunAtOnce() async throws {
        try await onLoop { () throws -> Void in
            let limit = min(32, sysconf(Int32(_SC_NPROCESSORS_ONLN)) + 4)
            let (running, most, total) = (Tally(), SharedJournal<Int>(), 100)
            let met = Waiter<Void>()
            let fibers = (0..<total).map { _ in
                spawn {
                    try toThread {
                        most.note(running.add())
                        if most.entries.max()! > 1 { met.resume(returning: ()) }
                        _ = try met.wait()  // none ends before two have met
                        usleep(5_000)  // so that they pile up
                        running.add(-1)
                    }
                }
            }
            try joinAll(fibers, rethrowing: true)
            #expect(most.entries.count == total)
            #expect(most.entries.max()! <= limit)
            #expect(most.entries.max()! > 1)
        }
    }

    @Test func cancellingEndsTheWaitNotTheWork() async throws {
        try await onLoop { () throws -> Void in
            let (started, mayEnd) = (Waiter<Bool>(), Waiter<Bool>())
            let ended = Waiter<Bool>()
            let fiber = spawn {
                try toThread {
                    started.resume(returning: true)
                    _ = try? mayEnd.wait()
                    ended.resume(returning: true)
                }
            }
            _ = try started.wait()
            fiber.cancel()
            try fiber.join()
            #expect(fiber.error is CancellationError)
            mayEnd.resume(returning: true)
            #expect(try ended.wait() == true)
        }
    }

    @Test func blockOnInAFiberLetsOthersRun() async throws {
        try await onLoop { () throws -> Void in
            let home = swiftlet_thread_id()
            let (begun, gate) = (Tally(), Waiter<Void>())
            // The async code ends by ten turns of another fiber that come after its begin.
            let other = spawn {
                while begun.count == 0 { try yield() }
                for _ in 0..<10 { try yield() }
                gate.resume(returning: ())
            }
            let value = try blockOn { () async throws -> Int in
                #expect(swiftlet_thread_id() == home)
                begun.add()
                try await gate.wait()
                try await Task.sleep(for: .milliseconds(5))
                await Task.yield()
                #expect(swiftlet_thread_id() == home)
                return 6
            }
            #expect(value == 6)
            try other.join()
            #expect(throws: Failure(3)) { try blockOn { () async throws -> Int in throw Failure(3) } }
        }
    }

    @Test func blockOnInATask() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let value = try blockOn { () async throws -> Int in
                await Task.yield()
                #expect(loop.isCurrent)
                // Once more, deeper.
                return try blockOn { () async throws -> Int in
                    await Task.yield()
                    return 8
                }
            }
            #expect(value == 8)
        }
    }

    @Test func blockOnOnAPlainThread() async throws {
        try await onFreshThread { () throws -> Void in
            let value = try blockOn { () async throws -> Int in
                try await Task.sleep(for: .milliseconds(2))
                return 9
            }
            #expect(value == 9)
            #expect(EventLoop.currentIfAny == nil)
        }
    }

    @Test func cancellingTheCallerOfBlockOnCancelsTheAsyncCodeAndWaits() async throws {
        try await onLoop { () throws -> Void in
            let cleaned = Tally()
            let fiber = spawn {
                try blockOn { () async throws -> Void in
                    do {
                        try await Task.sleep(for: .seconds(100))
                    } catch {
                        await Task.yield()
                        cleaned.add()
                        throw error
                    }
                }
            }
            try nap(2)
            fiber.cancel()
            try fiber.join()
            #expect(fiber.error is CancellationError)
            #expect(cleaned.count == 1)
            // One that catches it may still give a value.
            let stubborn = spawn {
                try blockOn { () async throws -> Int in
                    try? await Task.sleep(for: .seconds(100))
                    return 5
                }
            }
            try nap(2)
            stubborn.cancel()
            #expect(try stubborn.get() == 5)
        }
    }

    @Test func aDeadlineEndsBlockOn() async throws {
        try await onLoop { () throws -> Void in
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(5)) {
                    try blockOn { () async throws -> Void in try await Task.sleep(for: .seconds(100)) }
                }
            }
        }
    }
}
