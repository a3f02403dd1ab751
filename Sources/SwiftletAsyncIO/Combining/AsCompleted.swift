import SwiftletLoop

/// Futures or tasks in the order in which they end: `for try await task in asCompleted(tasks) { try task.result() }`.
///
/// - Parameters:
///   - futures: those to wait for.
///   - timeout: for all of them together. When it has passed, the iteration throws `DeadlineExceeded`.
public func asCompleted<F: AnyFuture>(
    _ futures: some Collection<F>, timeout: Duration? = nil
) -> CompletionOrder<F> {
    CompletionOrder(futures: Array(futures), deadline: timeout.map { .after($0) })
}

/// What `asCompleted` answers. One iteration at a time.
public struct CompletionOrder<F: AnyFuture>: AsyncSequence, Sendable {
    fileprivate let futures: [F]
    fileprivate let deadline: Deadline?

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private var pending: [F]
        private let deadline: Deadline?
        /// Ended, and not yet handed out.
        private var ready: [F] = []

        fileprivate init(_ order: CompletionOrder) {
            var distinct = Set<F>()
            pending = order.futures.filter { distinct.insert($0).inserted }
            deadline = order.deadline
        }

        /// Cancellation: ends the wait, not the futures.
        /// - Throws: `DeadlineExceeded`, `CancellationError`; `LoopError.wrongThread` for a future of another loop.
        public mutating func next() async throws -> F? {
            if ready.isEmpty, !pending.isEmpty { try await waitForNext() }
            return ready.isEmpty ? nil : ready.removeFirst()
        }

        private mutating func waitForNext() async throws {
            let combination = try Combination("asCompleted", pending, count: 1)
            let timer = try deadline.map { try EventLoop.running.callAt($0) { combination.stop() } }
            defer { timer?.cancel() }
            try await combination.untilEnough()
            guard !combination.done.isEmpty else { throw DeadlineExceeded() }
            // In the order of their ends; several may have ended before this task's turn came.
            ready = combination.done.map { $0 as! F }
            pending.removeAll { ready.contains($0) }
        }
    }
}
