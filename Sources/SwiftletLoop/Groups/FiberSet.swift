import CSwiftlet
public import SwiftletCoroutines

/// What groups and pools of fibers have in common: they know their fibers while those run, and wait for them or end them
/// together. Made as a `FiberGroup` or a `FiberPool`.
///
/// Thread rules: it belongs to the loop of the thread that made it, and so do its fibers. `join`, `kill` and `cancelAll`
/// may be called from any thread.
public class FiberSet: @unchecked Sendable {
    private struct Member {
        let fiber: AnyFiber
        let order: Int
        let link: LinkToken
    }

    let loop: EventLoop
    private var members: [ObjectIdentifier: Member] = [:]
    private var lastOrder = 0
    /// Those who wait until it is empty.
    private var joiners: [WaitToken] = []

    init() {
        // Safe: a loop's object outlives every use; see `EventLoop.closedLoops`.
        loop = unsafe Unmanaged<EventLoop>.fromOpaque(loopForSpawning()).takeUnretainedValue()
    }

    // MARK: Members

    /// How many of its fibers have not ended.
    public final var count: Int { members.count }

    /// None of its fibers runs.
    public final var isEmpty: Bool { members.isEmpty }

    /// Its fibers that have not ended, in the order in which they came in.
    public final var fibers: [AnyFiber] { members.values.sorted { $0.order < $1.order }.map(\.fiber) }

    /// The fiber is in and has not ended.
    public final func contains(_ fiber: AnyFiber) -> Bool { members[ObjectIdentifier(fiber)] != nil }

    /// Lets a fiber go, which runs on. Does nothing to one that is not in.
    public final func discard(_ fiber: AnyFiber) {
        loop.requireCurrent("a group of fibers")
        guard let member = members[ObjectIdentifier(fiber)] else { return }
        fiber.unlink(member.link)
        leave(fiber)
    }

    /// A pool waits here until there is a place.
    func takePlace(until deadline: Deadline?) throws {}

    /// A pool gives a place back.
    func leavePlace() {}

    final func spawnMember<Value>(
        name: String?, until deadline: Deadline?, file: StaticString, line: UInt32, _ body: @escaping () throws -> Value
    ) throws -> Fiber<Value> {
        try loop.requireOwnThread()
        try takePlace(until: deadline)
        let fiber = spawn(name: name, file: file, line: line, body)
        enroll(fiber)
        return fiber
    }

    final func addMember(_ fiber: AnyFiber, until deadline: Deadline?) throws {
        try loop.requireOwnThread()
        guard fiber.loop === loop else { throw FiberSetError.foreignFiber(name: fiber.name) }
        guard !contains(fiber) else { return }
        try takePlace(until: deadline)
        // Somebody else may have taken it in while this one waited.
        if contains(fiber) { leavePlace() } else { enroll(fiber) }
    }

    private final func enroll(_ fiber: AnyFiber) {
        lastOrder += 1
        // Weak: a group that is dropped while its fibers run has nothing to keep.
        let link = fiber.rawLink { [weak self] fiber in self?.leave(fiber) }
        members[ObjectIdentifier(fiber)] = Member(fiber: fiber, order: lastOrder, link: link)
    }

    private final func leave(_ fiber: AnyFiber) {
        guard members.removeValue(forKey: ObjectIdentifier(fiber)) != nil else { return }
        leavePlace()
        guard members.isEmpty else { return }
        let tokens = joiners
        joiners = []
        for token in tokens { token.wake() }
    }

    // MARK: Together

