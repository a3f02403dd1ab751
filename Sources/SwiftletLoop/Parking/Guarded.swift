/// The state of a primitive behind its spin lock: a handle, so that reaching it costs neither a reference count nor a check
/// for exclusive access.
///
/// Safe: the primitive makes it in its initializer, destroys it when it is freed, and hands it to nobody; `state` is touched only
/// between `lock()` and `unlock()`.
@safe
@usableFromInline
struct Guarded<State>: @unchecked Sendable {
    @usableFromInline
    struct Cell: ~Copyable {
        @usableFromInline let spin = SpinLock()
        @usableFromInline var state: State

        @inlinable
        init(_ state: State) { self.state = state }
    }

    @usableFromInline let cell: UnsafeMutablePointer<Cell>

    @inlinable
    init(_ state: State) {
        unsafe cell = .allocate(capacity: 1)
        unsafe cell.initialize(to: Cell(state))
    }

    /// To be called once, when nobody can reach the primitive any more.
    @inlinable
    func destroy() {
        unsafe cell.deinitialize(count: 1)
        unsafe cell.deallocate()
    }

    /// The lock alone, for code that knows no `State`. Safe: it is the first thing in the cell.
    @inlinable
    var spin: UnsafeMutablePointer<SpinLock> {
        unsafe UnsafeMutableRawPointer(cell).assumingMemoryBound(to: SpinLock.self)
    }

    /// Orders the locks of several.
    var address: UInt { unsafe UInt(bitPattern: cell) }

    @inlinable
    @inline(__always)
    func lock() { unsafe spin.pointee.lock() }

    @inlinable
    @inline(__always)
    func unlock() { unsafe spin.pointee.unlock() }

    @inlinable
    var state: State {
        @inline(__always) _read { yield unsafe cell.pointee.state }
        @inline(__always) nonmutating _modify { yield unsafe &cell.pointee.state }
    }

    @inlinable
    @inline(__always)
    func withLock<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try unsafe body(&cell.pointee.state)
    }
}
