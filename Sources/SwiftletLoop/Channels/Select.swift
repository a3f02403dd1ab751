import CSwiftlet
import SwiftletCoroutines

/// Waits for the first of several things to become possible, does that one, and none of the others. Go's `select`.
///
/// ```swift
/// let answer = try select(
///     .receive(from: answers) { $0 },
///     .wait(for: stopped) { nil },
///     .after(.seconds(1)) { nil })
/// ```
///
/// If several are possible at once, the cases take turns. Nothing is received, sent or taken by the cases that lose.
///
/// Cancellation: ends the wait; nothing was done then.
/// - Throws: what the chosen body throws; `CancellationError`.
public func select<Result>(_ cases: SelectCase<Result>...) throws -> Result {
    try cases[Selection(cases).decide()].complete()
}

/// The same for as many cases as there are at run time. O(cases), and O(n log n) for their locks.
public func select<Result>(_ cases: [SelectCase<Result>]) throws -> Result {
    try cases[Selection(cases).decide()].complete()
}

/// Waits for the first of several things to become possible, from a task. The chosen body runs where the caller does.
///
/// Cancellation: ends the wait; nothing was done then.
public func select<Result>(_ cases: SelectCase<Result>...) async throws -> Result {
    let selection = Handed(Selection(cases))
    let chosen = try await parkInTask { try selection.value.decide() }
    return try cases[chosen].complete()
}

/// The waiting of one select, without the types of its cases.
///
/// All locks are held, in the order of their addresses, while the cases are tried and queued for: so nobody sees a select
/// that is half queued, and two that face each other cannot miss each other. Whoever then decides takes the claim first.
private struct Selection {
    /// Those that are done under a lock, each with its place among the cases.
    private var operations: [(operation: SelectOperation, place: Int)] = []
    private var locks: [SelectOperation] = []
    private var deadline: (at: Deadline, place: Int)?
    private var otherwise: Int?

    init<Result>(_ cases: [SelectCase<Result>]) {
        for (place, one) in cases.enumerated() {
            switch one.kind {
            case .operation(let operation): operations.append((operation, place))
            case .deadline(let at): if deadline.map({ at < $0.at }) ?? true { deadline = (at, place) }
            case .otherwise: otherwise = place
            }
        }
        for (operation, _) in operations.sorted(by: { $0.operation.identity < $1.operation.identity })
        where operation.identity != locks.last?.identity {
            locks.append(operation)
        }
    }

    private func withLocks<Result>(_ body: () throws -> Result) rethrows -> Result {
        for lock in locks { lock.lock() }
        defer { for lock in locks { lock.unlock() } }
        return try body()
    }

    /// Waits; answers the place of the case that was done.
    func decide() throws -> Int {
        var elsewhere: WaitToken?
        let thread = unsafe currentThread()
        // Where the trying begins changes from one select to the next, so that none is served for ever before the others.
        let turn = unsafe operations.isEmpty ? 0 : Int(swiftlet_wait_next_id(thread) % UInt64(operations.count))
        func attempt() -> Int? {
            for index in operations.indices {
                let (operation, place) = operations[(index + turn) % operations.count]
                if operation.attempt(&elsewhere) { return place }
            }
            return nil
        }
        if let place = withLocks(attempt) ?? otherwise {
            elsewhere?.wake()
            return place
        }
        let pending = try unsafe PendingWait(.select, on: thread, until: deadline?.at, isShielded: false)
        let claim = SelectClaim()
        let nodes = UnsafeMutablePointer<WaitNode>.allocate(capacity: max(operations.count, 1))
        unsafe nodes.initialize(repeating: WaitNode(), count: operations.count)
        defer { unsafe nodes.deallocate() }
        let place: Int? = withLocks {
            if let place = attempt() { return place }
            for (index, (operation, _)) in operations.enumerated() {
                unsafe nodes[index].token = pending.token
                unsafe nodes[index].slot = unsafe operation.slot
                unsafe nodes[index].claim = Unmanaged.passUnretained(claim)
                unsafe operation.enqueue(nodes + index)
            }
            return nil
        }
        if let place {
            pending.abandon()
            elsewhere?.wake()
            return place
        }
        let outcome = pending.end()
        let decided = withExtendedLifetime(claim) {
            withLocks {
                for (index, (operation, _)) in operations.enumerated() { unsafe operation.leave(nodes + index) }
                return operations.indices.first { unsafe nodes[$0].state != .idle }
            }
        }
        // An error is taken once: not when a case was done meanwhile, so that the next wait throws it.
        if let decided { return operations[decided].place }
        if let error = pending.takeError(of: outcome) { throw error }
        return deadline!.place  // without one, a wait that nobody decided has thrown
    }
}
