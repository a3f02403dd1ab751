public import CSwiftlet
import SwiftletCoroutines

extension EventLoop {
    /// The caller runs on a loop and for no actor, so that its stack may be set aside.
    @inlinable
    static func mayPark(_ isolation: (any Actor)?) -> Bool {
        guard isolation == nil, let thread = unsafe swiftlet_thread_if_made() else { return false }
        return unsafe thread.pointee.core != nil && thread.pointee.current != swiftlet_thread_root(thread)
    }
}

/// Runs synchronous code that parks, for the `async` spelling of an operation that often need not wait: in place where
/// the caller is on a loop and isolated to no actor, since leaving and coming back cost more than the wait itself. Parked
/// in place, an actor would stay locked.
@usableFromInline
func waitInTask<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    if EventLoop.mayPark(#isolation) { return try body() }
    return try await waitOutsideActors(body)
}

@concurrent
private func waitOutsideActors<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await parkInTask(body)
}
