import SwiftletLoop

/// When `wait(for:)` returns.
public enum ReturnWhen: Sendable, Hashable {
    case allCompleted
    /// One has ended, however.
    case firstCompleted
    /// One has failed; else all have ended. A cancelled one does not count as failed.
    case firstException
}

/// Waits for several futures or tasks, and tells which are done. Neither throws their errors nor cancels any of them,
/// also when the time is up. Bare coroutines are refused by their type: make them tasks.
///
/// Cancellation: ends the wait, not the futures.
/// - Throws: `InvalidStateError.nothingToWaitFor`; `LoopError.wrongThread` for a future of another loop, `.notRunning`.
public func wait<F: AnyFuture>(
    for futures: some Collection<F>, timeout: Duration? = nil, returnWhen: ReturnWhen = .allCompleted
) async throws -> (done: Set<F>, pending: Set<F>) {
    if futures.isEmpty { throw InvalidStateError.nothingToWaitFor }
    let count = returnWhen == .firstCompleted ? 1 : futures.count
    let combination = try Combination("wait", Array(futures), count: count) { future in
        returnWhen == .firstException && future.state == .failed
    }
    let timer = try timeout.map { try EventLoop.running.callLater($0) { combination.stop() } }
    defer { timer?.cancel() }
    try await combination.untilEnough()
    return (done: Set(futures.filter(\.isDone)), pending: Set(futures.filter { !$0.isDone }))
}

/// The same as a coroutine, for a loop that does not run yet: `loop.run(until: wait(for: tasks))`.
public func wait<F: AnyFuture>(
    for futures: some Collection<F> & Sendable, timeout: Duration? = nil, returnWhen: ReturnWhen = .allCompleted
) -> Coroutine<(done: Set<F>, pending: Set<F>)> {
    Coroutine("wait") { try await wait(for: futures, timeout: timeout, returnWhen: returnWhen) }
}
