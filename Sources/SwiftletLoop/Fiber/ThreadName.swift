import CSwiftlet
import SwiftletCoroutines

extension AnyFiber {
    /// How Python's `threading` would call the thread of the caller, where each greenlet passes for a thread: `MainThread` for
    /// the program's main fiber and whatever is no fiber on the main thread, `DummyThread-n` for other fibers, with numbers
    /// per process in the order of first asking. On other threads, what is no fiber has the thread's own name.
    ///
    /// It is for reading. The real thread is the same for all fibers of a loop.
    public static var currentThreadName: String {
        let thread = unsafe currentThread()
        guard let fiber = AnyFiber.current, !fiber.isMain else {
            if unsafe thread.pointee.kernel_id == swiftlet_process_id() { return "MainThread" }
            return currentKernelThreadName()
        }
        let extras = fiber.makeExtras()
        if let name = extras.threadName { return name }
        let name = dummyThreads.withLock { dummies in
            dummies.last += 1
            return "\(dummies.prefix)\(dummies.last)"
        }
        extras.threadName = name
        return name
    }

    /// What stands before the number in `currentThreadName`: `DummyThread-`. Newer Pythons say `Dummy-`.
    public static var dummyThreadPrefix: String {
        get { dummyThreads.withLock { $0.prefix } }
        set { dummyThreads.withLock { $0.prefix = newValue } }
    }

    /// It runs the body of `EventLoop.run`.
    final var isMain: Bool { unsafe extras?.isMain ?? false }
}

private struct DummyThreads {
    var prefix = "DummyThread-"
    var last = 0
}

private let dummyThreads = Locked(DummyThreads())

/// The name that the kernel knows the calling thread by: at most 15 bytes (pthread_setname_np(3)).
func currentKernelThreadName() -> String {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16) { name in
        unsafe swiftlet_thread_get_name(name.baseAddress!, name.count)
        return unsafe String(cString: name.baseAddress!)
    }
}
