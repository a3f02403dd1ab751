import CSwiftlet
import SwiftletCoroutines

/// Waits for a while, in a task: it is truly suspended and keeps no stack.
///
/// Cancellation: ends the wait at once.
/// - Throws: `CancellationError`.
@concurrent
public func sleep(_ duration: Duration) async throws {
    guard let loop = EventLoop.carrier else { return try await Task.sleep(for: duration) }
    try await SleepingTask(loop).wait(until: .after(duration))
}

/// Waits until a deadline, in a task.
///
/// Cancellation: ends the wait at once.
@concurrent
public func sleep(until deadline: Deadline) async throws {
    guard let loop = EventLoop.carrier else { return try await Task.sleep(for: deadline.remaining) }
    try await SleepingTask(loop).wait(until: deadline)
}

/// A suspended task in the timer heap.
///
/// `Task.sleep` makes a second task for each sleep; a continuation and this object take a third of the memory. Only the
/// loop's thread touches the continuation; cancelling from elsewhere goes through the inbox.
@safe
private final class SleepingTask: Callback, @unchecked Sendable {
    private unowned(unsafe) let loop: EventLoop
    private var continuation: UnsafeContinuation<Void, any Error>?
    private var isCancelled = false

    init(_ loop: EventLoop) { unsafe self.loop = loop }

    func wait(until deadline: Deadline) async throws {
        try await withTaskCancellationHandler {
            try unsafe await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
                if isCancelled { return unsafe continuation.resume(throwing: CancellationError()) }
                unsafe self.continuation = unsafe continuation
                unsafe loop.scheduleTimer(for: item, at: deadline.nanoseconds)
            }
        } onCancel: {
            if unsafe loop.isCurrent { cancel() } else { unsafe loop.perform { self.cancel() } }
        }
    }

    override func run() {
        unsafe continuation.take()?.resume()
    }

    override var isObsolete: Bool { isCancelled }

    private func cancel() {
        isCancelled = true
        guard let continuation = unsafe continuation.take() else { return }
        unsafe continuation.resume(throwing: CancellationError())
        unsafe loop.timerIsStale()
    }
}

/// Runs async code that must end by a deadline: it is cancelled when that passes.
///
/// The spelling follows SE-0526. The body runs as a child task, so everything that observes cancellation ends.
/// - Throws: `DeadlineExceeded` when the deadline ended the body; else what the body throws.
@concurrent
public func withDeadline<Value: Sendable>(
    _ deadline: Deadline, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await sleep(until: deadline)
            return nil
        }
        // The first to end decides; the other is cancelled and waited for at the end of the group.
        defer { group.cancelAll() }
        if let value = try await group.next()! { return value }
        group.cancelAll()
        do {
            if let value = try await group.next()! { return value }
        } catch is CancellationError {
            throw DeadlineExceeded()
        }
        throw DeadlineExceeded()
    }
}

/// Runs async code that must end within a duration from now.
///
/// - Throws: `DeadlineExceeded` when the time ran out; else what the body throws.
@concurrent
public func withTimeout<Value: Sendable>(
    _ duration: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withDeadline(.after(duration), body)
}
