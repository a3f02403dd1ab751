import SwiftletCoroutines

/// So many threads at most for work that blocks and cannot park. gevent's `ThreadPool`. The free function `toThread` uses
/// one that all share.
///
/// Threads start as they are needed, and end when they have had nothing to do for a while or the pool is gone. Further
/// work queues in order. A place is free again when its job has ended, whoever waited for it.
///
/// Thread rules: everything may be done from any thread.
public final class ThreadPool: Sendable {
    /// The most threads at a time.
    public let size: Int
    private let pool: OffloadPool

    /// - Parameters:
    ///   - size: at least 1.
    ///   - idleLimit: how long a thread waits for work before it ends; at most a year. gevent's `idle_task_timeout`.
    public init(size: Int, idleLimit: Duration = .seconds(10)) {
        self.size = max(1, size)
        pool = OffloadPool(capacity: max(1, size), idleLimit: min(max(.zero, idleLimit), .seconds(365 * 86_400)))
    }

    /// The one that `toThread` uses. Never gone, so its threads are not told to end.
    package static let shared = ThreadPool(.shared)

    private init(_ pool: OffloadPool) {
        size = pool.capacity
        self.pool = pool
    }

    deinit { pool.close() }

    /// Runs a closure on one of the threads, without waiting. It sees the caller's task-local values.
    ///
    /// - Returns: its result. It runs to its end, whatever is done to that.
    @discardableResult
    public func spawn<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) -> AsyncResult<Value> {
        let result = AsyncResult<Value>()
        let work = keepingTaskLocalValues(work)
        pool.submit { result.trySet(Result(catching: work)) }
        return result
    }

    /// Runs a closure on one of the threads, while only the caller waits.
    ///
    /// Cancellation: ends the wait; the closure runs to its end and its result is dropped.
    /// - Throws: what the closure throws; `CancellationError`.
    public func apply<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) throws -> Value {
        try offload(to: pool, work)
    }

    /// Runs a closure on one of the threads, from a task.
    ///
    /// Cancellation: ends the wait; the closure runs to its end and its result is dropped.
    public func apply<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await parkInTask { try offload(to: self.pool, work) }
    }

    /// Runs a closure for each item and waits for all values.
    ///
    /// Cancellation: ends the wait; the closures run to their end.
    /// - Returns: the values in the order of the items.
    /// - Throws: the error of the first item, in their order, that fails; the others go on. `CancellationError`.
    public func map<Item: Sendable, Value: Sendable>(
        _ items: some Sequence<Item>, _ work: @escaping @Sendable (Item) throws -> Value
    ) throws -> [Value] {
        try items.map { item in spawn { try work(item) } }.map { try $0.get() }
    }
}
