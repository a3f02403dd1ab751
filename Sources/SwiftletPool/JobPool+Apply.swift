public import SwiftletLoop

extension JobPool {
    /// Runs a job in a worker and waits for its result. Python's `apply`.
    ///
    /// Cancellation: ends the wait at once, and cancels the job.
    /// - Parameters:
    ///   - job: what to run.
    ///   - timeout: after which the job is cancelled.
    /// - Throws: what the job throws, as itself or as `WorkerFailure`; `PoolError`; `DeadlineExceeded` after `timeout`;
    ///   `CancellationError`.
    public func apply<Job: PoolJob>(_ job: Job, timeout: Duration? = nil) throws -> Job.Output {
        try run(job, timeout)
    }

    /// Runs a job in a worker and waits for its result, from a task.
    ///
    /// Cancellation: ends the wait at once, and cancels the job.
    public func apply<Job: PoolJob>(_ job: Job, timeout: Duration? = nil) async throws -> Job.Output {
        try await parkInTask { try self.run(job, timeout) }
    }

    /// Runs a job in a worker, without waiting. Python's `apply_async`.
    ///
    /// - Parameters:
    ///   - job: what to run.
    ///   - timeout: after which the job is cancelled.
    ///   - callback: is called with the result, on the pool's loop. It must not wait.
    ///   - errorCallback: is called with the error instead.
    /// - Returns: the result to be; `cancel()` cancels the job.
    @discardableResult
    public func applyAsync<Job: PoolJob>(
        _ job: Job, timeout: Duration? = nil, callback: (@Sendable (Job.Output) -> Void)? = nil,
        errorCallback: (@Sendable (any Error) -> Void)? = nil
    ) -> PoolResult<Job.Output> {
        let result = PoolResult<Job.Output>()
        result.link(callback, errorCallback)
        let call: PoolCall
        do {
            call = try makeCall(job, timeout) { result.trySet($0) }
        } catch {
            result.trySet(.failure(error))
            return result
        }
        let engine = calls.engine
        result.rawLink { result in
            if result.isCancelled { engine.enter { engine.cancel(call, CancellationError()) } }
        }
        submit(call)
        return result
    }

    /// Runs a job in a worker of one queue.
    func apply<Job: PoolJob>(_ job: Job, queue: Int) async throws -> Job.Output {
        try await parkInTask { try self.run(job, nil, queue: queue) }
    }

    private func run<Job: PoolJob>(_ job: Job, _ timeout: Duration?, queue: Int? = nil) throws -> Job.Output {
        let done = Waiter<Job.Output>()
        let call = try makeCall(job, timeout) { result in
            switch result {
            case .success(let value): done.resume(returning: value)
            case .failure(let error): done.resume(throwing: error)
            }
        }
        call.queue = queue
        submit(call)
        do {
            return try done.wait()!
        } catch let error as CancellationError {
            let engine = calls.engine
            engine.enter { engine.cancel(call, CancellationError()) }
            throw error
        }
    }

    private func makeCall<Job: PoolJob>(
        _ job: Job, _ timeout: Duration?, answer: @escaping (Result<Job.Output, any Error>) -> Void
    ) throws -> PoolCall {
        var builder = CallBuilder(Job.self, for: calls.engine, deadline: timeout.map { .after($0) })
        try builder.add(job)
        return builder.call { outcome in OutcomeReader<Job>.read(outcome, count: 1, answer) }
    }

    private func submit(_ call: PoolCall) {
        let engine = calls.engine
        if !engine.enter({ engine.submit(call) }) { call.finish(.failure(PoolError.closed)) }
    }
}

/// The result to be of a job that nobody waits for yet. Python's `AsyncResult`: `get(timeout:)`, `wait(timeout:)`, `isReady`,
/// `isSuccessful`, from fibers, tasks and threads. `cancel()` cancels the job.
public typealias PoolResult<Value> = AsyncResult<Value>

extension AsyncResult {
    func link(_ callback: (@Sendable (Value) -> Void)?, _ errorCallback: (@Sendable (any Error) -> Void)?) {
        guard callback != nil || errorCallback != nil else { return }
        rawLink { result in
            switch result.outcome {
            case .success(let value)?: callback?(value)
            case .failure(let error)?: errorCallback?(error)
            case nil: break
            }
        }
    }
}
