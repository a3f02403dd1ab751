import SwiftletLoop

/// Futures or tasks in the order in which they end: `for try await task in asCompleted(tasks) { try task.result() }`.
///
/// Complexity: O(1) for each of them.
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
        private let order: CompletionOrder
        private var completions: Completions?
        private var taken = 0

        fileprivate init(_ order: CompletionOrder) { self.order = order }

        /// Cancellation: ends the wait, not the futures.
        /// - Throws: `DeadlineExceeded`, `CancellationError`; `LoopError.wrongThread` for a future of another loop.
        public mutating func next() async throws -> F? {
            if order.futures.isEmpty { return nil }
            let completions = try completions ?? Completions(order.futures, deadline: order.deadline)
            self.completions = completions
            guard let future = try await completions.next(after: taken) else { return nil }
            taken += 1
            return (future as! F)
        }
    }
}

/// All futures of one iteration, observed from its first wait until it is dropped.
private final class Completions {
    private let loop: EventLoop
    private let combination: Combination
    private let deadline: Deadline?
    private let timer: TimerHandle?

    /// - Throws: `LoopError.notRunning`; `.wrongThread` when a future belongs to another loop.
    init(_ futures: [AnyFuture], deadline: Deadline?) throws {
        loop = try .running
        let combination = try Combination("asCompleted", futures, count: futures.count)
        self.combination = combination
        self.deadline = deadline
        timer = try deadline.map { [loop] in try loop.callAt($0) { combination.stop() } }
    }

    deinit {
        timer?.cancel()
        if loop.isCurrent { return combination.end() }
        loop.perform { [combination] in combination.end() }
    }

    func next(after taken: Int) async throws -> AnyFuture? {
        if taken == combination.count { return nil }
        if try EventLoop.running !== loop { throw LoopError.wrongThread }
        if combination.done.count == taken, let deadline, deadline <= .now { throw DeadlineExceeded() }
        try await combination.until(count: taken + 1)
        guard combination.done.count > taken else { throw DeadlineExceeded() }
        return combination.done[taken]
    }
}
