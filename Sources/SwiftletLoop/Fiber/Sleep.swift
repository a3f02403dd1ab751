import CSwiftlet
import SwiftletCoroutines

/// Waits for a while. In a fiber or task only the caller waits; on a plain thread the thread does.
///
/// Cancellation: ends the wait at once.
/// - Throws: `CancellationError`.
public func sleep(_ duration: Duration) throws {
    try sleep(until: .after(duration))
}

/// Waits until a deadline.
///
/// Cancellation: ends the wait at once.
public func sleep(until deadline: Deadline) throws {
    _ = try park(.sleep, until: deadline) { _ in }
}

/// Lets everything else that is ready run first.
///
/// - Throws: `CancellationError` when the fiber, task or an enclosing scope is cancelled.
public func yield() throws {
    let thread = unsafe currentThread()
    let stack = unsafe thread.pointee.current!
    let flow = unsafe swiftlet_flow_of(stack)!
    if unsafe Int(flow.pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue), unsafe swiftlet_scope_of(stack) == nil {
        // The common case, without a reference count: this is what a hand-over costs.
        if unsafe flow.pointee.owner_is_cancelled { throw CancellationError() }
        unsafe swiftlet_yield_stack(thread, thread.pointee.core)
        if unsafe flow.pointee.owner_is_cancelled { throw CancellationError() }
        return
    }
    if unsafe !thread.pointee.has_task_state { try unsafe refuseInTask(thread) }
    try checkCancellation()
    guard let core = unsafe thread.pointee.core else { return }
    unsafe swiftlet_yield_stack(thread, core)
    try checkCancellation()
}
