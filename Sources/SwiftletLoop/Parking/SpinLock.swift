import CSwiftlet
public import Synchronization

/// Guards the few words of a primitive for a few instructions.
///
/// Taking and releasing cost one atomic exchange and one store: half of what a mutex costs that can put threads to sleep.
/// So it is held only where nothing waits, no foreign code runs and no reference to an element is dropped. Stacks of one
/// thread never meet in it, since none parks while it holds it.
@usableFromInline
struct SpinLock: ~Copyable, Sendable {
    @usableFromInline let isHeld = Atomic<Bool>(false)

    @inlinable
    init() {}

    @inlinable
    @inline(__always)
    func lock() {
        if isHeld.exchange(true, ordering: .acquiring) { lockContended() }
    }

    @inlinable
    @inline(__always)
    func tryLock() -> Bool { !isHeld.exchange(true, ordering: .acquiring) }

    @inlinable
    @inline(__always)
    func unlock() { isHeld.store(false, ordering: .releasing) }

    @usableFromInline
    @inline(never)
    func lockContended() {
        var round: CUnsignedInt = 0
        repeat {
            while isHeld.load(ordering: .relaxed) {
                swiftlet_spin(round)
                round += 1
            }
        } while isHeld.exchange(true, ordering: .acquiring)
    }
}
