import CSwiftlet
import SwiftletCoroutines

// Waits of blocking C code, on behalf of CInterpose. What ends in an error in Swift ends in an outcome here, and the error is
// not taken: a fiber that was killed, or whose timeout has fired, throws it at its next wait in Swift.

typealias ForeignWaitPointer = UnsafeMutablePointer<swiftlet_foreign_wait>

/// Parks the calling stack until the foreign wait is over.
func waitForeign(_ wait: ForeignWaitPointer) -> CInt {
    let thread = unsafe currentThread()
    guard let loop = unsafe EventLoop.running(on: thread) else { return CInt(SWIFTLET_FOREIGN_REFUSED) }
    if unsafe !wait.pointee.is_shielded, unsafe isCancelled(thread.pointee.current) {
        return CInt(SWIFTLET_FOREIGN_CANCELLED)
    }
    do {
        if unsafe wait.pointee.is_descriptor { return try unsafe loop.waitForeignDescriptor(wait, on: thread) }
        let kind: WaitKind = unsafe wait.pointee.key == .max ? .sleep : .foreign
        return try unsafe park(wait, kind, on: thread, enqueue: { _ in }, leave: {})
    } catch is TaskParkingRefused {
        return CInt(SWIFTLET_FOREIGN_REFUSED)
    } catch is CancellationError {
        return CInt(SWIFTLET_FOREIGN_CANCELLED)
    } catch {
        return CInt(SWIFTLET_FOREIGN_REFUSED)
    }
}

extension EventLoop {
    fileprivate func waitForeignDescriptor(_ wait: ForeignWaitPointer, on thread: ThreadPointer) throws -> CInt {
        let number = unsafe CInt(truncatingIfNeeded: wait.pointee.key)
        let side: Readiness = unsafe wait.pointee.for_writing ? .writing : .reading
        let entry = unsafe descriptors.entry(number)
        unsafe entry.pointee.isReadable = false
        unsafe entry.pointee.isWritable = false
        // Asks the kernel for the present state too: the number may have been closed and reused unseen.
        guard try descriptors.watch(number, side) else { return CInt(SWIFTLET_FOREIGN_READY) }
        noteWait(for: number, side)
        var node = DescriptorQueue.Node()
        return try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe park(wait, side == .reading ? .readable : .writable, on: thread) { token in
                unsafe descriptors.enqueue(node, number, side, token)
            } leave: {
                unsafe descriptors.leave(number, side, node)
                unsafe wait.pointee.told = unsafe node.pointee.told
            }
        }
    }
}

private func park(
    _ wait: ForeignWaitPointer, _ kind: WaitKind, on thread: ThreadPointer, enqueue: (WaitToken) -> Void,
    leave: () -> Void
) throws -> CInt {
    let deadline = unsafe wait.pointee.deadline == .max ? nil : Deadline(nanoseconds: wait.pointee.deadline)
    let pending = try unsafe PendingWait(kind, on: thread, until: deadline, isShielded: wait.pointee.is_shielded)
    unsafe wait.pointee.thread = unsafe UnsafeMutableRawPointer(pending.token.wait.thread)
    unsafe wait.pointee.context = unsafe UnsafeMutableRawPointer(pending.token.wait.context)
    unsafe wait.pointee.id = unsafe pending.token.wait.id
    enqueue(pending.token)
    unsafe swiftlet_foreign_enlist(wait)
    unsafe wait.pointee.begun?(wait.pointee.argument)
    let outcome = pending.end()
    unsafe swiftlet_foreign_withdraw(wait)
    leave()
    if unsafe wait.pointee.is_closed { return CInt(SWIFTLET_FOREIGN_CLOSED) }
    switch outcome {
    case .woken, .closed:
        return unsafe CInt(wait.pointee.is_interrupted ? SWIFTLET_FOREIGN_INTERRUPTED : SWIFTLET_FOREIGN_READY)
    case .timedOut:
        return CInt(pending.takeError(of: outcome) == nil ? SWIFTLET_FOREIGN_TIMED_OUT : SWIFTLET_FOREIGN_CANCELLED)
    case .cancelled, .deadlocked: return CInt(SWIFTLET_FOREIGN_CANCELLED)
    }
}

/// The fiber that runs here was cancelled or has errors to throw, and no shield keeps them off.
private func isCancelled(_ context: ContextPointer) -> Bool {
    guard let flow = unsafe swiftlet_flow_of(context) else { return false }
    guard unsafe flow.pointee.owner_is_cancelled else { return false }
    return unsafe !CancelScope.isShielded(context)
}
