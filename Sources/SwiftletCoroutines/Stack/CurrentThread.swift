public import CSwiftlet

/// A thread's record in the core: its current stack, its pool of stacks, where the Swift runtime keeps its words.
public typealias ThreadPointer = UnsafeMutablePointer<swiftlet_thread>

/// A suspendable stack.
public typealias ContextPointer = UnsafeMutablePointer<swiftlet_context>

/// The calling thread's record; made at the first call, after the process's one probe of the Swift runtime.
@inlinable
public func currentThread() -> ThreadPointer {
    // Safe: records are never freed.
    if let thread = unsafe swiftlet_thread_if_made() { return unsafe thread }
    return unsafe makeThreadRecord()
}

@usableFromInline
@inline(never)
func makeThreadRecord() -> ThreadPointer {
    ThreadState.prepare()
    return unsafe swiftlet_thread_make()
}

/// A thread as errors name it.
public struct ThreadIdentity: Sendable, Hashable, CustomStringConvertible {
    /// The kernel's number of the thread; 0 for one that has ended.
    public let kernelID: Int

    /// From any thread: a record may be another thread's by now, which the serial number tells.
    init(_ thread: ThreadPointer, serial: UInt64) {
        kernelID = unsafe Int(swiftlet_thread_kernel_id(thread, serial))
    }

    static var current: ThreadIdentity {
        unsafe ThreadIdentity(currentThread(), serial: currentThread().pointee.serial)
    }

    public var description: String { kernelID == 0 ? "a thread that has ended" : "thread \(kernelID)" }
}
