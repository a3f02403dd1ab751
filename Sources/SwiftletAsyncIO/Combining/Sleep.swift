import SwiftletLoop

/// Suspends the calling task for a while, and answers a value: what stands for something slow in a `gather`.
///
/// Cancellation: ends it.
public func sleep<Value: Sendable>(_ duration: Duration, result: Value) async throws -> Value {
    try await sleep(duration)
    return result
}
