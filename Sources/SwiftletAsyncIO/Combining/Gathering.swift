public import SwiftletLoop

/// Runs many coroutines with as few tasks as possible. Everything happens on the loop's thread.
///
/// Workers are tasks that take coroutines from the list, one after the other. One that begins makes its successor, which
/// waits in the loop's queue behind it. If the worker's coroutine suspends, the successor's turn comes and it takes the
/// next; so each suspended coroutine has a task of its own, as it needs, and those that do not suspend share one. The
/// order is that of tasks made one by one. After some turns a worker leaves the rest to its successor, so that timers
/// and descriptors are not kept waiting.
///
/// While the list is not empty, the worker made last is in the queue: whoever takes from the list sees to that.
///
/// It knows no values: `step` is a closure of the caller's, who is compiled for the values' type.
@usableFromInline
final class Gathering: @unchecked Sendable {
    private static let turnsPerWorker = 64

    private let loop: EventLoop
    private let count: Int
    private let endsAtFirstError: Bool
    private let step: @Sendable (Int) async throws -> Void
    private let discard: @Sendable (Int) -> Void
    private let completion: Future<Void>
    @exclusivity(unchecked) private var next = 0
    @exclusivity(unchecked) private var remaining: Int
    @exclusivity(unchecked) private var workers: [Task<Void, Never>] = []
    @usableFromInline @exclusivity(unchecked) private(set) var errors: [Int: any Error] = [:]

    /// - Parameters:
    ///   - count: how many coroutines there are.
    ///   - loop: the caller's.
    ///   - endsAtFirstError: whether `run` throws the first error at once.
    ///   - step: runs one to its end.
    ///   - discard: called for one that will not run.
    @usableFromInline
    init(
        count: Int, on loop: EventLoop, endsAtFirstError: Bool, step: @escaping @Sendable (Int) async throws -> Void,
        discard: @escaping @Sendable (Int) -> Void
    ) {
        self.count = count
        self.loop = loop
        self.endsAtFirstError = endsAtFirstError
        self.step = step
        self.discard = discard
        completion = Future(on: loop)
        remaining = count
    }

    /// - Throws: the first error, if that ends it; `CancellationError`.
    @usableFromInline
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
        // No task of the program's own: what it runs is not the caller's task.
        CurrentTask.$value.withValue(nil) {
            workers.append(loop.makeTask { await self.work() })
        }
    }

    private func work() async {
        if next < count { startWorker() }
        for _ in 0..<Self.turnsPerWorker {
            guard next < count else { return }
            let index = next
            next += 1
            do {
                try await step(index)
            } catch {
                failed(index, error)
            }
            remaining -= 1
            if remaining == 0 { end() }
            // A coroutine has cancelled its task: that is not for the others.
            if Task.isCancelled { return }
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
        for index in next..<count { discard(index) }
        next = count
        for worker in workers { worker.cancel() }
        for worker in workers { await worker.value }
    }
}

/// The values of a gathering, each written once by its coroutine.
@usableFromInline
final class GatheredValues<Value: Sendable>: @unchecked Sendable {
    @usableFromInline let values: UnsafeMutablePointer<Value?>
    @usableFromInline let count: Int

    @inlinable
    init(count: Int) {
        self.count = count
        values = .allocate(capacity: count)
        values.initialize(repeating: nil, count: count)
    }

    deinit {
        values.deinitialize(count: count)
        values.deallocate()
    }
}
