/// The state of a primitive behind its spin lock.
///
/// Behind a pointer, because a class's own properties would be checked for exclusive access at each use. Safe: `state` is
/// touched only between `lock()` and `unlock()`.
@safe
@usableFromInline
struct Guarded<State>: ~Copyable, @unchecked Sendable {
    @usableFromInline let spin = SpinLock()
    @usableFromInline let pointer: UnsafeMutablePointer<State>

    @inlinable
    init(_ state: State) {
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: state)
    }

    deinit {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }

    @inlinable
    @inline(__always)
    func lock() { spin.lock() }

    @inlinable
    @inline(__always)
    func unlock() { spin.unlock() }

    @inlinable
    var state: State {
        @inline(__always) _read { yield unsafe pointer.pointee }
        @inline(__always) nonmutating _modify { yield unsafe &pointer.pointee }
    }

    @inlinable
    @inline(__always)
    func withLock<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try body(&state)
    }
}
