import CSwiftlet
import SwiftletCoroutines

extension EventLoop {
    /// Makes or resumes a task and runs it on the calling stack, at once, up to where it suspends: who waits for it anyway
    /// spares the loop two turns. A task that some other executor runs is left to that.
    ///
    /// The stack stays its owner's: what the task waits for in place parks that one.
    ///
    /// Thread rules: on the loop's own thread, on a stack that may park.
    package func resumeHere<Value>(_ enqueue: () -> Value) -> Value {
        let count = unsafe swiftlet_ring_count(&core.pointee.ready)
        let value = enqueue()
        // What has been enqueued, and nothing else, stands at the queue's end.
        let item = unsafe swiftlet_ring_last(&core.pointee.ready)
        guard unsafe swiftlet_ring_count(&core.pointee.ready) == count &+ 1 else { return value }
        switch item.tag {
        case .job:
            unsafe swiftlet_ring_drop_last(&core.pointee.ready)
            unsafe executors.run(item.pointer)
        case .plainJob:
            unsafe swiftlet_ring_drop_last(&core.pointee.ready)
            unsafe executors.runPlain(item.pointer)
        default: break
        }
        return value
    }
}
