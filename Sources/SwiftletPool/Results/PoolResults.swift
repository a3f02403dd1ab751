import SwiftletLoop

/// What `imap` and `imapUnordered` answer: one value a job, as they are ready. Iterate it with `for try await`, or ask for the
/// next one from synchronous code.
///
/// The error of a job is thrown in its place; asked again, it goes on behind it. When the object is dropped no further jobs are
/// taken, and those under way are cancelled. One consumer at a time.
public final class PoolResults<Value: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Value
    public typealias Failure = any Error

    private let nextOutcome: @Sendable (Deadline?) throws -> Result<Value, any Error>?
    private let stop: @Sendable () -> Void

    init<Job: PoolJob>(_ map: PoolMap<Job>) where Job.Output == Value {
        nextOutcome = { try map.next(until: $0) }
        stop = { map.cancel() }
    }

    deinit { stop() }

    /// Waits for the next value. Python's `IMapIterator.next`.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Returns: `nil` after the last.
    /// - Throws: the error of the job whose turn it is; `DeadlineExceeded` after `timeout`; `CancellationError`.
    public func next(timeout: Duration? = nil) throws -> Value? {
        try nextOutcome(timeout.map { .after($0) })?.get()
    }

    /// Waits for the next value, from a task.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Returns: `nil` after the last.
    public func next(timeout: Duration? = nil) async throws -> Value? {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.nextOutcome(deadline)?.get() }
    }

    /// Takes no further jobs, and cancels those under way.
    public func cancel() { stop() }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let results: PoolResults

        public mutating func next() async throws -> Value? { try await results.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(results: self) }
}
