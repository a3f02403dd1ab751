public import SwiftletLoop

/// The jobs, and how many go to a worker in one piece.
@usableFromInline typealias ChunkedJobs<Job> = (jobs: JobSource<Job>, size: Int)

extension JobPool {
    // MARK: Whole

    /// Runs the jobs in the workers and waits for all results. Python's `Pool.map`.
    ///
    /// Cancellation: takes no further jobs and cancels those under way.
    /// - Parameters:
    ///   - jobs: taken as there is room for them, but for `.pythonDefault`, which has to know how many there are.
    ///   - chunks: how many go to a worker in one piece.
    ///   - timeout: for each job, counted from now.
    /// - Returns: the results in the order of the jobs.
    /// - Throws: the error of the first job, in their order, that fails; after a failure no further ones are taken, and those
    ///   under way are waited for. `CancellationError`.
    @inlinable
    public func map<Job: PoolJob>(
        _ jobs: sending some Sequence<Job>, chunks: ChunkRule = .pythonDefault, timeout: Duration? = nil
    ) throws -> [Job.Output] {
        try whole(source(jobs, chunks), timeout)
    }

    /// Runs the jobs in the workers and waits for all results, from a task. aiomultiprocess's `Pool.map`.
    ///
    /// Cancellation: takes no further jobs and cancels those under way.
    /// - Returns: the results in the order of the jobs.
    @inlinable
    @concurrent
    public func map<Job: PoolJob>(
        _ jobs: sending some Sequence<Job>, chunks: ChunkRule = .one, timeout: Duration? = nil
    ) async throws -> [Job.Output] {
        try await wholeInTask(source(jobs, chunks), timeout)
    }

    /// Python's rule has to know how many there are.
    @inlinable
    func source<Job: PoolJob>(_ jobs: sending some Sequence<Job>, _ chunks: ChunkRule) -> ChunkedJobs<Job> {
        let count = jobs.underestimatedCount
        guard chunks == .pythonDefault, count == 0 else {
            return (JobSource(jobs), calls.chunkSize(chunks, jobs: count))
        }
        let all = Array(jobs)
        return (JobSource(all), calls.chunkSize(chunks, jobs: all.count))
    }

    @usableFromInline
    func whole<Job: PoolJob>(_ jobs: ChunkedJobs<Job>, _ timeout: Duration?) throws -> [Job.Output] {
        let map = PoolMap(
            calls.engine, jobs.jobs, chunk: jobs.size, lookAhead: nil, isOrdered: true, stopsAtFailure: true,
            timeout: timeout)
        do {
            return try map.all()
        } catch {
            map.cancel()
            throw error
        }
    }

    @usableFromInline
    func wholeInTask<Job: PoolJob>(_ jobs: ChunkedJobs<Job>, _ timeout: Duration?) async throws -> [Job.Output] {
        try await parkInTask { try self.whole(jobs, timeout) }
    }

    @usableFromInline
    func results<Job: PoolJob>(
        _ jobs: ChunkedJobs<Job>, _ lookAhead: Int?, isOrdered: Bool, _ timeout: Duration?
    ) -> PoolResults<Job.Output> {
        PoolResults(
            PoolMap(
                calls.engine, jobs.jobs, chunk: jobs.size, lookAhead: lookAhead, isOrdered: isOrdered,
                stopsAtFailure: false,
                timeout: timeout))
    }

    // MARK: As they are ready

    /// Runs the jobs in the workers and hands out the results in the order of the jobs, each as soon as it and those before it
    /// are there. Python's `imap`.
    ///
    /// - Parameters:
    ///   - jobs: may be without end; taken as results are asked for.
    ///   - chunks: how many go to a worker in one piece.
    ///   - lookAhead: how many jobs may have been taken whose results were not; by default twice what the workers are given
    ///     at a time.
    ///   - timeout: for each job, counted from now.
    @inlinable
    public func imap<Job: PoolJob>(
        _ jobs: sending some Sequence<Job>, chunks: ChunkRule = .one, lookAhead: Int? = nil, timeout: Duration? = nil
    ) -> PoolResults<Job.Output> {
        results(source(jobs, chunks), lookAhead, isOrdered: true, timeout)
    }

    /// The same, but the results come as they are ready. Python's `imap_unordered`.
    @inlinable
    public func imapUnordered<Job: PoolJob>(
        _ jobs: sending some Sequence<Job>, chunks: ChunkRule = .one, lookAhead: Int? = nil, timeout: Duration? = nil
    ) -> PoolResults<Job.Output> {
        results(source(jobs, chunks), lookAhead, isOrdered: false, timeout)
    }

    // MARK: Other spellings

    /// Makes a job of each tuple and runs them as `map` does. Python's `starmap`.
    ///
    /// ```swift
    /// try pool.starmap([(2, 3), (4, 5)], Power.init(base:exponent:))
    /// ```
    public func starmap<each Argument, Job: PoolJob>(
        _ arguments: [(repeat each Argument)], chunks: ChunkRule = .pythonDefault,
        _ make: (repeat each Argument) -> Job
    ) throws -> [Job.Output] {
        try whole(source(arguments.map { make(repeat each $0) }, chunks), nil)
    }

    /// Makes a job of each tuple and runs them as `map` does, from a task.
    public func starmap<each Argument, Job: PoolJob>(
        _ arguments: [(repeat each Argument)], chunks: ChunkRule = .one, _ make: (repeat each Argument) -> Job
    ) async throws -> [Job.Output] {
        try await map(arguments.map { make(repeat each $0) }, chunks: chunks)
    }

    /// Runs the jobs in the workers, without waiting. Python's `map_async`, and with tuples mapped to jobs `starmap_async`.
    ///
    /// - Parameters:
    ///   - jobs: taken as there is room for them.
    ///   - chunks: how many go to a worker in one piece.
    ///   - callback: is called with all results, on the pool's loop. It must not wait.
    ///   - errorCallback: is called with the error of the first job that fails instead.
    /// - Returns: the results to be; `cancel()` cancels the jobs.
    @discardableResult
    public func mapAsync<Job: PoolJob>(
        _ jobs: [Job], chunks: ChunkRule = .pythonDefault, callback: (@Sendable ([Job.Output]) -> Void)? = nil,
        errorCallback: (@Sendable (any Error) -> Void)? = nil
    ) -> PoolResult<[Job.Output]> {
        let result = PoolResult<[Job.Output]>()
        result.link(callback, errorCallback)
        let jobs = source(jobs, chunks)
        let map = PoolMap(
            calls.engine, jobs.jobs, chunk: jobs.size, lookAhead: nil, isOrdered: true, stopsAtFailure: true,
            timeout: nil)
        result.rawLink { if $0.isCancelled { map.cancel() } }
        let engine = calls.engine
        let entered = engine.enter {
            engine.loop.spawn(name: "result of a pool's map") { result.trySet(Result { try map.all() }) }
        }
        if !entered { result.trySet(.failure(PoolError.closed)) }
        return result
    }
}
