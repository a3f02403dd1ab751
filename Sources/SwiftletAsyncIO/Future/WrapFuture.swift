public import SwiftletLoop

/// A future of this loop for one of another loop, which is answered as it is if it is of this one. asyncio's `wrap_future`.
///
/// Cancellation: of the answer cancels the other future.
/// - Parameters:
///   - future: what to wait for, of any loop.
///   - loop: by default the calling thread's.
/// - Throws: `LoopError.wrongThread`, `.closed`.
public func wrapFuture<Value>(_ future: Future<Value>, on loop: EventLoop? = nil) throws(LoopError) -> Future<Value> {
    let loop = if let loop { loop } else { try EventLoop.current }
    if future.loop === loop { return future }
    return try loop.createTask(Coroutine("wrapFuture") { try await future.value })
}

/// The same for a result that a thread, a fiber or another loop sets: Python's `concurrent.futures.Future`.
///
/// Cancellation: of the answer ends its wait; the result is there for others.
public func wrapFuture<Value: Sendable>(
    _ result: AsyncResult<Value>, on loop: EventLoop? = nil
) throws(LoopError) -> LoopTask<Value> {
    let loop = if let loop { loop } else { try EventLoop.current }
    return try loop.createTask(Coroutine("wrapFuture") { try await result.get() })
}

/// The same for a task of Swift's own, wherever it runs.
///
/// Cancellation: of the answer cancels the task.
public func wrapFuture<Value: Sendable, Failure>(
    _ task: Task<Value, Failure>, on loop: EventLoop? = nil
) throws(LoopError) -> LoopTask<Value> {
    let loop = if let loop { loop } else { try EventLoop.current }
    return try loop.createTask(
        Coroutine("wrapFuture") {
            try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        })
}
