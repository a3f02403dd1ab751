import CSwiftlet
import SwiftletCoroutines

/// Waits until the loop has nothing else to do: nothing is ready, no timer is due, and no descriptor or other thread has
/// anything for it. gevent's `idle`.
///
/// Meanwhile it looks again in each round, so the loop does not sleep. For work that shall not get in the way of others.
///
/// Cancellation: ends the wait at once.
/// - Throws: `CancellationError`.
public func idle() throws {
    let loop: EventLoop? = EventLoop.carrier
    guard let loop else { return try yield() }
    unsafe loop.idlers += 1
    defer { unsafe loop.idlers -= 1 }
    var wasQuiet = false
    while true {
        unsafe loop.core.pointee.budget = 0  // makes the loop look at timers, descriptors and other threads first
        try yield()
        let isQuiet = unsafe Int(swiftlet_ring_count(swiftlet_ready_ring(loop.core))) < loop.idlers
        // Twice: the look may have come before the last of the others ran, and have missed what that one did.
        if wasQuiet, isQuiet { return }
        wasQuiet = isQuiet
    }
}

extension EventLoop {
    /// Waits until all other fibers of the loop have ended, those that are spawned meanwhile included and those that watch
    /// for signals excepted. gevent's `wait()` and `Hub.join`.
    ///
    /// Cancellation: ends the wait, not the fibers.
    /// - Returns: false when `timeout` came first.
    /// - Throws: `LoopError.wrongThread`; `CancellationError`; `DeadlockError`.
    @discardableResult
    public func joinFibers(timeout: Duration? = nil) throws -> Bool {
        guard isCurrent else { throw LoopError.wrongThread }
        let deadline = timeout.map { Deadline.after($0) }
        let caller = AnyFiber.current
        while case let others = programFibers.filter({ $0 !== caller }), !others.isEmpty {
            guard try joinAll(others, timeout: deadline?.remaining).count == others.count else { return false }
        }
        return true
    }

    /// The fibers that have not ended, but those that watch for signals.
    package var programFibers: [AnyFiber] { liveFibers().filter { !$0.isBackground } }
}

extension AnyFiber {
    fileprivate final var isBackground: Bool { unsafe extras?.isBackground ?? false }
}
