public import CSwiftlet
import SwiftletCoroutines

extension EventLoop {
    /// The stack may be set aside: the caller is a task that a loop runs, itself and not inside of another one, and it works
    /// for no actor.
    @inlinable
    static func mayPark(_ isolation: (any Actor)?) -> Bool {
        guard isolation == nil, let thread = unsafe swiftlet_thread_if_made(), unsafe thread.pointee.core != nil else {
            return false
        }
        return unsafe thread.pointee.has_task_state && thread.pointee.current.pointee.owner == swiftlet_task_on(thread)
    }
}

/// Runs synchronous code that parks, for the `async` spelling of an operation: in place where the caller is on a loop and
/// isolated to no actor, since leaving and coming back cost more than most waits. Parked in place, an actor would stay
/// locked: its caller waits outside of it. On no loop, the shared one does the waiting.
@inlinable
package func parkInTask<Value: Sendable>(_ body: @Sendable () throws -> Value) async throws -> Value {
    if EventLoop.mayPark(#isolation) { return try body() }
    return try await parkElsewhere(body)
}

@usableFromInline
@concurrent
func parkElsewhere<Value: Sendable>(_ body: @Sendable () throws -> Value) async throws -> Value {
    if ThreadState.refusal != nil {
        return try await withoutActuallyEscaping(body) { body in try await runInFiber(body) }
    }
    // On the stack of whoever has started it at once, or of an actor's turn: it takes a turn of its own.
    if EventLoop.carrier != nil, !EventLoop.mayPark(nil) { await Task.yield() }
    if EventLoop.carrier != nil { return try body() }
    return try await EventLoop.onSharedLoop(body)
}

/// Where tasks cannot park a fiber runs the code, and the task is suspended until its end.
private func runInFiber<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    let fiber = try (EventLoop.carrier ?? EventLoop.sharedLoop()).spawn(body)
    return try await withTaskCancellationHandler {
        try unsafe await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Value, any Error>) in
            fiber.rawLink { _ in unsafe continuation.resume(with: fiber.outcome!) }
        }
    } onCancel: {
        fiber.cancel()
    }
}
