/// A semaphore that never makes anybody wait: for code that takes one, where there is no limit. gevent's DummySemaphore.
///
/// Thread rules: may be used from anywhere. It keeps nothing, so releasing what was not acquired is no error.
public struct DummySemaphore: Sendable {
    public init() {}

    /// Always true: nobody would wait.
    public func tryAcquire() -> Bool { true }

    /// Returns at once, as a semaphore does that has a permit left: cancelled or not.
    public func acquire(timeout: Duration? = nil) {}

    /// Does nothing.
    public func release() {}

    /// Runs the body.
    public func withPermit<Value>(timeout: Duration? = nil, _ body: () throws -> Value) rethrows -> Value {
        try body()
    }

    /// Runs the async body.
    public nonisolated(nonsending) func withPermit<Value>(
        timeout: Duration? = nil, _ body: nonisolated(nonsending) () async throws -> Value
    ) async rethrows -> Value {
        try await body()
    }
}
