import CSwiftlet
import SwiftletCoroutines

/// Waits for a while, in a task: it is truly suspended and keeps no stack.
///
/// Cancellation: ends the wait at once.
/// - Throws: `CancellationError`.
public func sleep(_ duration: Duration) async throws {
    guard let loop = EventLoop.carrier else { return try await Task.sleep(for: duration) }
    let sleep = loop.takeSleep()
    try await withTaskCancellationHandler {
        try unsafe await withUnsafeThrowingContinuation { continuation in
            unsafe loop.suspend(continuation, sleep, until: .after(duration))
        }
    } onCancel: {
        loop.cancel(sleep)
    }
}

/// Waits until a deadline, in a task.
///
/// Cancellation: ends the wait at once.
public func sleep(until deadline: Deadline) async throws {
    guard let loop = EventLoop.carrier else { return try await Task.sleep(for: deadline.remaining) }
    let sleep = loop.takeSleep()
    try await withTaskCancellationHandler {
        try unsafe await withUnsafeThrowingContinuation { continuation in
            unsafe loop.suspend(continuation, sleep, until: deadline)
        }
    } onCancel: {
        loop.cancel(sleep)
    }
}

// Both spelled out: a frame more would be memory of every sleeping task.
extension EventLoop {
    fileprivate func takeSleep() -> SleepToken {
        unsafe sleeps.take(order: swiftlet_wait_next_id(thread))
    }

    fileprivate func suspend(
        _ continuation: UnsafeContinuation<Void, any Error>, _ sleep: SleepToken, until deadline: Deadline
    ) {
        unsafe sleeps.suspend(sleep, continuation)
        // The handler has run already if the task was cancelled before; it found the slot without its task.
        if Task.isCancelled { return end(sleep, throwing: CancellationError()) }
        addTimer(at: deadline.nanoseconds, order: sleep.order, sleep.item)
    }

    fileprivate nonisolated func cancel(_ sleep: SleepToken) {
        guard isCurrent else {
            // A loop that is closed meanwhile leaves its tasks suspended; see `close()`.
            perform { self.cancelHere(sleep) }
            return
        }
        cancelHere(sleep)
    }

    private func cancelHere(_ sleep: SleepToken) {
        guard unsafe sleeps.isSuspended(sleep) else { return }
        end(sleep, throwing: CancellationError())
        timerIsStale()
    }

    private func end(_ sleep: SleepToken, throwing error: any Error) {
        unsafe sleeps.end(sleep)?.resume(throwing: error)
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
