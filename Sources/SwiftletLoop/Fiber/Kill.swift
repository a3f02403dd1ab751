public import SwiftletCoroutines

extension AnyFiber {
    /// Throws an error into the fiber where it waits, and waits for its end. gevent's `kill`.
    ///
    /// The error is thrown once, so the fiber's cleaning up may wait; `cancel()` makes every wait throw. A fiber that has not
    /// started never runs. With `GreenletExit` the fiber counts as killed, not as failed: it is successful and has no error,
    /// but `get` throws `GreenletExit`, as there is no value. Does nothing to one that has finished. A fiber that kills
    /// itself throws the error at once. From any thread.
    ///
    /// Cancellation: ends the wait; the error is thrown all the same.
    /// - Parameters:
    ///   - error: what is thrown into it; with any other than `GreenletExit` it has failed.
    ///   - waits: false returns at once.
    ///   - timeout: how long to wait for the end at most.
    /// - Returns: whether it has ended.
    /// - Throws: `CancellationError`; the error itself to the fiber that kills itself.
    @discardableResult
    public final func kill(
        throwing error: any Error = GreenletExit(), waits: Bool = true, timeout: Duration? = nil
    ) throws -> Bool {
        try end(by: error, waits: waits, until: timeout.map { .after($0) })
    }

    /// Throws an error into the fiber where it waits, and waits for its end, from a task.
    ///
    /// Cancellation: ends the wait; the error is thrown all the same.
    @discardableResult
    public final func kill(
        throwing error: any Error = GreenletExit(), waits: Bool = true, timeout: Duration? = nil
    ) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.end(by: error, waits: waits, until: deadline) }
    }

    private final func end(by error: any Error, waits: Bool, until deadline: Deadline?) throws -> Bool {
        if isFinishedHere { return true }
        if AnyFiber.current === self { throw error }
        interrupt(with: error)
        return waits ? try joinBlocking(until: deadline) : isFinishedHere
    }

    /// It ended by `GreenletExit`.
    public final var wasKilled: Bool { unsafe failure is GreenletExit }
}

/// Throws an error into each of several fibers, of any loops, and waits for their ends. gevent's `killall`; see `kill`.
///
/// Cancellation: ends the wait; the errors are thrown all the same.
/// - Returns: whether all have ended.
/// - Throws: `CancellationError`.
@discardableResult
public func killAll(
    _ fibers: [AnyFiber], throwing error: any Error = GreenletExit(), waits: Bool = true, timeout: Duration? = nil
) throws -> Bool {
    for fiber in fibers { fiber.interrupt(with: error) }
    guard waits else { return fibers.allSatisfy(\.isFinishedHere) }
    return try joinAll(fibers, timeout: timeout).count == fibers.count
}

/// Throws an error into each of several fibers, of any loops, and waits for their ends, from a task.
///
/// Cancellation: ends the wait; the errors are thrown all the same.
@discardableResult
public func killAll(
    _ fibers: [AnyFiber], throwing error: any Error = GreenletExit(), waits: Bool = true, timeout: Duration? = nil
) async throws -> Bool {
    try await parkInTask { try killAll(fibers, throwing: error, waits: waits, timeout: timeout) }
}

extension AnyFiber {
    /// As gevent prints a failure at once, for loops whose configuration asks for it.
    @inline(never)
    final func reportFailureAtOnce() {
        guard loop.configuration.reportsFailuresAtOnce, let failure = unsafe failure, !wasKilled,
            !(failure is CancellationError)
        else { return }
        isObserved = true
        Report(.unretrievedError, "\(self) failed with \(failure)").post()
    }
}
