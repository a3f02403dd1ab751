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
    let task = EventLoop.currentIfAny.map { $0.makeTask(work) } ?? Task(operation: work)
    do {
        return try done.wait(.task)!
    } catch is CancellationError {
        task.cancel()
        return try done.wait(.task, isShielded: true)!
    }
}
