public import SwiftletLoop

/// A result that is there later: set once by somebody, awaited by any number. asyncio's Future.
///
/// ```swift
/// let answer = try Future<Int>()
/// try loop.callLater(.seconds(1)) { try answer.setResult(42) }
/// print(try await answer.value)      // in a task
/// print(try answer.wait())           // in a fiber
/// ```
public class Future<Value: Sendable>: AnyFuture, Awaitable, @unchecked Sendable {
    @exclusivity(unchecked) final var stored: Value?

    /// A future of the calling thread's loop.
    ///
    /// - Throws: `LoopError.noDescriptors` when a loop had to be made and could not be.
    public convenience init() throws(LoopError) { self.init(on: try EventLoop.current) }

    override init(on loop: EventLoop) { super.init(on: loop) }

    // MARK: Deciding

    /// Provides the result.
    ///
    /// - Throws: `InvalidStateError.alreadyDone`; `LoopError.wrongThread`, `.closed`.
    public final func setResult(_ value: Value) throws {
        try requirePending()
        succeed(value)
    }

    /// Provides an error, which whoever waits for the future throws.
    ///
    /// - Throws: `InvalidStateError.alreadyDone`; `LoopError.wrongThread`, `.closed`.
    public final func setException(_ error: any Error) throws {
        try requirePending()
        fail(error)
    }

    final func succeed(_ value: Value) {
        stored = value
        finish(.finished)
    }

    private final func requirePending() throws {
        try loop.requireOwnThread()
        if !isSettable { throw InvalidStateError.taskDecidesItself }
        if isDone { throw InvalidStateError.alreadyDone(state: stateWords) }
    }

    /// Not a task's.
    var isSettable: Bool { true }

    // MARK: Looking

    /// The result, once it is there.
    ///
    /// - Throws: the error it failed with; `InvalidStateError.resultNotSet`; `CancellationError`.
    public final func result() throws -> Value {
        try checkResult()
        return stored!
    }

    /// Suspends until the result is there. May be awaited by any number of tasks, on the loop or not.
    ///
    /// Cancellation: of the waiting task cancels the future, as in asyncio: `shield` keeps it off.
    /// - Throws: the error it failed with; `CancellationError`; `CoroutineError.awaitsItself`; `LoopError.closed`.
    public final var value: Value {
        get async throws {
            try await untilDone()
            return try result()
        }
    }

    /// Waits for the result, from synchronous code on any thread. The loop's own thread runs the loop meanwhile.
    ///
    /// Cancellation: ends the wait, not the future.
    /// - Throws: the error it failed with; `CancellationError`; `CoroutineError.awaitsItself`; `LoopError.closed`.
    public final func wait() throws -> Value {
        _ = try parkUntilDone(until: nil)
        return try result()
    }

    /// Waits for the result, from synchronous code, for some time at most.
    ///
    /// - Throws: `DeadlineExceeded`, which leaves the future as it is; else as `wait()`.
    public final func wait(timeout: Duration) throws -> Value {
        guard try parkUntilDone(until: .after(timeout)) else { throw DeadlineExceeded() }
        return try result()
    }

    /// Calls a closure when the future is done, in the turn after, in the order in which they were added.
    ///
    /// - Parameters:
    ///   - name: what descriptions call it.
    ///   - file: where it is added, for descriptions.
    ///   - line: the same.
    ///   - body: what to call. An error it throws goes to the loop's exception handler.
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    @discardableResult
    public final func addDoneCallback(
        _ name: String = "callback", file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping (Future<Value>) throws -> Void
    ) throws(LoopError) -> DoneCallback {
        try addDoneCallback(named: name, file: file, line: line) { try body($0 as! Future<Value>) }
    }

    override var resultDescription: String { String(reflecting: stored!) }
}

extension EventLoop {
    /// A future of this loop.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    public func createFuture<Value>(of type: Value.Type = Value.self) throws(LoopError) -> Future<Value> {
        try requireOwnThread()
        return Future(on: self)
    }
}
