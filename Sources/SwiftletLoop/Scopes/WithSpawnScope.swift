import CSwiftlet
import SwiftletCoroutines

/// Runs a region that does not end before all fibers and tasks spawned in it have ended. trio's nursery, asyncio's
/// `TaskGroup`, Kotlin's `coroutineScope`.
///
/// ```swift
/// let pages = try withSpawnScope { scope in
///     let fibers = urls.map { url in scope.spawn { try HTTP.get(url).text } }
///     return try fibers.map { try $0.get() }
/// }
/// ```
///
/// The first failure, of the body or of a child, cancels the body and all other children. When they have ended, all
/// errors are thrown as one `ErrorGroup`. Ending because of a cancellation is no failure: a child that was cancelled
/// alone leaves the others as they are.
///
/// The body runs in the calling fiber, task or thread; the children on the loop of its thread. They may spawn siblings,
/// also while the scope waits for its end.
///
/// Cancellation: of the caller cancels the children too; the scope waits for their end all the same.
/// - Parameters:
///   - deadline: cancels body and children when it passes.
///   - file: where the scope is opened, for errors.
///   - line: the same.
///   - body: spawns children with the scope that it is given.
/// - Returns: what the body returns.
/// - Throws: `ErrorGroup`; without errors, `DeadlineExceeded` when the deadline passed, else `CancellationError`.
@discardableResult
public func withSpawnScope<Value>(
    deadline: Deadline? = nil, file: StaticString = #fileID, line: UInt32 = #line,
    _ body: (SpawnScope) throws -> Value
) throws -> Value {
    let thread = unsafe currentThread()
    // Refused before anything runs: the scope could not wait for its children.
    if unsafe !thread.pointee.has_task_state { try unsafe refuseInTask(thread) }
    let scope = SpawnScope(try EventLoop.current, deadline: deadline, file: file, line: line)
    let result = try scope.cancelScope.enter { () throws -> Result<Value, any Error> in
        let result = Result { try body(scope) }
        if case .failure(let error) = result { scope.openerFailed(error) }
        do {
            try scope.joinChildren(isShielded: false)
        } catch {
            scope.openerFailed(error)
            try scope.joinChildren(isShielded: true)
        }
        return result
    }
    let value = try scope.conclude(result)
    // What cancelled the caller meanwhile looked like the scope's own cancellation.
    if scope.isCancelled { try checkCancellation() }
    return value
}

/// Runs an async region that does not end before all fibers and tasks spawned in it have ended.
///
/// The same as the synchronous spelling, except that the body runs in a task of its own, so that a failure can cancel
/// it. Body and children run on the loop that runs the caller; elsewhere on a shared loop of one thread.
///
/// Cancellation: of the caller cancels body and children; the scope waits for their end all the same.
/// - Throws: `ErrorGroup`; without errors, `DeadlineExceeded` when the deadline passed, else `CancellationError`.
@discardableResult
@concurrent
public func withSpawnScope<Value: Sendable>(
    deadline: Deadline? = nil, file: StaticString = #fileID, line: UInt32 = #line,
    _ body: @escaping @Sendable (SpawnScope) async throws -> Value
) async throws -> Value {
    try await EventLoop.onLoop { loop in
        let scope = SpawnScope(loop, deadline: deadline, file: file, line: line)
        let main = scope.begin(nil, name: nil) {
            do {
                return try await body(scope)
            } catch {
                scope.openerFailed(error)
                throw error
            }
        }
        await withTaskCancellationHandler {
            await scope.childrenEnded()
        } onCancel: {
            scope.cancel()
        }
        let value = try scope.conclude(await main.result)
        if scope.isCancelled { try Task.checkCancellation() }
        return value
    }
}
