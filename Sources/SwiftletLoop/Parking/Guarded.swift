/// The state of a primitive behind its spin lock: a handle, so that reaching it costs neither a reference count nor a check
/// for exclusive access.
///
/// Safe: the primitive makes it in its initializer, destroys it when it is freed, and hands it to nobody; `state` is touched
/// only between `lock()` and `unlock()`.
@safe
@usableFromInline
struct Guarded<State>: @unchecked Sendable {
    /// The lock, for code that knows no `State`. It begins the memory.
    @usableFromInline let spin: UnsafeMutablePointer<SpinLock>
    /// Behind the lock, but not of one type with it: the thread sanitizer takes a change of a part for one of the whole.
    @usableFromInline let storage: UnsafeMutablePointer<State>

    @inlinable
    init(_ state: State) {
        let room = guardedRoom
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: room + MemoryLayout<State>.size, alignment: room)
        unsafe spin = unsafe memory.bindMemory(to: SpinLock.self, capacity: 1)
        unsafe storage = unsafe (memory + room).bindMemory(to: State.self, capacity: 1)
        unsafe spin.initialize(to: SpinLock())
        unsafe storage.initialize(to: state)
    }

    /// To be called once, when nobody can reach the primitive any more.
    @inlinable
    func destroy() {
        unsafe storage.deinitialize(count: 1)
        unsafe spin.deinitialize(count: 1)
        unsafe UnsafeMutableRawPointer(spin).deallocate()
    }

    /// The state that belongs to a lock.
    static func state(behind spin: UnsafeMutablePointer<SpinLock>) -> UnsafeMutablePointer<State> {
        unsafe (UnsafeMutableRawPointer(spin) + guardedRoom).assumingMemoryBound(to: State.self)
    }

    /// Orders the locks of several.
    var address: UInt { unsafe UInt(bitPattern: spin) }

    @inlinable
    @inline(__always)
    func lock() { unsafe spin.pointee.lock() }

    @inlinable
    @inline(__always)
    func tryLock() -> Bool { unsafe spin.pointee.tryLock() }

    @inlinable
    @inline(__always)
    func unlock() { unsafe spin.pointee.unlock() }

    @inlinable
    var state: State {
        @inline(__always) _read { yield unsafe storage.pointee }
        @inline(__always) nonmutating _modify { yield unsafe &storage.pointee }
    }

    @inlinable
    @inline(__always)
    func withLock<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try unsafe body(&storage.pointee)
    }
}

/// From a lock to the state behind it: no state needs a coarser alignment.
@inlinable
var guardedRoom: Int { @inline(__always) get { 16 } }
