import Glibc
import Swiftlet
import SwiftletInspect
import TestSupport
import Testing

/// Tasks that have no stack, since they are suspended at an `await`.
@Suite(.serialized) struct SuspendedTaskTests {
    @inline(never)
    private static func waitForOrders(_ orders: AsyncStream<Int>) async -> Int {
        var sum = 0
        for await order in orders { sum += order }
        return sum
    }

    @inline(never)
    private static func waitForAnotherTask(_ other: Task<Int, Never>) async -> Int { await other.value + 1 }

    /// How many tasks at such a place are suspended or ready.
    private func count(_ function: String) async throws -> Int {
        try await toThread {
            let snapshot = try connectToSelf().look(stacks: true)
            return snapshot.coroutines.count { coroutine in
                guard coroutine.kind == "task", coroutine.state == "suspended", coroutine.wait == "an await",
                    let stack = coroutine.stack
                else { return false }
                return snapshot.stacks[stack].contains { snapshot.symbols[$0]?.contains(function) ?? false }
            }
        }
    }

    @Test func tasksAtAnAwaitAreToldWithTheirPlaceUntilTheyEnd() async throws {
        _ = try connectToSelf()
        try await onTaskLoop(parks: false) { loop async throws -> Void in
            let (orders, source) = AsyncStream.makeStream(of: Int.self)
            let waiting = loop.makeTask { await Self.waitForOrders(orders) }
            let following = loop.makeTask { await Self.waitForAnotherTask(waiting) }
            for _ in 0..<5 { await Task.yield() }
            #expect(try await count("waitForOrders") == 1)
            #expect(try await count("waitForAnotherTask") == 1)
            source.yield(3)
            source.finish()
            #expect(await following.value == 4)
            #expect(try await count("waitForOrders") == 0)
            #expect(try await count("waitForAnotherTask") == 0)
        }
    }

    @Test func childrenOfATaskGroupAreTold() async throws {
        _ = try connectToSelf()
        try await onTaskLoop(parks: false) { loop async throws -> Void in
            let streams = (0..<3).map { _ in AsyncStream.makeStream(of: Int.self) }
            let group = loop.makeTask {
                await withTaskGroup(of: Int.self) { group in
                    for (stream, _) in streams { group.addTask { await Self.waitForOrders(stream) } }
                    return await group.reduce(0, +)
                }
            }
            for _ in 0..<5 { await Task.yield() }
            #expect(try await count("waitForOrders") == 3)
            for (_, source) in streams {
                source.yield(1)
                source.finish()
            }
            #expect(await group.value == 3)
            #expect(try await count("waitForOrders") == 0)
        }
    }

    @Test func manyTasksThatHaveEndedAreForgotten() async throws {
        _ = try connectToSelf()
        try await onTaskLoop(parks: false) { loop async throws -> Void in
            let (orders, source) = AsyncStream.makeStream(of: Int.self)
            let waiting = loop.makeTask { await Self.waitForOrders(orders) }
            for _ in 0..<3_000 { await loop.makeTask { await Task.yield() }.value }
            #expect(try await count("waitForOrders") == 1)
            source.finish()
            _ = await waiting.value
        }
    }

    @Test func forHowLongACoroutineHasRunIsCountedWhileSomebodyWatches() async throws {
        try await onLoop { () throws -> Void in
            nonisolated(unsafe) let client = try connectToSelf()  // one look at a time
            _ = try toThread { try client.look(stacks: false, times: true) }
            let busy = spawn(name: "busy-41") {
                for _ in 0..<2 {
                    let begin = threadCPUTime()
                    while threadCPUTime() - begin < 30_000_000 {}
                    try yield()
                }
                try Event().wait()
            }
            let lazy = spawn(name: "lazy-41") { try Event().wait() }
            for _ in 0..<5 { try yield() }
            let snapshot = try toThread { try client.look(stacks: false, times: true) }
            let told = try snapshot.coroutine(named: "busy-41")
            #expect(told.runTime >= 60_000_000 && told.runTime < 30_000_000_000)
            #expect(try snapshot.coroutine(named: "lazy-41").runTime < told.runTime / 2)
            busy.cancel()
            lazy.cancel()
        }
    }
}
