import Swiftlet
import TestSupport
import Testing

/// Coroutines written as generators: synchronous code that awaits.
@Suite struct GeneratorCoroutineTests {
    static func slow(_ number: Int) -> Coroutine<Int> {
        Coroutine {
            try await sleep(.milliseconds(1))
            return number
        }
    }

    /// Awaits at some depth of calls.
    static func sum(_ first: Coroutine<Int>, _ second: Coroutine<Int>) -> GeneratorCoroutine<Int> {
        GeneratorCoroutine { yield in
            func deep(_ depth: Int) throws -> Int {
                try depth == 0 ? yield.from(first) : deep(depth - 1)
            }
            try yield()
            return try deep(20) + yield.from(second)
        }
    }

    @Test func awaitInSynchronousCode() async throws {
        try await onTaskLoop { (_) async throws -> Void in
            #expect(try await Self.sum(Self.slow(1), Self.slow(2)).value == 3)
            await #expect(throws: Failure(3)) {
                try await GeneratorCoroutine { (yield) throws -> Int in
                    try yield.from(Coroutine { () async throws -> Int in throw Failure(3) })
                }.value
            }
        }
    }

    @Test func manyTakeTurns() async throws {
        try await onTaskLoop { (_) async throws -> Void in
            let sums = (0..<20).map { n in Coroutine { try await Self.sum(Self.slow(n), Self.slow(n)).value } }
            #expect(try await gather(sums) == (0..<20).map { 2 * $0 })
        }
    }

    @Test func onACancellationTheyAreUnwound() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            for waits in [true, false] {
                let ended = Tally()
                let endless = GeneratorCoroutine { (yield) throws -> Int in
                    defer { ended.add() }
                    while true {
                        if waits {
                            _ = try yield.from(Coroutine { try await sleep(.seconds(100)) })
                        } else {
                            try yield()
                        }
                    }
                }
                let task = Task(executorPreference: loop.taskExecutor) { try await endless.value }
                while endless.state == .created { try turn() }
                try await sleep(.milliseconds(2))
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                #expect(ended.count == 1)
            }
            try turn()
        }
    }

    @Test func outsideALoop() async throws {
        #expect(try await GeneratorCoroutine { yield in try yield.from(Self.slow(3)) }.value == 3)
        #expect(try await Self.sum(Self.slow(3), Self.slow(4)).value == 7)
    }
}
