import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// A job in a process of its own, which ends with it. aiomultiprocess's `Worker`.
///
/// ```swift
/// let worker = AsyncWorker(Resize(path: path))
/// try await worker.start()
/// let size = try await worker.result.get()
/// ```
/// The process is this program, started again, as those of a `ProcessPool` are: `main` begins with `WorkerProcess.runIfWorker`.
/// It is killed when nobody holds this object any more.
///
/// States: made -> started -> ended. Thread rules: everything may be done from any thread.
public final class AsyncWorker<Job: PoolJob>: Sendable {
    private struct State {
        var pool: ProcessPool?
        var identifier: Int32?
        var exit: WorkerExit?
    }

    /// For whoever looks at it; the job's name by default.
    public let name: String
    /// What the job returns or throws, or why it could do neither: `PoolError`. If it is cancelled the process is killed.
    public let result = PoolResult<Job.Output>()
    private let job: Job
    private let initializer: (any PoolJob)?
    private let program: WorkerProgram
    private let state = Locked(State())

    /// - Parameters:
    ///   - job: what the process is for.
    ///   - name: for whoever looks at it.
    ///   - initializer: runs first in the process.
    ///   - program: what is started.
    public init(
        _ job: Job, name: String = Job.jobName, initializer: (any PoolJob)? = nil, program: WorkerProgram = .same
    ) {
        self.job = job
        self.name = name
        self.initializer = initializer
        self.program = program
    }

    // MARK: Beginning

    /// Starts the process, and does not wait for the job. That it cannot be started is told by the result.
    ///
    /// - Throws: `PoolError.invalidOption` when it was started before; `LoopError`.
    public func start() throws {
        let pool = try ProcessPool(processes: 1, initializer: initializer, retryLimit: 0, program: program)
        let isFirst = state.withLock { state in
            guard state.pool == nil else { return false }
            state.pool = pool
            return true
        }
        guard isFirst else {
            pool.terminate()
            throw PoolError.invalidOption("the process \(name) was started before: make another one")
        }
        let (engine, result) = (pool.engine, result)
        let started = Waiter<Void>()
        engine.enter { [weak self] in
            let identifier = engine.workers.first?.identifier
            self?.state.withLock { $0.identifier = identifier }
            engine.whenWorkerEnds = { exit in self?.state.withLock { $0.exit = exit } }
            started.resume(returning: ())
        }
        pool.applyAsync(
            job, callback: { result.trySet(.success($0)) }, errorCallback: { result.trySet(.failure($0)) })
        result.rawLink { if $0.isCancelled { engine.enter { engine.terminate() } } }
        // Closed, it ends with the one call that it has.
        pool.close()
        _ = try started.wait()
    }

    /// Starts the process, from a task.
    public func start() async throws { try await parkInTask { try self.start() as Void } }

    // MARK: While it runs

    /// The process's identifier; none before it is started, or if it could not be.
    public var processIdentifier: Int32? { state.withLock { $0.identifier } }

    /// It has been started, and has not ended.
    public var isAlive: Bool { engine.map { $0.ended.isEmpty } ?? false }

    /// How the process has ended; none before that. A job that throws leaves the exit code 0: its error is the result.
    public var exit: WorkerExit? { state.withLock { $0.exit } }

    /// Asks the process to end: SIGTERM.
    public func terminate() { send(SIGTERM) }

    /// Ends the process at once: SIGKILL.
    public func kill() { send(SIGKILL) }

    private func send(_ signal: CInt) {
        guard let engine else { return }
        engine.enter { for worker in engine.workers { worker.send(signal) } }
    }

    private var engine: PoolEngine? { state.withLock { $0.pool?.engine } }

    // MARK: Its end

    /// Waits until the process has ended.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false if it has not within the time.
    /// - Throws: `PoolError.invalidOption` when it was never started; `CancellationError`.
    @discardableResult
    public func join(timeout: Duration? = nil) throws -> Bool {
        guard let engine else { throw PoolError.invalidOption("the process \(name) was not started: call start()") }
        return try engine.ended.wait(until: timeout.map { .after($0) }) != nil
    }

    /// Waits until the process has ended, from a task.
    @discardableResult
    public func join(timeout: Duration? = nil) async throws -> Bool {
        try await parkInTask { try self.join(timeout: timeout) as Bool }
    }
}

/// aiomultiprocess's `Process`: a worker whose result nobody asks for.
public typealias AsyncProcess = AsyncWorker
