import SwiftletLoop

/// Runs the body with a pool over NATS. At its end the pool is drained: jobs that were asked for are answered. When it
/// throws, the pool is terminated: what is still in the queue is taken out.
///
/// - Throws: what the body throws; `NATSError`, from `init` of `NATSPool`.
public func withNATSPool<Value>(
    _ configuration: NATSConfiguration, _ body: (NATSPool) throws -> Value
) throws -> Value {
    let pool = try NATSPool(configuration)
    do {
        let value = try body(pool)
        try pool.drain()
        return value
    } catch {
        pool.terminate()
        try shielded { try pool.waitForEnd() }
        throw error
    }
}

/// Runs an async body with a pool over NATS. At its end the pool is drained: jobs that were asked for are answered. When it
/// throws, the pool is terminated: what is still in the queue is taken out.
///
/// Cancellation: reaches the body; the pool is terminated if that throws.
/// - Throws: what the body throws; `NATSError`, from `init` of `NATSPool`.
public nonisolated(nonsending) func withNATSPool<Value>(
    _ configuration: NATSConfiguration, _ body: nonisolated(nonsending) (NATSPool) async throws -> Value
) async throws -> Value {
    let pool = try NATSPool(configuration)
    do {
        let value = try await body(pool)
        try await pool.drain()
        return value
    } catch {
        pool.terminate()
        try await parkInTask { try shielded { try pool.waitForEnd() } }
        throw error
    }
}
