import SwiftletLoop

/// Runs the body with a pool of worker processes. At its end the pool is drained: jobs that were asked for are answered. When
/// it throws, the pool is terminated. No worker is left afterwards.
///
/// The parameters are those of `ProcessPool.init`.
/// - Throws: what the body throws; `PoolError.invalidOption`.
public func withProcessPool<Value>(
    processes: Int? = nil, childConcurrency: Int = 1, initializer: (any PoolJob)? = nil,
    finalizer: (any PoolJob)? = nil,
    maxTasksPerChild: Int? = nil, queueCount: Int = 1, scheduler: any PoolScheduler = LeastLoaded(),
    retryLimit: Int = 3,
    responseLimit: Duration = .seconds(1), program: WorkerProgram = .same, _ body: (ProcessPool) throws -> Value
) throws -> Value {
    let pool = try ProcessPool(
        processes: processes, childConcurrency: childConcurrency, initializer: initializer, finalizer: finalizer,
        maxTasksPerChild: maxTasksPerChild, queueCount: queueCount, scheduler: scheduler, retryLimit: retryLimit,
        responseLimit: responseLimit, program: program)
    let interrupt = InterruptWatch(pool)
    defer { interrupt?.end() }
    return try pool.use(body)
}

/// Runs an async body with a pool of worker processes. At its end the pool is drained: jobs that were asked for are answered.
/// When it throws, the pool is terminated. No worker is left afterwards.
///
/// The parameters are those of `ProcessPool.init`; each worker runs 16 jobs at a time by default, as coroutines.
///
/// Cancellation: reaches the body; the pool is terminated if that throws.
/// - Throws: what the body throws; `PoolError.invalidOption`.
public nonisolated(nonsending) func withProcessPool<Value>(
    processes: Int? = nil, childConcurrency: Int = 16, initializer: (any PoolJob)? = nil,
    finalizer: (any PoolJob)? = nil, maxTasksPerChild: Int? = nil, queueCount: Int = 1,
    scheduler: any PoolScheduler = LeastLoaded(), retryLimit: Int = 3, responseLimit: Duration = .seconds(1),
    program: WorkerProgram = .same, _ body: nonisolated(nonsending) (ProcessPool) async throws -> Value
) async throws -> Value {
    let pool = try ProcessPool(
        processes: processes, childConcurrency: childConcurrency, initializer: initializer, finalizer: finalizer,
        maxTasksPerChild: maxTasksPerChild, queueCount: queueCount, scheduler: scheduler, retryLimit: retryLimit,
        responseLimit: responseLimit, program: program)
    let interrupt = InterruptWatch(pool)
    defer { interrupt?.end() }
    return try await pool.use(body)
}
