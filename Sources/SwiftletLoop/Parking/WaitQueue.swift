public import CSwiftlet

/// A stack's place in a queue of waiting ones. Lies on the waiting stack, which cannot leave before the node is off the
/// queue; read and written under the lock of the primitive that the queue belongs to.
///
/// States: idle -> queued -> granted | refused, decided by somebody else, who has taken it off the queue; or
/// queued -> idle, when the stack leaves by itself.
@safe
@usableFromInline
struct WaitNode {
    @usableFromInline
    enum State: UInt8 {
        case idle
        case queued
        case granted
        /// There will never be what it waits for.
        case refused
    }

    @usableFromInline var token = unsafe WaitToken(swiftlet_wait())
    @usableFromInline var next: UnsafeMutablePointer<WaitNode>?
    @usableFromInline var previous: UnsafeMutablePointer<WaitNode>?
    @usableFromInline var state = State.idle
    /// Where the item lies that is handed over, or where it goes to: an optional element on the waiting stack.
    @usableFromInline var slot: UnsafeMutableRawPointer?
    /// Who waits, where that matters.
    @usableFromInline var flow = Flow.nobody
    /// Of a stack that waits in several queues at once; held by it.
    @usableFromInline var claim: Unmanaged<SelectClaim>?

    @inlinable
    init(_ flow: Flow = .nobody) { self.flow = flow }
}

@usableFromInline typealias WaitNodePointer = UnsafeMutablePointer<WaitNode>

/// Stacks that wait for the same, in the order of their arrival: under every lock, semaphore, queue and channel.
///
/// What becomes free is *granted* to the first that still waits: taken off the queue, it has it, whatever else comes for
/// it. A wait that had been ended by its deadline or by cancellation is passed over, and the next one gets the grant. On
/// the granter's own thread that is exact. A waiter of another thread may be ending just then: it keeps what it was
/// granted, and notices the cancellation at its next wait. So nothing granted is ever lost.
@safe
@usableFromInline
struct WaitQueue {
    @usableFromInline var first: WaitNodePointer?
    @usableFromInline var last: WaitNodePointer?
    @usableFromInline var count = 0
    /// How many have ever waited here.
    @usableFromInline var waits = 0

    @inlinable
    init() {}

    @inlinable
    @inline(__always)
    var isEmpty: Bool { unsafe first == nil }

    @inlinable
    @inline(__always)
    mutating func append(_ node: WaitNodePointer) {
        unsafe node.pointee.state = .queued
        unsafe node.pointee.next = nil
        unsafe node.pointee.previous = unsafe last
        if let last = unsafe last { unsafe last.pointee.next = unsafe node } else { unsafe first = unsafe node }
        unsafe last = unsafe node
        count += 1
        waits += 1
    }

    /// Takes a node out; one that was decided meanwhile has left already.
    @inlinable
    @inline(__always)
    mutating func remove(_ node: WaitNodePointer) {
        guard unsafe node.pointee.state == .queued else { return }
        unsafe unlink(node)
        unsafe node.pointee.state = .idle
    }

    @inlinable
    @inline(__always)
    mutating func unlink(_ node: WaitNodePointer) {
        let next = unsafe node.pointee.next
        let previous = unsafe node.pointee.previous
        if let previous = unsafe previous {
            unsafe previous.pointee.next = unsafe next
        } else {
            unsafe first = unsafe next
        }
        if let next = unsafe next {
            unsafe next.pointee.previous = unsafe previous
        } else {
            unsafe last = unsafe previous
        }
        count -= 1
    }

    /// Grants to the first that still waits, and answers its node, to be filled in before the lock is released. One of
    /// another thread is told by waking `elsewhere`, after that.
    @inlinable
    @inline(__always)
    mutating func grantFirst(_ elsewhere: inout WaitToken?) -> WaitNodePointer? {
        while let node = unsafe first {
            unsafe unlink(node)
            if unsafe decide(node, as: .granted, &elsewhere) { return unsafe node }
        }
        return nil
    }

    /// Decides all that wait, in order. Those of other threads are told by waking `elsewhere`, after the lock.
    @usableFromInline
    mutating func decideAll(as state: WaitNode.State, _ elsewhere: inout [WaitToken]) -> Int {
        var decided = 0
        while let node = unsafe first {
            unsafe unlink(node)
            var token: WaitToken?
            if unsafe decide(node, as: state, &token) { decided += 1 }
            if let token { elsewhere.append(token) }
        }
        return decided
    }

    /// Takes out those of this thread whose waits have ended, though their stacks have not run since. O(waiting).
    mutating func dropEnded() {
        var next = unsafe first
        while let node = unsafe next {
            unsafe next = unsafe node.pointee.next
            if unsafe swiftlet_wait_is_over_here(node.pointee.token.wait) { unsafe remove(node) }
        }
    }

    @inlinable
    @inline(__always)
    func decide(_ node: WaitNodePointer, as state: WaitNode.State, _ elsewhere: inout WaitToken?) -> Bool {
        if let claim = unsafe node.pointee.claim, unsafe !claim._withUnsafeGuaranteedRef({ $0.take() }) {
            unsafe node.pointee.state = .idle
            return false
        }
        let token = unsafe node.pointee.token
        switch unsafe Int(swiftlet_wait_grant(token.wait)) {
        case SWIFTLET_GRANT_OVER:
            unsafe node.pointee.state = .idle
            return false
        case SWIFTLET_GRANT_ELSEWHERE: elsewhere = token
        default: break
        }
        unsafe node.pointee.state = state
        return true
    }
}

extension [WaitToken] {
    /// Tells stacks of other threads what was decided. Without any lock: posting takes that of the other loop.
    @usableFromInline
    func wakeAll() { for token in self { token.wake() } }
}
