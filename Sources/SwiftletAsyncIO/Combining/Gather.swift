public import SwiftletLoop
import Synchronization

/// Runs coroutines together and answers their values, in the order of the arguments.
///
/// A coroutine that is given twice runs once, and its value comes twice. The first error is thrown at once; the others
/// go on all the same, as in asyncio, and what becomes of them is nobody's business then: `createTask`, or a scope,
/// is for those that must not be left alone.
///
/// The coroutines run in tasks that this keeps for itself, and that take one after the other: for one that does not
/// suspend no task is made.
///
/// Cancellation: cancels all of them, waits for their ends, and throws.
/// - Throws: the first error; `CancellationError`; `CoroutineError.alreadyAwaited`.
@inlinable
public func gather<Value>(_ coroutines: [Coroutine<Value>]) async throws -> [Value] {
    if coroutines.isEmpty { return [] }
    guard let loop = runningLoop else { return try await onSharedLoop { try await gather(coroutines) } }
    let places = placesOfDuplicates(coroutines)
    let (values, _) = try await runTogether(places?.distinct ?? coroutines, on: loop, endsAtFirstError: true)
    if let places { return places.indices.map { values.values[$0]! } }
    return (0..<values.count).map { values.values[$0]! }
}

/// Waits for futures or tasks together and answers their values, in the order of the arguments.
///
/// The first error is thrown at once; the others go on all the same, as in asyncio.
///
/// Cancellation: cancels all of them, waits for their ends, and throws.
/// - Throws: the first error; `CancellationError`; `LoopError.wrongThread` for one of another loop.
public func gather<Value>(_ futures: [Future<Value>]) async throws -> [Value] {
    try await waitForAll(futures, endsAtFirstError: true)
    return try futures.map { try $0.result() }
}

/// As `gather`, but an error is a result like others: nothing is thrown but `CancellationError`. asyncio's
/// `return_exceptions`.
public func gatherResults<Value>(_ coroutines: [Coroutine<Value>]) async throws -> [Result<Value, any Error>] {
    if coroutines.isEmpty { return [] }
    guard let loop = runningLoop else { return try await onSharedLoop { try await gatherResults(coroutines) } }
    let places = placesOfDuplicates(coroutines)
    let (values, errors) = try await runTogether(places?.distinct ?? coroutines, on: loop, endsAtFirstError: false)
    return (places?.indices ?? Array(coroutines.indices)).map { index in
        errors[index].map { .failure($0) } ?? .success(values.values[index]!)
    }
}

/// As `gather`, but an error is a result like others: nothing is thrown but `CancellationError`. asyncio's
/// `return_exceptions`.
public func gatherResults<Value>(_ futures: [Future<Value>]) async throws -> [Result<Value, any Error>] {
    try await waitForAll(futures, endsAtFirstError: false)
    return futures.map { future in Result { try future.result() } }
}

/// Runs awaitables of different kinds together and answers their values: `try await gather(a(), b())`.
///
/// The first error is thrown at once; the others go on all the same, as in asyncio.
///
/// Cancellation: cancels all of them, waits for their ends, and throws.
public func gather<each A: Awaitable>(_ awaitables: repeat each A) async throws -> (repeat (each A).Value) {
    let loop = try EventLoop.running
    let futures = (repeat try ensureFuture(each awaitables, on: loop))
    var all: [AnyFuture] = []
    for future in repeat each futures { all.append(future) }
    try await waitForAll(all, endsAtFirstError: true)
    return (repeat try (each futures).result())
}

/// The same as a coroutine, for a loop that does not run yet: `loop.run(until: gather(coroutines))`.
public func gather<Value>(_ coroutines: [Coroutine<Value>]) -> Coroutine<[Value]> {
    Coroutine("gather") { try await gather(coroutines) }
}

/// The same as a coroutine, for a loop that does not run yet.
public func gather<Value>(_ futures: [Future<Value>]) -> Coroutine<[Value]> {
    Coroutine("gather") { try await gather(futures) }
}

private func waitForAll(_ futures: [AnyFuture], endsAtFirstError: Bool) async throws {
    if futures.isEmpty { return }
    for future in futures { future.isObserved.store(true, ordering: .relaxed) }
    let combination = try Combination("gather", futures, count: futures.count) { future in
        endsAtFirstError && (future.state == .failed || future.state == .cancelled)
    }
    do {
        try await combination.untilEnough()
    } catch {
        // Only a cancellation ends the wait early.
        for future in futures { future.cancel() }
        for future in futures { await future.untilDoneShielded() }
        throw error
    }
    try combination.decisive?.checkResult()
}

@inlinable
func runTogether<Value>(
    _ coroutines: [Coroutine<Value>], on loop: EventLoop, endsAtFirstError: Bool
) async throws -> (GatheredValues<Value>, errors: [Int: any Error]) {
    let values = GatheredValues<Value>(count: coroutines.count)
    let gathering = Gathering(
        count: coroutines.count, on: loop, endsAtFirstError: endsAtFirstError,
        step: { index in values.values[index] = try await coroutines[index].run() },
        discard: { index in coroutines[index].discard() })
    try await gathering.run()
    return (values, gathering.errors)
}

/// Coroutines without repetitions, and where each argument's is; `nil` when none is given twice.
@inlinable
func placesOfDuplicates<Value>(_ coroutines: [Coroutine<Value>]) -> (distinct: [Coroutine<Value>], indices: [Int])? {
    let mark = AnyCoroutine.nextMark()
    for coroutine in coroutines where coroutine.isMarked(mark) { return withoutDuplicates(coroutines) }
    return nil
}

@usableFromInline
func withoutDuplicates<Value>(_ coroutines: [Coroutine<Value>]) -> (distinct: [Coroutine<Value>], indices: [Int]) {
    var indices: [ObjectIdentifier: Int] = [:]
    var distinct: [Coroutine<Value>] = []
    let places = coroutines.map { coroutine in
        let id = ObjectIdentifier(coroutine)
        if let index = indices[id] { return index }
        indices[id] = distinct.count
        distinct.append(coroutine)
        return distinct.count - 1
    }
    return (distinct, places)
}

/// The loop that runs the caller.
@usableFromInline var runningLoop: EventLoop? { EventLoop.carrier }

/// Runs async code that needs a loop on the shared one, for tasks that are on no loop.
@usableFromInline
func onSharedLoop<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await EventLoop.onLoop { _ in
        // Synchronous, so that the change of executors is made; see `onLoop`.
        guard EventLoop.carrier != nil else { throw LoopError.notRunning }
        return try await body()
    }
}
