public import CSwiftlet

/// Something that runs on a stack of its own: a generator or a greenlet.
///
/// Ownership: the object owns the stack from its start to its end. A suspended stack is never discarded; it is
/// unwound by an error thrown at its suspension point, on the thread that owns it: when the last reference goes,
/// when another thread drops the last reference (then at the owner's next coroutine operation), or when the owning
/// thread ends.
@safe
@usableFromInline
class StackOwner {
    @usableFromInline let thread: ThreadPointer
    /// Tells this thread from later ones that get the same record.
    let threadSerial: UInt64
    let threadIdentity: ThreadIdentity
    /// The stack, from the first resume to the end.
    @usableFromInline @exclusivity(unchecked) final var context: ContextPointer?
    let stackSize: Int
    let name: String?
    private var nameBytes: UnsafeMutablePointer<CChar>?

    init(stackSize: Int, name: String?) {
        unsafe thread = unsafe currentThread()
        threadSerial = unsafe thread.pointee.serial
        threadIdentity = unsafe ThreadIdentity(thread)
        self.stackSize = stackSize
        self.name = name
        unsafe swiftlet_thread_take_abandoned(thread)
    }

    deinit {
        unsafe nameBytes?.deallocate()
    }

    /// Runs the body; called on the new stack. Answers where to continue when the body has ended.
    @usableFromInline
    func run() -> ContextPointer { fatalError("StackOwner.run is abstract") }

    /// Ends the suspended body by throwing at its suspension point. On the owning thread.
    func unwind() { fatalError("StackOwner.unwind is abstract") }

    @inlinable
    final var isOnOwnThread: Bool { unsafe swiftlet_thread_if_made() == thread }

    /// Takes a stack from the pool and makes it ready to call `run()`.
    func acquireStack(kind: swiftlet_kind) throws(StackError) {
        guard let context = unsafe swiftlet_stack_acquire(thread, stackSize) else {
            throw StackError(size: stackSize, errno: swiftlet_errno())
        }
        let owner = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe swiftlet_context_start(
            context,
            { argument in
                // Safe: whoever resumes this stack holds the owner until it has ended.
                unsafe Unmanaged<StackOwner>.fromOpaque(argument!).takeUnretainedValue().run()
            }, owner)
        unsafe context.pointee.kind = UInt8(kind.rawValue)
        unsafe context.pointee.owner = owner
        unsafe context.pointee.number = swiftlet_number_next()
        if let name {
            let count = name.utf8.count + 1
            let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: count)
            unsafe name.withCString { source in unsafe bytes.update(from: source, count: count) }
            unsafe nameBytes = bytes
            unsafe context.pointee.name = UnsafePointer(bytes)
        }
        unsafe swiftlet_context_register(
            context,
            { owner in unsafe Unmanaged<StackOwner>.fromOpaque(owner!).takeUnretainedValue().unwind() })
        unsafe self.context = context
    }

    /// To be called on the stack itself when the body has ended, before `run()` returns.
    func stackEnds() {
        if let context = unsafe context { unsafe swiftlet_context_unregister(context) }
        unsafe context = nil
    }

    /// Unwinds a suspended stack wherever the last reference was dropped.
    func abandon() {
        guard unsafe context != nil else { return }
        if isOnOwnThread {
            unwind()
            return
        }
        let retained = unsafe Unmanaged.passRetained(self).toOpaque()
        let accepted = unsafe swiftlet_thread_abandon(
            thread, threadSerial,
            { owner in
                let owner = unsafe Unmanaged<StackOwner>.fromOpaque(owner!).takeRetainedValue()
                if unsafe owner.context != nil { owner.unwind() }
            }, retained)
        // A thread unwinds its stacks when it ends, so one that has ended left nothing suspended.
        if !accepted { unsafe Unmanaged<StackOwner>.fromOpaque(retained).release() }
    }
}

/// No stack could be had.
public struct StackError: Error, Hashable, CustomStringConvertible {
    /// The size that was asked for, in bytes.
    public let size: Int
    /// The kernel's reason: `ENOMEM` or `EINVAL`.
    public let errno: CInt

    public init(size: Int, errno: CInt) {
        self.size = size
        self.errno = errno
    }

    public var description: String {
        if size < 0 {
            return "no stack of \(size) bytes: ask for \(StackSize.smallest >> 10) KB to \(StackSize.largest >> 20) MB"
        }
        if size > StackSize.largest {
            return "no stack of \(size) bytes: the largest is \(StackSize.largest >> 20) MB"
        }
        return """
            no stack of \(size >> 10) KB: the kernel gave no memory for it (errno \(errno)). On kernels before 6.13 \
            each stack takes two mappings: raise vm.max_map_count, or keep fewer coroutines alive at once
            """
    }
}

/// Sizes of stacks in bytes of address space; memory is used only as touched.
public enum StackSize {
    /// The most that the running stack has ever used, in bytes, by this or an earlier owner of it. `nil` on a thread's own
    /// stack. Looks at every resident page: for finding out what size to ask for.
    public static var highWaterMark: Int? {
        let thread = unsafe currentThread()
        guard unsafe thread.pointee.current != swiftlet_thread_root(thread) else { return nil }
        return unsafe Int(swiftlet_stack_high_water(thread.pointee.current))
    }

    public static let `default` = Int(SWIFTLET_STACK_DEFAULT_SIZE)
    public static let smallest = Int(SWIFTLET_STACK_SMALLEST_SIZE)
    public static let largest = Int(SWIFTLET_STACK_LARGEST_SIZE)
}
