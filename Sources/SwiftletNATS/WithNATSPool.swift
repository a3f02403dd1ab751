import SwiftletPool

/// Runs the body with a pool over NATS. At its end the pool is drained: jobs that were asked for are answered. When it
/// throws, the pool is terminated: what is still in the queue is taken out.
///
/// - Throws: what the body throws; `NATSError`, from `init` of `NATSPool`.
public func withNATSPool<Value>(
    _ configuration: NATSConfiguration, _ body: (NATSPool) throws -> Value
) throws -> Value {
    try NATSPool(configuration).use(body)
}

/// Runs an async body with a pool over NATS. At its end the pool is drained: jobs that were asked for are answered. When it
/// throws, the pool is terminated: what is still in the queue is taken out.
///
/// Cancellation: reaches the body; the pool is terminated if that throws.
/// - Throws: what the body throws; `NATSError`, from `init` of `NATSPool`.
public nonisolated(nonsending) func withNATSPool<Value>(
    _ configuration: NATSConfiguration, _ body: nonisolated(nonsending) (NATSPool) async throws -> Value
) async throws -> Value {
    try await NATSPool(configuration).use(body)
}
