/// Runs async code from synchronous code and waits for its result.
///
/// In a fiber, or in a task on a loop, the async code runs on the same loop and only the caller waits: no deadlock. It begins
/// at once, on the caller's stack, so code that need not wait costs no turn of the loop. On a plain thread it runs in Swift's
/// default pool and the thread blocks.
///
/// Cancellation: of the caller cancels the async code and waits for its end.
/// - Throws: what the async code throws.
@inlinable
public func blockOn<Value>(_ body: @escaping @Sendable () async throws -> sending Value) throws -> Value {
    let outcome = TaskOutcome<Value>()
    try waitForTask {
        do {
            outcome.result = .success(try await body())
        } catch {
            outcome.result = .failure(error)
        }
    }
    return try outcome.result!.get()
}

/// What async code has come to. Written before its end, read after it.
@usableFromInline
final class TaskOutcome<Value>: @unchecked Sendable {
    @usableFromInline var result: Result<Value, any Error>?

    @inlinable
    init() {}
}

@usableFromInline
func waitForTask(_ body: @escaping @Sendable @concurrent () async -> Void) throws {
    let done = Waiter<Void>()
    let work: @Sendable @concurrent () async -> Void = {
        await body()
        done.resume(returning: ())
    }
    let task: Task<Void, Never> =
        if let loop = EventLoop.carrier {
            loop.resumeHere { () -> Task<Void, Never> in loop.makeTask(work) }
        } else if let loop = EventLoop.currentIfAny {
            loop.makeTask(work)
        } else {
            Task(operation: work)
        }
    do {
        try done.wait(.task)
    } catch is CancellationError {
        task.cancel()
        try done.wait(.task, isShielded: true)
    }
}
