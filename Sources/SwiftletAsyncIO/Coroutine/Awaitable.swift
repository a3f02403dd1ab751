import SwiftletLoop

/// Something that can be awaited: a `Coroutine`, a `Future`, a `LoopTask`, Swift's own `Task`, or a type of yours.
///
/// Python's awaitable objects, whose `__await__` is the property here.
public protocol Awaitable<Value>: Sendable {
    associatedtype Value: Sendable

    /// Suspends until the value is there.
    var value: Value { get async throws }
}

extension Task: Awaitable where Success: Sendable {}

extension Awaitable {
    /// Waits for the value from synchronous code: only the calling fiber or task waits.
    ///
    /// Cancellation: of the caller cancels what is awaited, and waits for its end.
    /// - Throws: what awaiting throws.
    public func wait() throws -> Value { try blockOn { try await value } }
}
