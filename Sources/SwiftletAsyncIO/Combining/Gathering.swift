import SwiftletLoop

/// Runs many coroutines with as few tasks as possible. Everything happens on the loop's thread.
///
/// Workers are tasks that take coroutines from the list, one after the other. One that begins makes its successor, which
/// waits in the loop's queue behind it. If the worker's coroutine suspends, the successor's turn comes and it takes the
/// next; so each suspended coroutine has a task of its own, as it needs, and those that do not suspend share one. The
/// order is that of tasks made one by one. After some turns a worker leaves the rest to its successor, so that timers
/// and descriptors are not kept waiting.
///
/// While the list is not empty, the worker made last is in the queue: whoever takes from the list sees to that.
final class Gathering<Value: Sendable>: @unchecked Sendable {
    private static var turnsPerWorker: Int { 64 }

    private let loop: EventLoop
    private let endsAtFirstError: Bool
    private let completion: Future<Void>
    private var coroutines: [Coroutine<Value>]
    private var next = 0
    private var remaining: Int
    private var isCancelled = false
    private var workers: [Task<Void, Never>] = []
    private(set) var values: [Value?]
    private(set) var errors: [Int: any Error] = [:]

    init(_ coroutines: [Coroutine<Value>], on loop: EventLoop, endsAtFirstError: Bool) {
        self.loop = loop
        self.endsAtFirstError = endsAtFirstError
        self.coroutines = coroutines
        completion = Future(on: loop)
        remaining = coroutines.count
        values = Array(repeating: nil, count: coroutines.count)
    }

    /// - Throws: the first error, if that ends it; `CancellationError`.
    func run() async throws {
        startWorker()
        do {
            try await completion.untilDone()
            if completion.isCancelled { throw CancellationError() }
        } catch is CancellationError {
            await cancel()
            throw CancellationError()
        }
        try completion.result()
    }

    private func startWorker() {
        workers.append(Task(executorPreference: loop.preferenceOrDefault) { await self.work() })
    }

    private func work() async {
        if next < coroutines.count { startWorker() }
        await CurrentTask.$value.withValue(nil) {
            for _ in 0..<Self.turnsPerWorker {
                guard next < coroutines.count else { return }
                let index = next
                next += 1
                do {
                    values[index] = try await coroutines[index].run()
                } catch {
                    failed(index, error)
                }
                remaining -= 1
                if remaining == 0 { end() }
                // A coroutine has cancelled its task: that is not for the others.
                if Task.isCancelled { return }
            }
        }
    }

    private func failed(_ index: Int, _ error: any Error) {
        errors[index] = error
        if endsAtFirstError, !completion.isDone { completion.fail(error) }
    }

    private func end() {
        if !completion.isDone { completion.succeed(()) }
    }

    /// Those that have not begun never do; the others are waited for.
    private func cancel() async {
        isCancelled = true
        for coroutine in coroutines[next...] { coroutine.discard() }
        next = coroutines.count
        for worker in workers { worker.cancel() }
        for worker in workers { await worker.value }
    }
}
