import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// Worker processes that run jobs: `multiprocessing.Pool` and `aiomultiprocess.Pool` in one.
///
/// ```swift
/// let pages = try await withProcessPool(processes: 4) { pool in
///     try await pool.map(urls.map(Fetch.init))
/// }
/// ```
///
/// Workers are this program, started again; its `main` begins with `WorkerProcess.runIfWorker(Fetch.self)`. Every job is
/// answered once: with its result, its error, or the reason why it has none. A worker that dies is replaced; its jobs fail with
/// `PoolError.workerDied`, or are run again if they are idempotent.
///
/// The synchronous calls park the calling fiber, and block a plain thread; the `async` ones wait in a task. They differ in
/// the default of `map`: chunks as Python's for the first, each job by itself for the second.
///
/// Thread rules: everything may be done from any thread. The pool runs on the loop that makes it, and ends with that; made
/// elsewhere it runs on a loop that all share. Calls are quickest on the pool's own loop.
public final class ProcessPool: ClosablePool {
    let engine: PoolEngine

    /// Through what its calls go.
    public var calls: PoolCalls { PoolCalls(engine) }

    /// How it ends: the workers with it.
    public var ending: PoolEnding { PoolEnding(engine) }

    /// Starts the workers, without waiting for them.
    ///
    /// - Parameters:
    ///   - processes: how many workers; by default as many as this process may use processors.
    ///   - childConcurrency: how many calls a worker is given at a time; they run as coroutines on its loop. More than one is
    ///     for jobs that wait; jobs that compute have to take turns.
    ///   - initializer: runs first in each worker. Its first failure is the pool's.
    ///   - finalizer: runs last in each worker that is not killed.
    ///   - maxTasksPerChild: a worker that has had so many jobs is replaced by a fresh one.
    ///   - queueCount: in how many queues jobs wait; at most one for each process.
    ///   - scheduler: chooses the queue of a job.
    ///   - retryLimit: how often an idempotent job is run again after its worker has died.
    ///   - responseLimit: a worker that has not heard of a cancellation after this time is killed, and replaced.
    ///   - startLimit: how long a worker may take to say that it is one; and to finish.
    ///   - sharedMemoryThreshold: from how many bytes on arguments and results go through shared memory.
    ///   - program: what is started as a worker.
    /// - Throws: `PoolError.invalidOption`; `LoopError`. That no worker can be started is told by the first call.
    public init(
        processes: Int? = nil, childConcurrency: Int = 1, initializer: (any PoolJob)? = nil,
        finalizer: (any PoolJob)? = nil, maxTasksPerChild: Int? = nil, queueCount: Int = 1,
        scheduler: any PoolScheduler = LeastLoaded(), retryLimit: Int = 3, responseLimit: Duration = .seconds(1),
        startLimit: Duration = .seconds(10), sharedMemoryThreshold: Int = 1 << 20, program: WorkerProgram = .same
    ) throws {
        WorkerProcess.refuseIfUnclaimed()
        let options = PoolOptions(
            processes: processes ?? EventLoopGroup.availableProcessors, childConcurrency: childConcurrency,
            queueCount: queueCount, scheduler: scheduler, initializer: initializer, finalizer: finalizer,
            maxTasksPerChild: maxTasksPerChild, retryLimit: retryLimit, responseLimit: responseLimit,
            startLimit: startLimit, sharedMemoryThreshold: sharedMemoryThreshold, program: program)
        let engine = try PoolEngine(options)
        self.engine = engine
        guard engine.enter({ engine.start() }) else { throw LoopError.closed }
    }

    deinit {
        let engine = engine
        engine.enter { engine.terminate() }
    }

    /// How many workers it has.
    public var processes: Int { engine.options.processes }

    /// Waits until every worker has started, and its initializer has run. Calls need not wait for that.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: why a worker cannot be started; `CancellationError`.
    public func waitUntilReady() throws { try engine.waitUntilReady() }

    /// Waits until every worker has started, from a task.
    public func waitUntilReady() async throws { try await parkInTask { try self.engine.waitUntilReady() } }
}
