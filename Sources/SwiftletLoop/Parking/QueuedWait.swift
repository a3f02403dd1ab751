public import CSwiftlet
import SwiftletCoroutines

/// Waits in a queue until its node is granted or refused.
///
/// Called with the primitive's lock held, right after an attempt that failed; returns, and throws, without it. The wait
/// is set up and queued under that same lock, so that no wake-up can come between.
///
/// - Parameters:
///   - attempt: tries again, under the lock, which had to be let go; true ends the wait before it begins.
///   - enqueue: puts the node into its queue; under the lock.
///   - unlocked: runs once the lock is free, before the stack is set aside.
///   - leave: takes it out if it is still there; under the lock.
/// - Returns: true when the node was decided, or an attempt succeeded; false when the deadline came first.
/// - Throws: `CancellationError`, `DeadlockError`; not when the node was granted before: then the wait has ended well,
///   and the next one throws.
@inlinable
@inline(__always)
func waitInLine(
    _ kind: WaitKind, _ lock: UnsafeMutablePointer<SpinLock>, _ node: WaitNodePointer, until deadline: Deadline?,
    isShielded: Bool = false, attempt: () -> Bool, enqueue: () -> Void, unlocked: () -> Void = {}, leave: () -> Void
) throws -> Bool {
    // A fiber outside all scopes, the common case: nothing to look up, and the lock need not be let go.
    if deadline == nil, !isShielded, let thread = unsafe swiftlet_thread_if_made(),
        let core = unsafe thread.pointee.core
    {
        let wait = unsafe swiftlet_wait_begin_in_fiber(thread, kind.rawValue, lock)
        if let context = unsafe wait.context {
            unsafe node.pointee.token = unsafe WaitToken(wait)
            enqueue()
            unsafe lock.pointee.unlock()
            unlocked()
            unsafe swiftlet_park_stack(thread, core)
            unsafe context.pointee.parked = nil
            if unsafe context.pointee.wait_outcome == WaitOutcome.woken.rawValue { return true }
            return try unsafe leaveCancelledLine(lock, node, context, leave)
        }
    }
    unsafe lock.pointee.unlock()
    return try unsafe waitInLineWithLimits(
        kind, lock, node, until: deadline, isShielded: isShielded, attempt: attempt, enqueue: enqueue,
        unlocked: unlocked, leave: leave)
}

@usableFromInline
@inline(never)
func waitInLineWithLimits(
    _ kind: WaitKind, _ lock: UnsafeMutablePointer<SpinLock>, _ node: WaitNodePointer, until deadline: Deadline?,
    isShielded: Bool,
    attempt: () -> Bool, enqueue: () -> Void, unlocked: () -> Void, leave: () -> Void
) throws -> Bool {
    let pending = try unsafe PendingWait(kind, on: currentThread(), until: deadline, isShielded: isShielded)
    unsafe node.pointee.token = pending.token
    unsafe pending.token.wait.context?.pointee.wait_object = UnsafeMutableRawPointer(lock)
    unsafe lock.pointee.lock()
    if attempt() {
        unsafe lock.pointee.unlock()
        pending.abandon()
        return true
    }
    enqueue()
    unsafe lock.pointee.unlock()
    unlocked()
    let outcome = pending.end()
    if outcome == .woken { return true }
    return try unsafe leaveLine(lock, node, leave) { pending.takeError(of: outcome) }
}

@usableFromInline
@inline(never)
func leaveCancelledLine(
    _ lock: UnsafeMutablePointer<SpinLock>, _ node: WaitNodePointer, _ context: UnsafeMutablePointer<swiftlet_context>,
    _ leave: () -> Void
) throws -> Bool {
    try unsafe leaveLine(lock, node, leave) { unsafe swiftlet_flow_of(context)!.takeCancellation() }
}

/// The wait has ended otherwise than by its node. That may have been decided in the meantime: then it stands.
private func leaveLine(
    _ lock: UnsafeMutablePointer<SpinLock>, _ node: WaitNodePointer, _ leave: () -> Void, takeError: () -> (any Error)?
) throws -> Bool {
    unsafe lock.pointee.lock()
    let isDecided = unsafe node.pointee.state == .granted || node.pointee.state == .refused
    if !isDecided { leave() }
    unsafe lock.pointee.unlock()
    if !isDecided, let error = takeError() { throw error }
    return isDecided
}
