/// A number of permits, each had by one at a time: what `Semaphore` and `BoundedSemaphore` share.
///
/// A permit has no owner: anybody may release it. Whoever waits is served in the order of arrival; a released permit goes
/// straight to the first that waits.
@safe
public class PermitPool: @unchecked Sendable {
    @usableFromInline
    struct State {
        @usableFromInline var available: Int
        @usableFromInline var acquisitions = 0
        @usableFromInline var releases = 0
        @usableFromInline var queue = WaitQueue()

        init(available: Int) { self.available = available }

        // Permits are available only while nobody waits: nobody is overtaken.
        @inlinable
        @inline(__always)
        mutating func take() -> Bool {
            guard available > 0 else { return false }
            available -= 1
            acquisitions += 1
            return true
        }

        /// Puts a permit back, to the first that waits.
        @inlinable
        @inline(__always)
        mutating func putBack() -> WaitToken? {
            var elsewhere: WaitToken?
            releases += 1
            if unsafe queue.grantFirst(&elsewhere) == nil {
                available += 1
            } else {
                acquisitions += 1
            }
            return elsewhere
        }
    }

    @usableFromInline final let shared: Guarded<State>

    init(_ permits: Int) { shared = Guarded(State(available: max(permits, 0))) }

    deinit { shared.destroy() }

    /// Acquires a permit, waiting for its turn.
    ///
    /// Cancellation: ends the wait. A permit that is free is had at once, cancelled or not.
    /// - Throws: `DeadlineExceeded` after `timeout`; `CancellationError`.
    @inlinable
    public final func acquire(timeout: Duration? = nil) throws {
        shared.lock()
        if shared.state.take() { return shared.unlock() }
        try waitForTurn(until: timeout.map { .after($0) })
    }

    /// Acquires a permit, from a task.
    ///
    /// Cancellation: ends the wait. A permit that is free is had at once, cancelled or not.
    public final func acquire(timeout: Duration? = nil) async throws {
        if tryAcquire() { return }
        let deadline = timeout.map { Deadline.after($0) }
        try await parkInTask {
            self.shared.lock()
            if self.shared.state.take() { return self.shared.unlock() }
            try self.waitForTurn(until: deadline)
        }
    }

    /// Acquires a permit if that needs no waiting.
    @inlinable
    public final func tryAcquire() -> Bool { shared.withLock { $0.take() } }

    @usableFromInline
    @inline(never)
    final func waitForTurn(until deadline: Deadline?) throws {
        var node = WaitNode()
        let isMine = try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                .semaphore, shared.spin, node, until: deadline, attempt: { shared.state.take() },
                enqueue: { unsafe shared.state.queue.append(node) },
                leave: { unsafe shared.state.queue.remove(node) })
        }
        guard isMine else { throw DeadlineExceeded() }
    }

    @inlinable
    @inline(__always)
    final func releaseOne() {
        shared.lock()
        let elsewhere = shared.state.putBack()
        shared.unlock()
        elsewhere?.wake()
    }

    /// Runs the body with a permit, which is released however the body ends.
    ///
    /// Cancellation: ends the wait for the permit.
    @inlinable
    public final func withPermit<Value>(timeout: Duration? = nil, _ body: () throws -> Value) throws -> Value {
        try acquire(timeout: timeout)
        defer { releaseOne() }
        return try body()
    }

    /// Runs the async body with a permit, which is released however the body ends.
    ///
    /// Cancellation: ends the wait for the permit.
    public final func withPermit<Value>(
        timeout: Duration? = nil, _ body: () async throws -> Value
    ) async throws -> Value {
        try await acquire(timeout: timeout)
        defer { releaseOne() }
        return try await body()
    }

    /// Runs the body with a permit, from a task. Spelled out, because with a synchronous body the synchronous form would
    /// be chosen in a task too.
    public final func withPermit<Value>(timeout: Duration? = nil, _ body: () throws -> Value) async throws -> Value {
        try await withPermit(timeout: timeout) { () async throws -> Value in try body() }
    }

    /// How many can be acquired without waiting.
    public final var availablePermits: Int { shared.withLock { $0.available } }

    /// Who waits and how often permits were had. `holders` are the permits that are out; a plain semaphore can have more
    /// releases than acquisitions, and then has none out.
    public final var statistics: SynchronizationStatistics {
        shared.withLock {
            SynchronizationStatistics(
                waiting: $0.queue.count, holders: max($0.acquisitions - $0.releases, 0),
                acquisitions: $0.acquisitions, waits: $0.queue.waits)
        }
    }
}
