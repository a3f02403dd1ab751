/// A lock that belongs to the fiber, task or thread that has acquired it, and that only this one may release: what `Lock`
/// and `RLock` share.
///
/// Whoever waits is served in the order of arrival: releasing hands the lock to the first that waits, on one loop without
/// any other thread. Usable from fibers, tasks and plain threads of any loop; a task keeps it across `await`.
///
/// States: free -> held(owner, depth) -> free, or straight to the next owner.
@safe
public class OwnedLock: @unchecked Sendable {
    @usableFromInline
    struct State {
        @usableFromInline let isReentrant: Bool
        @usableFromInline var owner = Flow.nobody
        @usableFromInline var depth = 0
        @usableFromInline var acquisitions = 0
        @usableFromInline var queue = WaitQueue()

        init(isReentrant: Bool) { self.isReentrant = isReentrant }

        @inlinable
        @inline(__always)
        mutating func take(for me: Flow) -> Bool {
            if depth == 0 {
                owner = me
            } else if !isReentrant || owner != me {
                return false
            }
            depth += 1
            acquisitions += 1
            return true
        }

        /// The lock becomes free, if it is held once and nobody waits for it.
        @inlinable
        @inline(__always)
        mutating func giveBackUnwanted(for me: Flow) -> Bool {
            guard depth == 1, owner == me, queue.isEmpty else { return false }
            depth = 0
            owner = .nobody
            return true
        }

        /// Gives the lock, which has become free, to the first that waits.
        mutating func passOn() -> WaitToken? {
            var elsewhere: WaitToken?
            if let next = unsafe queue.grantFirst(&elsewhere) {
                owner = unsafe next.pointee.flow
                depth = 1
                acquisitions += 1
            } else {
                owner = .nobody
            }
            return elsewhere
        }
    }

    @usableFromInline final let shared: Guarded<State>

    init(isReentrant: Bool) { shared = Guarded(State(isReentrant: isReentrant)) }

    deinit { shared.destroy() }

    /// Acquires the lock, waiting for its turn.
    ///
    /// Cancellation: ends the wait. A lock that is free is had at once, cancelled or not.
    /// - Throws: `LockError.alreadyHeld` if the caller holds it and it is not reentrant; `DeadlineExceeded` after
    ///   `timeout`; `CancellationError`.
    @inlinable
    public final func acquire(timeout: Duration? = nil) throws {
        // The common case without a call, so that no register has to be saved: it costs half.
        guard let me = Flow.ofStack, shared.tryLock() else { return try acquireSlowly(timeout) }
        if shared.state.take(for: me) { return shared.unlock() }
        try waitForTurn(me, timeout)
    }

    @usableFromInline
    @inline(never)
    final func acquireSlowly(_ timeout: Duration?) throws { try acquire(until: timeout.map { .after($0) }) }

    /// With `shared` locked.
    @usableFromInline
    @inline(never)
    final func waitForTurn(_ me: Flow, _ timeout: Duration?) throws {
        try waitForTurn(me, until: timeout.map { .after($0) })
    }

    /// Acquires the lock, from a task.
    ///
    /// Cancellation: ends the wait. A lock that is free is had at once, cancelled or not.
    public final func acquire(timeout: Duration? = nil) async throws {
        if tryAcquire() { return }
        let deadline = timeout.map { Deadline.after($0) }
        try await parkInTask { try self.acquire(until: deadline) }
    }

    /// Acquires the lock if that needs no waiting.
    @inlinable
    public final func tryAcquire() -> Bool {
        let me = Flow.current
        return shared.withLock { $0.take(for: me) }
    }

    final func acquire(until deadline: Deadline?) throws {
        let me = Flow.current
        shared.lock()
        if shared.state.take(for: me) { return shared.unlock() }
        try waitForTurn(me, until: deadline)
    }

