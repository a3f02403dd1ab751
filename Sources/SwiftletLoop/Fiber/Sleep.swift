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
    let context = unsafe thread.pointee.current!
    if let scope = unsafe context.pointee.scope {
        _ = try unsafe Unmanaged<CancelScope>.fromOpaque(scope).takeUnretainedValue().nearestDeadline(before: .max)
    }
    guard let loop = unsafe EventLoop.running(on: thread) else { return try checkCancellation() }
    let flow = unsafe flowOfControl(context)
    try unsafe flow.checkOwnerCancellation()
    unsafe swiftlet_ring_push(&loop.core.pointee.ready, UInt64(UnsafeMutableRawPointer(context), .stack))
    unsafe loop.parkStack(context)
    try unsafe flow.checkOwnerCancellation()
}
