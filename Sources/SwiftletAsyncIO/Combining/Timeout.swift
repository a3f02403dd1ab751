public import SwiftletLoop

/// Waits for something, but not longer than a time. When that is up, what is awaited is cancelled and waited for.
///
/// What is done already is answered even without any time. One that catches its cancellation and returns a value has it
/// answered.
///
/// Cancellation: cancels what is awaited, waits for its end, and throws, also when its value came at the same moment:
/// that stays in the future, for whoever holds it.
/// - Throws: `DeadlineExceeded`; what awaiting throws; `CancellationError`; `LoopError.notRunning`.
public func waitFor<A: Awaitable>(_ awaitable: A, timeout: Duration?) async throws -> A.Value {
    let loop = try EventLoop.running
    let future = try ensureFuture(awaitable, on: loop)
    guard let timeout else { return try await future.value }
    return try await Timeout(cancelling: future, after: timeout).value(of: future)
}

/// Runs a region that may be given more or less time while it runs. asyncio's `timeout()`.
///
/// ```swift
/// try await withTimeout(.seconds(1)) { timeout in
///     let size = try await readHeader()
///     timeout.reschedule(.after(.milliseconds(size)))
///     try await readBody(size)
/// }
/// ```
///
/// - Parameters:
///   - duration: `nil`: no limit until `reschedule`.
///   - file: where it begins, for reports.
///   - line: the same.
///   - body: runs in a task of its own, which is cancelled when the time is up.
/// - Throws: `DeadlineExceeded` when the time ran out; else what the body throws; `LoopError.notRunning`.
public func withTimeout<Value: Sendable>(
    _ duration: Duration?, file: StaticString = #fileID, line: UInt32 = #line,
    _ body: @escaping @Sendable (Timeout) async throws -> Value
) async throws -> Value {
    let loop = try EventLoop.running
    let handOver = HandOver<Timeout>()
    let task = try loop.createTask(Coroutine("withTimeout", file: file, line: line) { try await body(handOver.value!) })
    let timeout = try Timeout(cancelling: task, after: duration)
    handOver.value = timeout
    defer { handOver.value = nil }
    return try await timeout.value(of: task)
}

/// The same until a deadline. asyncio's `timeout_at()`.
public func withTimeout<Value: Sendable>(
    at deadline: Deadline, file: StaticString = #fileID, line: UInt32 = #line,
    _ body: @escaping @Sendable (Timeout) async throws -> Value
) async throws -> Value {
    try await withTimeout(nil, file: file, line: line) { timeout in
        try timeout.reschedule(deadline)
        return try await body(timeout)
    }
}

/// A time limit for a future. Belongs to its loop's thread.
public final class Timeout: @unchecked Sendable {
    private let future: AnyFuture
    private var timer: TimerHandle?
    /// The time was up before the work was done.
    public private(set) var hasExpired = false

    init(cancelling future: AnyFuture, after duration: Duration?) throws {
        self.future = future
        guard let duration, !future.isDone else { return }
        if duration <= .zero { expire() } else { try reschedule(.after(duration)) }
    }

    /// When the time is up; `nil`: never.
    public var when: Deadline? { timer?.when }

    /// Sets another limit; `nil`: none. Too late once it has expired.
    ///
    /// - Throws: `LoopError.wrongThread`.
    public func reschedule(_ deadline: Deadline?) throws {
        try future.loop.requireOwnThread()
        timer?.cancel()
        timer = nil
        guard !hasExpired, let deadline else { return }
        timer = try future.loop.callAt(deadline) { [weak self] in self?.expire() }
    }

    private func expire() {
        guard !future.isDone else { return }
        hasExpired = true
        future.cancel("timeout")
    }

    fileprivate func value<Value>(of future: Future<Value>) async throws -> Value {
        defer {
            timer?.cancel()
            timer = nil
        }
        if Task.isCancelled, !future.isDone { future.cancel() }
        await withTaskCancellationHandler {
            await future.untilDoneShielded()
        } onCancel: {
            future.cancel()
        }
        do {
            let value = try future.result()
            try Task.checkCancellation()
            return value
        } catch is CancellationError where hasExpired && !Task.isCancelled {
            throw DeadlineExceeded()
        }
    }
}

/// Passes something to a task that has not begun. Only the loop's thread touches it.
private final class HandOver<Value>: @unchecked Sendable { var value: Value? }