    /// With `shared` locked.
    final func waitForTurn(_ me: Flow, until deadline: Deadline?, isShielded: Bool = false) throws {
        if shared.state.owner == me {
            shared.unlock()
            throw LockError.alreadyHeld
        }
        var node = WaitNode(me)
        let isMine = try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                .lock, shared.spin, node, until: deadline, isShielded: isShielded,
                attempt: { shared.state.take(for: me) }, enqueue: { unsafe shared.state.queue.append(node) },
                leave: { unsafe shared.state.queue.remove(node) })
        }
        guard isMine else { throw DeadlineExceeded() }
    }

    /// Releases the lock once, and hands it to the first that waits.
    ///
    /// - Throws: `LockError.notHeld` if the caller does not hold it.
    @inlinable
    public final func release() throws(LockError) {
        guard let me = Flow.ofStack, shared.tryLock() else { return try releaseSlowly() }
        if shared.state.giveBackUnwanted(for: me) { return shared.unlock() }
        try release(lockedFor: me)
    }

    @usableFromInline
    @inline(never)
    final func releaseSlowly() throws(LockError) {
        let me = Flow.current
        shared.lock()
        try release(lockedFor: me)
    }

    /// With `shared` locked.
    @usableFromInline
    @inline(never)
    final func release(lockedFor me: Flow) throws(LockError) {
        guard shared.state.depth > 0, shared.state.owner == me else {
            shared.unlock()
            throw .notHeld
        }
        shared.state.depth -= 1
        if shared.state.depth > 0 { return shared.unlock() }
        let elsewhere = shared.state.passOn()
        shared.unlock()
        elsewhere?.wake()
    }

    /// Who holds the lock that a stack waits for; on that stack's loop. `Flow.nobody` if it has just been released.
    ///
    /// - Parameter address: of the lock's state, as the wait has noted it; the waiting stack holds the lock.
    static func owner(at address: UnsafeMutableRawPointer) -> Flow {
        let spin = unsafe address.assumingMemoryBound(to: SpinLock.self)
        let state = unsafe Guarded<State>.state(behind: spin)
        unsafe spin.pointee.lock()
        defer { unsafe spin.pointee.unlock() }
        return unsafe state.pointee.depth > 0 ? state.pointee.owner : .nobody
    }

    // MARK: For conditions

    final var isHeldByCaller: Bool {
        let me = Flow.current
        return shared.withLock { $0.depth > 0 && $0.owner == me }
    }

    /// With `shared` locked: releases the lock however often it was acquired, and answers that number and whom to wake.
    final func releaseAll() -> (held: Int, elsewhere: WaitToken?) {
        let held = shared.state.depth
        shared.state.depth = 0
        return (held, shared.state.passOn())
    }

    /// Takes back what `releaseAll` released; no cancellation ends that wait.
    final func reacquire(_ held: Int) throws {
        let me = Flow.current
        shared.lock()
        if shared.state.take(for: me) { shared.unlock() } else { try waitForTurn(me, until: nil, isShielded: true) }
        shared.withLock { $0.depth = held }
    }

    // MARK: Scoped and looking

    /// Runs the body with the lock held, and releases it however the body ends.
    ///
    /// Cancellation: ends the wait for the lock.
    @inlinable
    public final func withLock<Value>(timeout: Duration? = nil, _ body: () throws -> Value) throws -> Value {
        try acquire(timeout: timeout)
        let value: Value
        do {
            value = try body()
        } catch {
            try release()
            throw error
        }
        try release()
        return value
    }

    /// Runs the async body with the lock held, and releases it however the body ends.
    ///
    /// Cancellation: ends the wait for the lock.
    public final func withLock<Value>(timeout: Duration? = nil, _ body: () async throws -> Value) async throws -> Value
    {
        try await acquire(timeout: timeout)
        let value: Value
        do {
            value = try await body()
        } catch {
            try release()
            throw error
        }
        try release()
        return value
    }

    /// Runs the body with the lock held, from a task. Spelled out, because with a synchronous body the synchronous form
    /// would be chosen in a task too.
    public final func withLock<Value>(timeout: Duration? = nil, _ body: () throws -> Value) async throws -> Value {
        try await withLock(timeout: timeout) { () async throws -> Value in try body() }
    }

    /// Somebody holds it.
    public final var isHeld: Bool { shared.withLock { $0.depth > 0 } }

    /// Who waits and how often it was had. `holders` is 0 or 1.
    public final var statistics: SynchronizationStatistics {
        shared.withLock {
            SynchronizationStatistics(
                waiting: $0.queue.count, holders: min($0.depth, 1), acquisitions: $0.acquisitions, waits: $0.queue.waits
            )
        }
    }
}

/// A lock was used in a way that can only be a mistake.
public enum LockError: Error, Hashable, CustomStringConvertible {
    /// The caller holds the lock already: it would wait for itself for ever.
    case alreadyHeld
    /// The caller does not hold the lock.
    case notHeld

    public var description: String {
        switch self {
        case .alreadyHeld:
            "this fiber, task or thread holds the lock already and would wait for itself: use RLock to acquire it again"
        case .notHeld:
            """
            this fiber, task or thread does not hold the lock: only who acquired it may release it, or wait for and notify \
            its condition. Use withLock { }, or a Semaphore if another is to release it
            """
        }
    }
}
