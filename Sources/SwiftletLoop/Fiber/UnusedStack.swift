import CSwiftlet
import SwiftletCoroutines

extension AnyFiber {
    /// Gives back the memory below what the stack holds, which a deep call has left behind: for fibers that are going to wait
    /// for long, by the thousand. Does nothing to one that is not parked. On its loop's thread.
    package final func releaseUnusedStack() {
        guard loop.isCurrent, let context = unsafe context, unsafe context.pointee.wait_id != 0 else { return }
        unsafe swiftlet_stack_release_unused(context)
    }
}
