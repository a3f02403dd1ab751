/// Waits for something without being able to cancel it: when the caller is cancelled, this throws and the other goes on.
///
/// A coroutine becomes a task, which the loop keeps.
/// - Throws: what awaiting throws; `CancellationError`.
public func shield<A: Awaitable>(_ awaitable: A) async throws -> A.Value {
    let future = try ensureFuture(awaitable)
    guard !future.isDone else { return try future.result() }
    let combination = try Combination("shield", [future], count: 1)
    try await combination.untilEnough()
    return try future.result()
}