    /// Waits until all fibers have ended, those that come in meanwhile included.
    ///
    /// Cancellation: ends the wait, not the fibers.
    /// - Parameters:
    ///   - timeout: how long to wait at most.
    ///   - rethrowing: throws the error of the first, in the order of their coming in, that was in when this was called
    ///     and has failed.
    /// - Returns: false when `timeout` came first.
    /// - Throws: `CancellationError`; `DeadlockError`.
    @discardableResult
    public final func join(timeout: Duration? = nil, rethrowing: Bool = false) throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try loop.runHere { try self.join(until: deadline, rethrowing: rethrowing) }
    }

    /// Waits until all fibers have ended, from a task.
    ///
    /// Cancellation: ends the wait, not the fibers.
    @discardableResult
    public final func join(timeout: Duration? = nil, rethrowing: Bool = false) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.loop.runHere { try self.join(until: deadline, rethrowing: rethrowing) } }
    }

    private final func join(until deadline: Deadline?, rethrowing: Bool) throws -> Bool {
        let present = rethrowing ? fibers : []
        let isOver = try waitUntilEmpty(until: deadline)
        for fiber in present { if let error = fiber.error { throw error } }
        return isOver
    }

    private final func waitUntilEmpty(until deadline: Deadline?) throws -> Bool {
        while !members.isEmpty {
            var mine: WaitToken?
            defer { joiners.removeAll { $0 == mine } }
            let outcome = try park(.fiber, until: deadline) { token in
                mine = token
                joiners.append(token)
            }
            if outcome == .timedOut { return members.isEmpty }
        }
        return true
    }

    /// Throws an error into each of its fibers, the caller's own excepted, and waits until they have ended, those that come
    /// in meanwhile included; see `AnyFiber.kill`.
    ///
    /// Cancellation: ends the wait; the errors are thrown all the same.
    /// - Returns: whether all have ended.
    /// - Throws: `CancellationError`; `DeadlockError`.
    @discardableResult
    public final func kill(
        throwing error: any Error = GreenletExit(), waits: Bool = true, timeout: Duration? = nil
    ) throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        let caller = AnyFiber.current
        return try loop.runHere { try self.kill(throwing: error, but: caller, waits: waits, until: deadline) }
    }

    /// Throws an error into each of its fibers and waits until they have ended, from a task.
    ///
    /// Cancellation: ends the wait; the errors are thrown all the same.
    @discardableResult
    public final func kill(
        throwing error: any Error = GreenletExit(), waits: Bool = true, timeout: Duration? = nil
    ) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask {
            try self.loop.runHere { try self.kill(throwing: error, but: nil, waits: waits, until: deadline) }
        }
    }

    private final func kill(
        throwing error: any Error, but caller: AnyFiber?, waits: Bool, until deadline: Deadline?
    ) throws -> Bool {
        var interrupted: Set<AnyFiber> = []
        while true {
            let others = fibers.filter { $0 !== caller }
            for fiber in others where interrupted.insert(fiber).inserted { fiber.interrupt(with: error) }
            let alive = others.filter { !$0.isFinished }
            if alive.isEmpty { return true }
            guard waits else { return false }
            try joinAll(alive, timeout: deadline?.remaining)
            if let deadline, deadline <= .now { return fibers.allSatisfy { $0 === caller } }
        }
    }

    /// Cancels each of its fibers; see `AnyFiber.cancel`. From any thread.
    public final func cancelAll() {
        guard loop.isCurrent else {
            loop.perform { self.cancelAll() }
            return
        }
        for fiber in fibers { fiber.cancel() }
    }
}

/// A group or pool was used in a way it cannot be.
public enum FiberSetError: Error, Hashable, CustomStringConvertible {
    /// The fiber belongs to another loop.
    case foreignFiber(name: String)
    /// The pool had no place in time.
    case full(size: Int)

    public var description: String {
        switch self {
        case .foreignFiber(let name): "\(name) belongs to another loop: a group holds fibers of its own loop only"
        case .full(let size): "the pool is full: \(size) of \(size) fibers run; wait longer, or make it larger"
        }
    }
}

extension EventLoop {
    /// Runs the body on this loop: here, or in a fiber there that ends with the caller's wait.
    func runHere<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        if isCurrent { return try body() }
        let fiber = spawn(body)
        do {
            return try fiber.get()
        } catch {
            fiber.cancel()
            throw error
        }
    }
}
