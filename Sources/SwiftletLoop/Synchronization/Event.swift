/// A flag that fibers, tasks and threads wait for. asyncio.Event, gevent's Event.
///
/// Setting it wakes all who wait at that moment, even if it is cleared again at once.
@safe
public final class Event: @unchecked Sendable {
    struct State {
        var isSet: Bool
        var passed = 0
        var queue = WaitQueue()

        mutating func pass() -> Bool {
            if isSet { passed += 1 }
            return isSet
        }
    }

    let shared: Guarded<State>

    /// Makes an event that is not set, or is.
    public init(isSet: Bool = false) { shared = Guarded(State(isSet: isSet)) }

    deinit { shared.destroy() }

    /// It is set: nobody has to wait.
    public var isSet: Bool { shared.withLock { $0.isSet } }

    /// Sets it and wakes all who wait. O(waiting).
    public func set() {
        var elsewhere: [WaitToken] = []
        shared.withLock {
            $0.isSet = true
            $0.passed += $0.queue.decideAll(as: .granted, &elsewhere)
        }
        elsewhere.wakeAll()
    }

    /// Takes it back: from now on waiting takes until it is set again.
    public func clear() { shared.withLock { $0.isSet = false } }

    /// Waits until it is set.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false when `timeout` came first.
    @discardableResult
    public func wait(timeout: Duration? = nil) throws -> Bool { try wait(until: timeout.map { .after($0) }) }

    /// Waits until it is set, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false when `timeout` came first.
    @discardableResult
    public func wait(timeout: Duration? = nil) async throws -> Bool {
        if isSet { return true }
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.wait(until: deadline) }
    }

    private func wait(until deadline: Deadline?) throws -> Bool {
        shared.lock()
        if shared.state.pass() {
            shared.unlock()
            return true
        }
        var node = WaitNode()
        return try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                .event, shared.spin, node, until: deadline, attempt: { shared.state.pass() },
                enqueue: { unsafe shared.state.queue.append(node) },
                leave: { unsafe shared.state.queue.remove(node) })
        }
    }

    /// Who waits and how often it was passed. `holders` is 1 while it is set.
    public var statistics: SynchronizationStatistics {
        shared.withLock {
            SynchronizationStatistics(
                waiting: $0.queue.count, holders: $0.isSet ? 1 : 0, acquisitions: $0.passed, waits: $0.queue.waits)
        }
    }
}
