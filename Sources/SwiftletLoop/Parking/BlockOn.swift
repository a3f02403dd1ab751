import CSwiftlet
import SwiftletCoroutines

/// Runs async code from synchronous code and waits for its result.
///
/// In a fiber, or in a task on a loop, the async code runs on the same loop and only the caller waits: no deadlock. On a
/// plain thread it runs in Swift's default pool and the thread blocks.
///
/// Cancellation: of the caller cancels the async code and waits for its end.
/// - Throws: what the async code throws.
public func blockOn<Value>(_ body: @escaping @Sendable () async throws -> sending Value) throws -> Value {
    let done = Waiter<Value>()
    let work: @Sendable @concurrent () async -> Void = {
        do {
            done.resume(returning: try await body())
        } catch {
            done.resume(throwing: error)
        }
    }
    let task: Task<Void, Never>
    if let loop = EventLoop.currentIfAny {
        task = Task(executorPreference: loop.taskExecutor, operation: work)
    } else {
        task = Task(operation: work)
    }
    do {
        return try done.wait(.task)!
    } catch is CancellationError {
        task.cancel()
        return try done.wait(.task, isShielded: true)!
    }
}

/// Runs synchronous code that parks, for the `async` spelling of an operation: in place when the task runs on a loop,
/// else on the shared loop.
package func parkInTask<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    if ThreadState.refusal != nil { return try await runInFiber(body) }
    if EventLoop.carrier != nil { return try body() }
    return try await EventLoop.onSharedLoop(body)
}

/// The same where tasks cannot park: a fiber runs the code, and the task is suspended until its end.
private func runInFiber<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    let fiber = try (EventLoop.carrier ?? EventLoop.sharedLoop()).spawn(body)
    return try await withTaskCancellationHandler {
        try unsafe await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Value, any Error>) in
            fiber.link { _ in unsafe continuation.resume(with: fiber.outcome) }
        }
    } onCancel: {
        fiber.cancel()
    }
}
