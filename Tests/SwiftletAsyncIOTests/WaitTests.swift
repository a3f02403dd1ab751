import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

@Suite struct WaitTests {
    private func sleepers(_ loop: EventLoop, _ milliseconds: [Int]) throws -> [LoopTask<Int>] {
        try milliseconds.map { time in
            try loop.createTask(
                Coroutine {
                    try await sleep(.milliseconds(time))
                    return time
                })
        }
    }

    @Test func returningAtTheFirst() async throws {
        try await onLoop { (loop) async throws -> Void in
            let tasks = try sleepers(loop, [100_000, 1, 100_000])
            let (done, pending) = try await wait(for: tasks, returnWhen: .firstCompleted)
            #expect(done == [tasks[1]] && pending == [tasks[0], tasks[2]])
            let failing = try loop.createTask(Coroutine { () async throws -> Int in throw Failure(1) })
            let cancelled = try loop.createTask(Coroutine { 1 })
            cancelled.cancel()
            let all = [tasks[0], cancelled, failing]
            let second = try await wait(for: all, returnWhen: .firstException)
            #expect(second.done.isSubset(of: [cancelled, failing]) && second.done.contains(failing))
            #expect(try failing.exception() as? Failure == Failure(1))
            for task in pending { task.cancel() }
            #expect(try await wait(for: pending).pending.isEmpty)
        }
    }

    @Test func aTimeoutCancelsNothing() async throws {
        try await onSimulatedLoop { (loop) async throws -> Void in
            let tasks = try sleepers(loop, [1, 100_000])
            let (done, pending) = try await wait(for: tasks, timeout: .milliseconds(30))
            #expect(simulatedTime == .milliseconds(30))
            #expect(done == [tasks[0]] && pending == [tasks[1]] && !tasks[1].isCancelled)
            #expect(tasks[1].cancelRequests == 0 && !tasks[1].description.contains("cb="))
            await #expect(throws: InvalidStateError.nothingToWaitFor) { try await wait(for: [LoopTask<Int>]()) }
            let waiting = try loop.createTask(Coroutine { () async throws -> Void in _ = try await wait(for: tasks) })
            await turns()
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(tasks[1].cancelRequests == 0)
            tasks[1].cancel()
            _ = try await wait(for: tasks)
        }
    }

    @Test func inTheOrderOfTheirEnds() async throws {
        try await onSimulatedLoop { (loop) async throws -> Void in
            let tasks = try sleepers(loop, [60, 1, 30])
            var order: [Int] = []
            for try await task in asCompleted(tasks + tasks) { order.append(try task.result()) }
            #expect(order == [1, 30, 60] && simulatedTime == .milliseconds(60))
            let late = try sleepers(loop, [1, 100_000])
            var seen: [Int] = []
            await #expect(throws: DeadlineExceeded.self) {
                for try await task in asCompleted(late, timeout: .milliseconds(30)) { seen.append(try task.result()) }
            }
            #expect(seen == [1] && !late[1].isDone && simulatedTime == .milliseconds(90))
            late[1].cancel()
            _ = try await wait(for: late)
        }
    }

    @Test func aHundredThousandInTheOrderOfTheirEnds() async throws {
        try await onLoop { (loop) async throws -> Void in
            let futures = try (0..<100_000).map { _ in try loop.createFuture(of: Int.self) }
            let setter = spawn {
                for (number, future) in futures.enumerated() {
                    try future.setResult(number)
                    if number % 4 == 0 { try yield() }
                }
            }
            let begin = threadCPUTime()
            var expected = 0
            for try await future in asCompleted(futures) {
                if try future.result() != expected { Issue.record("\(expected)") }
                expected += 1
                // 25,000 waits over all that are left would take hours.
                if expected % 100 == 0, threadCPUTime() - begin > 20_000_000_000 { break }
            }
            #expect(expected == futures.count)
            try await setter.get()
        }
    }

    @Test func anIterationThatIsLeftObservesNothing() async throws {
        try await onLoop { (loop) async throws -> Void in
            let futures = try (0..<3).map { _ in try loop.createFuture(of: Int.self) }
            try futures[1].setResult(1)
            for try await future in asCompleted(futures) {
                #expect(future === futures[1])
                #expect(futures[0].description.contains("cb=[asCompleted()]"))
                break
            }
            #expect(!futures[0].description.contains("cb=") && !futures[2].description.contains("cb="))
            // After a wait that was ended the iteration goes on.
            var iterator = asCompleted(futures, timeout: .milliseconds(5)).makeAsyncIterator()
            #expect(try await iterator.next() === futures[1])
            await #expect(throws: DeadlineExceeded.self) { _ = try await iterator.next() }
            try futures[2].setResult(2)
            #expect(try await iterator.next() === futures[2])
            await #expect(throws: DeadlineExceeded.self) { _ = try await iterator.next() }
        }
    }

    @Test func shielded() async throws {
        try await onLoop { (loop) async throws -> Void in
            let go = try loop.createFuture(of: Void.self)
            let inner = try loop.createTask(
                Coroutine {
                    try await go.value
                    return 2
                })
            let outer = try loop.createTask(Coroutine { try await shield(inner) })
            await turns()
            outer.cancel()
            await #expect(throws: CancellationError.self) { try await outer.value }
            #expect(!inner.isDone && inner.cancelRequests == 0)
            try go.setResult(())
            #expect(try await shield(inner) == 2)
            #expect(try await shield(Coroutine { 3 }) == 3)
        }
    }
}
