public import SwiftletLoop

extension EventLoop {
    /// Runs a closure that blocks on a thread, from now on, and answers a task of this loop for its value. asyncio's
    /// `run_in_executor`; where nobody needs a future, `toThread` is shorter.
    ///
    /// Cancellation: of the task ends its wait; the closure runs to its end and its result is dropped.
    /// - Parameters:
    ///   - pool: whose threads; by default the loop's own executor, see `setDefaultExecutor`.
    ///   - work: sees the caller's task-local values.
    /// - Throws: `LoopError.wrongThread`, `.closed`, `.executorShutDown`.
    @discardableResult
    public func runInExecutor<Value: Sendable>(
        _ pool: ThreadPool? = nil, _ work: @escaping @Sendable () throws -> Value
    ) throws(LoopError) -> LoopTask<Value> {
        try requireOwnThread()
        if let pool { return try wrapFuture(pool.spawn(work), on: self) }
        let state = asyncState
        if state.isExecutorShutDown { throw .executorShutDown }
        let result = state.executor.spawn(work)
        if state.executing.count >= 32 { state.executing.removeAll { $0.hasEnded } }
        state.executing.append(result)
        return try wrapFuture(result, on: self)
    }

    /// Sets which threads `runInExecutor` uses, in place of those that all loops share.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    public func setDefaultExecutor(_ pool: ThreadPool) throws(LoopError) {
        try requireOwnThread()
        asyncState.executor = pool
    }

    /// Lets no more work to the loop's executor, and waits for what it has begun.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `DeadlineExceeded` after `timeout`: the work goes on; `LoopError.wrongThread`, `.closed`.
    public func shutdownDefaultExecutor(timeout: Duration? = nil) throws {
        try requireOwnThread()
        asyncState.isExecutorShutDown = true
        try Self.waitForEnds(of: asyncState.executing, timeout: timeout)
    }

    /// Lets no more work to the loop's executor, and waits for what it has begun, from a task of the loop.
    ///
    /// Cancellation: ends the wait.
    public func shutdownDefaultExecutor(timeout: Duration? = nil) async throws {
        try requireOwnThread()
        asyncState.isExecutorShutDown = true
        let executing = asyncState.executing
        try await parkInTask { try Self.waitForEnds(of: executing, timeout: timeout) }
    }

    private static func waitForEnds(of executing: [any ExecutorWork], timeout: Duration?) throws {
        let ended = try wait(executing.map { $0 as any Waitable }, timeout: timeout)
        if ended.count < executing.count { throw DeadlineExceeded() }
    }
}

/// What a loop has given to its executor.
protocol ExecutorWork: Waitable, Sendable {
    var hasEnded: Bool { get }
}

extension AsyncResult: ExecutorWork {
    var hasEnded: Bool { isReady }
}
