public import SwiftletLoop

extension EventLoop {
    /// Makes a task that runs a coroutine, from the loop's next turn on.
    ///
    /// - Parameters:
    ///   - coroutine: what to run.
    ///   - name: what descriptions call it; `Task-n` by default.
    ///   - eager: runs it at once up to its first suspension, before this returns.
    /// - Returns: the task. The loop keeps it until its end.
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    @discardableResult
    public func createTask<Value>(
        _ coroutine: Coroutine<Value>, name: String? = nil, eager: Bool = false
    ) throws(LoopError) -> LoopTask<Value> {
        try requireOwnThread(for: coroutine)
        if let factory = asyncState.taskFactory {
            return try factory.makeTask(coroutine, name: name, eager: eager, on: self)
        }
        return begin(coroutine, name: name, eager: eager)
    }

    func requireOwnThread(for coroutine: AnyCoroutine) throws(LoopError) {
        do {
            try requireOwnThread()
        } catch {
            coroutine.discard()  // the error tells enough
            throw error
        }
    }

    func begin<Value>(_ coroutine: Coroutine<Value>, name: String?, eager: Bool) -> LoopTask<Value> {
        let task = LoopTask(coroutine, name: name, on: self)
        task.start(eagerly: eager)
        return task
    }

    /// Makes a task from any thread. asyncio's `run_coroutine_threadsafe`.
    ///
    /// - Returns: a task that can be waited for from anywhere.
    /// - Throws: `LoopError.closed`.
    @discardableResult
    public func createTaskThreadSafe<Value>(
        _ coroutine: Coroutine<Value>, name: String? = nil
    ) throws(LoopError) -> LoopTask<Value> {
        if isCurrent { return try createTask(coroutine, name: name) }
        let task = LoopTask(coroutine, name: name, on: self)
        guard perform({ task.start() }) else {
            coroutine.discard()
            throw .closed
        }
        return task
    }

    /// The tasks that have not ended, in the order in which they were made. To be asked on the loop's thread.
    public var allTasks: [any AnyLoopTask] { asyncState.allTasks }

    /// The loop that runs the caller. asyncio's `get_running_loop`.
    ///
    /// - Throws: `LoopError.notRunning` outside a loop.
    public static var running: EventLoop {
        get throws(LoopError) {
            guard let loop = carrier else { throw .notRunning }
            return loop
        }
    }
}

/// A future for anything that can be awaited: a future or task is answered as it is, a coroutine becomes a task of the
/// loop, and of anything else a task awaits the value.
///
/// - Parameters:
///   - awaitable: what to wait for.
///   - loop: by default the calling thread's, made on demand.
/// - Throws: `LoopError.wrongThread`, `.closed`.
public func ensureFuture<A: Awaitable>(_ awaitable: A, on loop: EventLoop? = nil) throws(LoopError) -> Future<A.Value> {
    if let future = awaitable as? Future<A.Value> { return future }
    let loop = if let loop { loop } else { try EventLoop.current }
    if let coroutine = awaitable as? Coroutine<A.Value> { return try loop.createTask(coroutine) }
    return try loop.createTask(Coroutine("awaiting \(A.self)") { try await awaitable.value })
}

/// The same for a coroutine, which becomes a task.
public func ensureFuture<Value>(
    _ coroutine: Coroutine<Value>, on loop: EventLoop? = nil
) throws(LoopError) -> LoopTask<Value> {
    let loop = if let loop { loop } else { try EventLoop.current }
    return try loop.createTask(coroutine)
}

/// The same for a task, which is answered as it is.
public func ensureFuture<Value>(_ task: LoopTask<Value>) -> LoopTask<Value> { task }
