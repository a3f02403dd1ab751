/// Lets a number of fibers, tasks or threads go on only when all of them have come. asyncio.Barrier, threading.Barrier.
///
/// It may be used again and again. States: filling -> (all came: next generation) filling, or broken until `reset()`.
@safe
public final class Barrier: @unchecked Sendable {
    /// How many have to come.
    public let parties: Int

    private struct State {
        let parties: Int
        var queue = WaitQueue()
        var isBroken = false
        var passed = 0

        /// Somebody comes; answers how many are still missing. None: then all that wait are let go.
        mutating func arrive(_ elsewhere: inout [WaitToken]) -> Int {
            if parties - queue.count - 1 <= 0 { queue.dropEnded() }  // whose wait has ended will not go on
            let missing = parties - queue.count - 1
            if missing <= 0 { passed += queue.decideAll(as: .granted, &elsewhere) + 1 }
            return missing
        }
    }

    private let shared: Guarded<State>

    /// Makes a barrier for a number of parties; less than one counts as one.
    public init(parties: Int) {
        self.parties = max(parties, 1)
        shared = Guarded(State(parties: self.parties))
    }

    deinit { shared.destroy() }

    /// Waits until all have come.
    ///
    /// Cancellation: ends the wait, and so does `timeout`; the others wait for somebody else to come instead.
    /// - Returns: how many were still to come when the caller came: 0 for the last, which never waits. So one of them can
    ///   be told apart.
    /// - Throws: `BrokenBarrierError` after `abort()`, or when `reset()` sent those who waited away; `DeadlineExceeded`
    ///   after `timeout`; `CancellationError`.
    @discardableResult
    public func wait(timeout: Duration? = nil) throws -> Int { try wait(until: timeout.map { .after($0) }) }

    /// Waits until all have come, from a task.
    ///
    /// Cancellation: ends the wait, and so does `timeout`; the others wait for somebody else to come instead.
    @discardableResult
    public func wait(timeout: Duration? = nil) async throws -> Int {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.wait(until: deadline) }
    }

    private func wait(until deadline: Deadline?) throws -> Int {
        var elsewhere: [WaitToken] = []
        var missing = 0
        var isBroken = false
        func arrive() -> Bool {
            isBroken = shared.state.isBroken
            if !isBroken { missing = shared.state.arrive(&elsewhere) }
            return isBroken || missing <= 0
        }
        shared.lock()
        if arrive() {
            shared.unlock()
        } else {
            var node = WaitNode()
            let haveCome = try unsafe withUnsafeMutablePointer(to: &node) { node in
                try unsafe waitInLine(
                    .barrier, shared.spin, node, until: deadline, attempt: arrive,
                    enqueue: { unsafe shared.state.queue.append(node) },
                    leave: { unsafe shared.state.queue.remove(node) })
            }
            guard haveCome else { throw DeadlineExceeded() }
            isBroken = isBroken || node.state == .refused
        }
        elsewhere.wakeAll()
        if isBroken { throw BrokenBarrierError() }
        return missing
    }

    /// Sends those who wait away with `BrokenBarrierError`, and begins anew.
    public func reset() { refuseAll(breaking: false) }

    /// Sends those who wait, and all who come later, away with `BrokenBarrierError`, until `reset()`.
    public func abort() { refuseAll(breaking: true) }

    private func refuseAll(breaking: Bool) {
        var elsewhere: [WaitToken] = []
        shared.withLock {
            $0.isBroken = breaking
            _ = $0.queue.decideAll(as: .refused, &elsewhere)
        }
        elsewhere.wakeAll()
    }

    /// It was aborted, and not reset since.
    public var isBroken: Bool { shared.withLock { $0.isBroken } }

    /// Who has come and waits for the others, and how often it was passed.
    public var statistics: SynchronizationStatistics {
        shared.withLock {
            SynchronizationStatistics(
                waiting: $0.queue.count, holders: $0.queue.count, acquisitions: $0.passed, waits: $0.queue.waits)
        }
    }
}

/// A barrier was aborted, or reset while somebody waited at it.
public struct BrokenBarrierError: Error, Hashable, CustomStringConvertible {
    public init() {}
    public var description: String {
        "the barrier is broken: it was aborted, or reset while this one waited; reset() makes it usable again"
    }
}
