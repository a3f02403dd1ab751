/// Waiting, under a lock, for something that others change under the same lock. asyncio.Condition, threading.Condition.
///
/// ```swift
/// try condition.withLock { try condition.wait { !jobs.isEmpty } }
/// ```
@safe
public final class Condition: @unchecked Sendable {
    /// What guards the state that is waited for. Several conditions may share one.
    public let lock: OwnedLock
    private struct State {
        var queue = WaitQueue()
        var notified = 0
    }

    /// Guarded by the lock's own `shared`, so that the lock is released and the wait queued in one step.
    private let pointer: UnsafeMutablePointer<State>

    /// Makes a condition over a lock: a new `Lock` unless told otherwise.
    public init(lock: OwnedLock = Lock()) {
        self.lock = lock
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: State())
    }

    deinit { unsafe pointer.deallocate() }

    /// Runs the body with the lock held.
    ///
    /// Cancellation: ends the wait for the lock.
    public func withLock<Value>(timeout: Duration? = nil, _ body: () throws -> Value) throws -> Value {
        try lock.withLock(timeout: timeout, body)
    }

    /// Runs the async body with the lock held.
    ///
    /// Cancellation: ends the wait for the lock.
    public func withLock<Value>(timeout: Duration? = nil, _ body: () async throws -> Value) async throws -> Value {
        try await lock.withLock(timeout: timeout, body)
    }

    /// Runs the body with the lock held, from a task.
    public func withLock<Value>(timeout: Duration? = nil, _ body: () throws -> Value) async throws -> Value {
        try await lock.withLock(timeout: timeout, body)
    }

    /// Releases the lock, waits to be notified, and acquires it again. It is held when this returns or throws.
    ///
    /// Cancellation: ends the wait for the notification, not the one for the lock. A notification is never lost: one that
    /// comes for a wait that was ended before goes to the next.
    /// - Returns: false when `timeout` came first.
    /// - Throws: `LockError.notHeld` if the caller does not hold the lock; `CancellationError`.
    @discardableResult
    public func wait(timeout: Duration? = nil) throws -> Bool { try wait(until: timeout.map { .after($0) }) }

    /// The same, from a task.
    ///
    /// Cancellation: ends the wait for the notification, not the one for the lock.
    @discardableResult
    public func wait(timeout: Duration? = nil) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.wait(until: deadline) }
    }

    /// Waits until a predicate holds, which is looked at with the lock held, at once and after each notification.
    ///
    /// Cancellation: ends the wait; the lock is held then, too.
    /// - Returns: false when `timeout` came first and the predicate does not hold.
    @discardableResult
    public func wait(timeout: Duration? = nil, until predicate: () throws -> Bool) throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        while try !predicate() {
            if try !wait(until: deadline) { return try predicate() }
        }
        return true
    }

    /// The same, from a task.
    ///
    /// Cancellation: ends the wait; the lock is held then, too.
    @discardableResult
    public func wait(timeout: Duration? = nil, until predicate: () async throws -> Bool) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        while try await !predicate() {
            if try await !wait(timeout: deadline?.remaining) { return try await predicate() }
        }
        return true
    }

    /// The same, from a task, with a synchronous predicate.
    @discardableResult
    public func wait(timeout: Duration? = nil, until predicate: () throws -> Bool) async throws -> Bool {
        try await wait(timeout: timeout) { () async throws -> Bool in try predicate() }
    }

    private func wait(until deadline: Deadline?) throws -> Bool {
        guard lock.isHeldByCaller else { throw LockError.notHeld }
        var held = 0
        let result = Result { try waitToBeNotified(until: deadline, releasing: &held) }
        // Zero: cancelled before it could wait, so the lock was never released.
        if held > 0 { try lock.reacquire(held) }
        return try result.get()
    }

    private func waitToBeNotified(until deadline: Deadline?, releasing held: inout Int) throws -> Bool {
        var node = WaitNode()
        var next: WaitToken?
        lock.shared.lock()
        return try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                .condition, lock.shared.spin, node, until: deadline, attempt: { false },
                enqueue: {
                    unsafe pointer.pointee.queue.append(node)
                    (held, next) = lock.releaseAll()
                },
                unlocked: { next?.wake() }, leave: { unsafe pointer.pointee.queue.remove(node) })
        }
    }

    /// Wakes the first of those that wait, or the first few.
    ///
    /// - Throws: `LockError.notHeld` if the caller does not hold the lock.
    public func notify(_ count: Int = 1) throws(LockError) {
        guard lock.isHeldByCaller else { throw .notHeld }
        var tokens: [WaitToken] = []
        lock.shared.withLock { _ in
            for _ in 0..<max(count, 0) {
                var elsewhere: WaitToken?
                guard unsafe pointer.pointee.queue.grantFirst(&elsewhere) != nil else { return }
                unsafe pointer.pointee.notified += 1
                if let elsewhere { tokens.append(elsewhere) }
            }
        }
        tokens.wakeAll()
    }

    /// Wakes all that wait.
    ///
    /// - Throws: `LockError.notHeld` if the caller does not hold the lock.
    public func notifyAll() throws(LockError) { try notify(.max) }

    /// Who waits to be notified and how many were. `holders` are those of the lock.
    public var statistics: SynchronizationStatistics {
        lock.shared.withLock { owned in
            let state = unsafe pointer.pointee
            return SynchronizationStatistics(
                waiting: state.queue.count, holders: min(owned.depth, 1), acquisitions: state.notified,
                waits: state.queue.waits)
        }
    }
}
