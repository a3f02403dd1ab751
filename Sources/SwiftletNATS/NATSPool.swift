import SwiftletLoop
public import SwiftletPool

/// Workers on any number of machines that run jobs, reached over NATS JetStream. Its calls are those of `ProcessPool`.
///
/// ```swift
/// let pages = try await withNATSPool("nats://localhost:4222") { pool in
///     try await pool.map(urls.map(Fetch.init))
/// }
/// ```
///
/// Jobs wait in a queue that the servers keep, and workers (`NATSWorker.run`) take them from it. A job is done at least once:
/// one whose worker dies, or is cut off, goes to another. It is answered exactly once: with its result, its error, or the
/// reason why it has none. Python has nothing like it in its library; Celery and RQ are the nearest.
///
/// A caller that dies leaves its jobs behind: they are done, and nobody gets the results. Calls of a named set (`jobSet`) are
/// found again by the next run of the program.
///
/// Thread rules: everything may be done from any thread. The pool runs on the loop that makes it, and ends with that; made
/// elsewhere it runs on a loop that all share. No call of the C library that waits for the network is made on the loop.
public final class NATSPool: ClosablePool {
    private let core: PoolCore
    private let engine: JobSetEngine

    /// Through what its calls go.
    public var calls: PoolCalls { PoolCalls(engine) }

    /// How it ends: its sets, and the connection, with it.
    public var ending: PoolEnding { PoolEnding(core) }

    /// Connects, without waiting for that: that no server can be reached is told by the first call.
    ///
    /// - Throws: `NATSError.invalidOption`; `LoopError`.
    public init(_ configuration: NATSConfiguration) throws {
        let core = try PoolCore(configuration)
        self.core = core
        engine = core.makeEngine(named: nil)
        guard core.enter({ core.start() }) else { throw LoopError.closed }
    }

    deinit {
        let core = core
        core.enter { core.terminate() }
    }

    /// Waits until the servers have been reached, and the streams of the queue are there. Calls need not wait for that.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `NATSError`; `CancellationError`.
    public func waitUntilReady() throws { try engine.waitUntilReady() }

    /// Waits until the servers have been reached, from a task.
    public func waitUntilReady() async throws { try await parkInTask { try self.engine.waitUntilReady() } }

    /// Jobs whose results are kept under a name: a program that was interrupted goes on with the same name and the same jobs,
    /// and only those are done that have no result yet. Jobs that had failed are done again.
    ///
    /// ```swift
    /// let crawl = pool.jobSet("crawl of May")
    /// let pages = try await crawl.map(urls.map(Fetch.init))
    /// try await crawl.remove()
    /// ```
    /// A job is found again by what it is: its type, its version and its properties. Equal jobs count one by one. What is
    /// asked for in chunks is found again in the same chunks only. Use a set once at a time.
    public func jobSet(_ name: String) -> NATSJobSet { NATSJobSet(core.makeEngine(named: name), of: self) }
}

/// The calls of a pool whose results are kept under a name: see `NATSPool.jobSet`. It has the calls of every pool, and ends
/// with its own.
public final class NATSJobSet: JobPool {
    private let engine: JobSetEngine
    private let pool: NATSPool

    /// Through what its calls go.
    public var calls: PoolCalls { PoolCalls(engine) }

    init(_ engine: JobSetEngine, of pool: NATSPool) {
        self.engine = engine
        self.pool = pool
    }

    /// Forgets the results, and takes jobs that wait out of the queue. To be called when all calls are answered.
    ///
    /// - Throws: `NATSError`; `CancellationError`.
    public func remove() throws {
        let engine = engine
        let done = Waiter<Void>()
        let entered = engine.enter {
            engine.loop.spawn(name: "removal of a NATS job set") {
                do {
                    try engine.remove()
                    done.resume(returning: ())
                } catch {
                    done.resume(throwing: error)
                }
            }
        }
        guard entered else { throw PoolError.closed }
        _ = try done.wait()
    }

    /// Forgets the results, from a task.
    public func remove() async throws { try await parkInTask { try self.remove() as Void } }
}
