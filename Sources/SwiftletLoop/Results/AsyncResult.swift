import SwiftletCoroutines

/// A value or an error that somebody sets once and anybody may wait for, on any loop or thread. gevent's `AsyncResult`.
///
/// ```swift
/// let answer = AsyncResult<Int>()
/// spawn { print(try answer.get()) }
/// spawn { try answer.set(42) }
/// ```
///
/// States: empty -> ready. Several may wait, and all get the same. A `Waiter` is the plain one underneath; this one can be
/// asked and linked, and misuse is an error.
///
/// Thread rules: everything may be done from any thread.
public final class AsyncResult<Value>: @unchecked Sendable {
    private struct State {
        var outcome: Result<Value, any Error>?
        var links = LinkList<AsyncResult<Value>>()
    }

    private let state = Locked(State())
    private let ready = Waiter<Void>()

    public init() {}

    // MARK: Setting

    /// Sets the value and wakes everybody who waits.
    ///
    /// - Throws: `AsyncResultError.alreadySet`; the first result stays.
    public func set(_ value: Value) throws { try setOnce(.success(value)) }

    /// Sets an error, which `get` throws, and wakes everybody who waits.
    ///
    /// - Throws: `AsyncResultError.alreadySet`; the first result stays.
    public func setError(_ error: any Error) throws { try setOnce(.failure(error)) }

    /// Sets the result unless there is one: for several who race.
    ///
    /// - Returns: whether this call set it.
    @discardableResult
    public func trySet(_ outcome: Result<Value, any Error>) -> Bool {
        let isFirst = state.withLock { state in
            guard state.outcome == nil else { return false }
            state.outcome = outcome
            return true
        }
        guard isFirst else { return false }
        ready.resume(returning: ())
        while let link = state.withLock({ $0.links.next() }) { LinkList.call(link, with: self) }
        return true
    }

    /// Sets `CancellationError` unless there is a result.
    ///
    /// - Returns: whether this call set it.
    @discardableResult
    public func cancel() -> Bool { trySet(.failure(CancellationError())) }

    private func setOnce(_ outcome: Result<Value, any Error>) throws {
        guard trySet(outcome) else { throw AsyncResultError.alreadySet }
    }

    // MARK: Asking

    /// The result; `nil` before it is set.
    public var outcome: Result<Value, any Error>? { state.withLock { $0.outcome } }
    /// A result has been set.
    public var isReady: Bool { outcome != nil }
    /// A value has been set.
    public var isSuccessful: Bool { if case .success? = outcome { true } else { false } }
    /// It was cancelled.
    public var isCancelled: Bool { error is CancellationError }

    /// The value, if there is one.
    public var value: Value? { if case .success(let value)? = outcome { value } else { nil } }

    /// The error, if there is one.
    public var error: (any Error)? { if case .failure(let error)? = outcome { error } else { nil } }

    /// The value, without waiting. gevent's `get_nowait`.
    ///
    /// - Throws: the error that was set; `AsyncResultError.notReady`.
    public func getNow() throws -> Value {
        guard let outcome else { throw AsyncResultError.notReady }
        return try outcome.get()
    }

    // MARK: Waiting

    /// Waits for the result.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: the error that was set; `DeadlineExceeded` after `timeout`; `CancellationError`.
    public func get(timeout: Duration? = nil) throws -> Value { try get(until: timeout.map { .after($0) }) }

    /// Waits for the result, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: the error that was set; `DeadlineExceeded` after `timeout`; `CancellationError`.
    public func get(timeout: Duration? = nil) async throws -> Value where Value: Sendable {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.get(until: deadline) }
    }

    /// Waits until there is a result, whatever it is.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false when `timeout` came first.
    /// - Throws: `CancellationError`.
    @discardableResult
    public func wait(timeout: Duration? = nil) throws -> Bool { try wait(until: timeout.map { .after($0) }) }

    /// Waits until there is a result, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false when `timeout` came first.
    /// - Throws: `CancellationError`.
    @discardableResult
    public func wait(timeout: Duration? = nil) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.wait(until: deadline) }
    }

    private func get(until deadline: Deadline?) throws -> Value {
        guard try wait(until: deadline) else { throw DeadlineExceeded() }
        return try getNow()
    }

    private func wait(until deadline: Deadline?) throws -> Bool { try ready.wait(.waiter, until: deadline) != nil }

    // MARK: Links

    /// Runs the body when there is a result, in a fiber of its own on the loop of the calling thread. An error it throws is
    /// reported.
    ///
    /// - Returns: what `unlink` takes.
    /// - Throws: `LoopError` if the thread has no loop and none can be made.
    @discardableResult
    public func link(
        file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping @Sendable (AsyncResult<Value>) throws -> Void
    ) throws -> LinkToken {
        let loop = try EventLoop.current
        return rawLink { result in
            loop.spawn(file: file, line: line) { LinkList.call(body, with: result) }
        }
    }

    /// Calls the body when there is a result: on the thread that sets it, or here and now if it is set. It must not wait. An
    /// error it throws is reported. gevent's `rawlink`.
    ///
    /// - Returns: what `unlink` takes.
    @discardableResult
    public func rawLink(_ body: @escaping @Sendable (AsyncResult<Value>) throws -> Void) -> LinkToken {
        let link = LinkToken()
        let isLate = state.withLock { state in
            if state.outcome == nil { state.links.add(link, body) }
            return state.outcome != nil
        }
        if isLate { LinkList.call(body, with: self) }
        return link
    }

    /// Takes a link back; one that has been called already is gone anyway.
    public func unlink(_ link: LinkToken) { _ = state.withLock { $0.links.remove(link) } }

    /// Links that have not been called.
    package var linkCount: Int { state.withLock { $0.links.count } }
}

/// An `AsyncResult` was used in a way it cannot be.
public enum AsyncResultError: Error, Hashable, CustomStringConvertible {
    case notReady
    case alreadySet

    public var description: String {
        switch self {
        case .notReady: "the result has not been set yet: wait for it with get() or wait()"
        case .alreadySet: "the result has been set already and stays as it is: set it once, or race with trySet(_:)"
        }
    }
}
