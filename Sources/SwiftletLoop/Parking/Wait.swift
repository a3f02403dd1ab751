public import CSwiftlet
public import SwiftletCoroutines

/// How a wait ended. Decided exactly once, on the thread that waits.
public enum WaitOutcome: CInt, Sendable, Hashable {
    case woken = 0
    case timedOut = 1
    case cancelled = 2
    /// What was waited on has gone: a closed descriptor.
    case closed = 3
    /// The loop has nothing left that could wake anybody.
    case deadlocked = 4
}

/// What a stack waits for, as reports name it.
public enum WaitKind: CInt, Sendable, CustomStringConvertible {
    case other = 0
    case sleep = 1
    case fiber = 2
    case readable = 3
    case writable = 4
    case thread = 5
    case task = 6
    case waiter = 7
    case deadline = 8
    case stop = 30
    case otherLoop = 31
    case children = 17
    case lock = 9
    case semaphore = 10
    case event = 11
    case condition = 12
    case barrier = 13
    case queue = 14
    case channel = 15
    case select = 16
    case foreign = 18

    public var description: String {
        switch self {
        case .other: "something"
        case .sleep: "a timer"
        case .fiber: "the end of a fiber"
        case .readable: "a readable descriptor"
        case .writable: "a writable descriptor"
        case .thread: "work on another thread"
        case .task: "a Swift task"
        case .waiter: "a Waiter"
        case .deadline: "a deadline"
        case .stop: "stop()"
        case .otherLoop: "a fiber of another loop"
        case .children: "the children of a spawn scope"
        case .lock: "a lock"
        case .semaphore: "a permit of a semaphore or limiter"
        case .event: "an event"
        case .condition: "a condition"
        case .barrier: "the others at a barrier"
        case .queue: "a queue"
        case .channel: "a channel"
        case .select: "one of several, in a select"
        case .foreign: "a semaphore, mutex or condition of C code"
        }
    }

    /// Only code on the waiting loop can end such a wait; so a loop with nothing else is deadlocked for certain.
    var isLocal: Bool { self == .fiber || self == .children }

    /// Something is under way outside the loop that will end such a wait.
    var isExternal: Bool {
        switch self {
        case .sleep, .readable, .writable, .thread, .otherLoop, .deadline, .foreign: true
        default: false
        }
    }
}

/// One pending wait. A value that may be copied and kept: once the wait has been decided, deciding again does nothing.
@safe
public struct WaitToken: Equatable, @unchecked Sendable {
    @usableFromInline let wait: swiftlet_wait

    @usableFromInline
    init(_ wait: swiftlet_wait) { unsafe self.wait = unsafe wait }

    public static func == (left: WaitToken, right: WaitToken) -> Bool {
        unsafe left.wait.thread == right.wait.thread && left.wait.id == right.wait.id
    }

    /// Wakes the waiting stack, from any thread.
    ///
    /// - Returns: on the waiting thread, whether this call decided the wait; elsewhere true, and the wait may turn out
    ///   to have ended otherwise.
    @inlinable
    @discardableResult
    public func wake(_ outcome: WaitOutcome = .woken) -> Bool { unsafe swiftlet_wait_decide(wait, outcome.rawValue) }
}

/// Sets the calling stack aside until its wait is decided: the one primitive under every wait.
///
/// On a loop the thread goes on with other work; on a plain thread it blocks.
///
/// Cancellation: the wait ends when the fiber, task or an enclosing scope is cancelled, unless shielded.
/// - Parameters:
///   - kind: what reports say about this wait.
///   - deadline: when to give up, if at all.
///   - isShielded: whether cancellation and scopes leave this wait alone.
///   - register: stores the token where the waker finds it. It must not park.
/// - Returns: `.woken`, `.timedOut` for `deadline`, or `.closed`.
/// - Throws: `CancellationError`; `DeadlockError`.
@inlinable
public func park(
    _ kind: WaitKind = .other, until deadline: Deadline? = nil, isShielded: Bool = false,
    register: (WaitToken) -> Void
) throws -> WaitOutcome {
    let thread = unsafe currentThread()
    if unsafe !thread.pointee.has_task_state { try unsafe refuseInTask(thread) }
    if isShielded, deadline == nil {
        let token = unsafe WaitToken(swiftlet_wait_begin(thread))
        unsafe note(kind, on: thread, isShielded: true)
        register(token)
        return parkUntilDecided(token)
    }
    let pending = try unsafe PendingWait(kind, on: thread, until: deadline, isShielded: isShielded)
    register(pending.token)
    return try pending.finish()
}

@inlinable
@inline(__always)
func note(_ kind: WaitKind, on thread: ThreadPointer, isShielded: Bool) {
    let context = unsafe thread.pointee.current!
    unsafe context.pointee.wait_kind = kind.rawValue
    unsafe context.pointee.wait_is_shielded = isShielded
}

/// Parks without any limit.
@inlinable
@inline(__always)
func parkUntilDecided(_ token: WaitToken) -> WaitOutcome {
    guard let context = unsafe token.wait.context else {
        while true {
            if let outcome = unsafe WaitOutcome(rawValue: swiftlet_wait_block(token.wait, .max)) { return outcome }
        }
    }
    // Also when the waker was at work already, while the wait was being registered: then this stack is in the ready
    // queue, and has to be taken from there.
    unsafe swiftlet_park_stack(token.wait.thread, token.wait.thread.pointee.core)
    return unsafe WaitOutcome(rawValue: context.pointee.wait_outcome).unsafelyUnwrapped
}

/// A wait between its start and its end, on the waiting stack, with what may end it early.
@safe
@usableFromInline
struct PendingWait {
    @usableFromInline let token: WaitToken
    private let isShielded: Bool
    private let flow: ContextPointer
    /// The nearest of the wait's own deadline and those of the scopes around it.
    private let limit: UInt64
    private let limitingScope: CancelScope?

    @usableFromInline
    init(_ kind: WaitKind, on thread: ThreadPointer, until deadline: Deadline?, isShielded: Bool) throws {
        if unsafe !thread.pointee.has_task_state, unsafe swiftlet_current_task() != nil,
            unsafe thread.pointee.core != nil
        {
            throw TaskParkingRefused(reason: ThreadState.refusal ?? "this thread's words could not be bound")
        }
        let context = unsafe thread.pointee.current!
        let flow = unsafe swiftlet_flow_of(context)!
        var limit = deadline?.nanoseconds ?? .max
        var limitingScope: CancelScope?
        if !isShielded {
            if let scope = unsafe swiftlet_scope_of(context) {
                let innermost = unsafe Unmanaged<CancelScope>.fromOpaque(scope).takeUnretainedValue()
                if let nearest = try innermost.nearestDeadline(before: limit) {
                    limitingScope = nearest
                    limit = nearest.deadlineNanoseconds
                }
                if !innermost.isShieldedFromOutside { try unsafe flow.checkOwnerCancellation() }
            } else {
                try unsafe flow.checkOwnerCancellation()
            }
        }
        self.isShielded = isShielded
        unsafe self.flow = unsafe flow
        self.limit = limit
        self.limitingScope = limitingScope
        token = unsafe WaitToken(swiftlet_wait_begin(thread))
        unsafe note(kind, on: thread, isShielded: isShielded)
        unsafe flow.pointee.parked = unsafe context
    }

    @usableFromInline
    func finish() throws -> WaitOutcome {
        let outcome = end()
        if let error = takeError(of: outcome) { throw error }
        return outcome
    }

    /// Parks until the wait is over.
    func end() -> WaitOutcome {
        let outcome: WaitOutcome
        let isInTask = unsafe swiftlet_task_on(token.wait.thread) != nil
        if isInTask, !isShielded, unsafe !CancelScope.isShielded(token.wait.thread.pointee.current) {
            outcome = withTaskCancellationRecord(token) { parkUntilLimit() }
        } else {
            outcome = parkUntilLimit()
        }
        // A flow whose fiber has ended while a greenlet that it let run waited is another's by now.
        if unsafe flow.pointee.parked == token.wait.thread.pointee.current { unsafe flow.pointee.parked = nil }
        return outcome
    }

    /// What the waiting stack must throw; once, since the error of a `kill` is taken.
    func takeError(of outcome: WaitOutcome) -> (any Error)? {
        switch outcome {
        case .woken, .closed: return nil
        case .timedOut:
            guard let limitingScope else { return nil }
            limitingScope.expire()
            return CancellationError()
        case .cancelled: return unsafe flow.takeCancellation()
        case .deadlocked: return DeadlockError(report: DeadlockReport.latest)
        }
    }

    /// Ends it before it is parked in, and before anybody was given the token.
    func abandon() {
        unsafe flow.pointee.parked = nil
        unsafe swiftlet_wait_abandon(token.wait)
    }

    private func parkUntilLimit() -> WaitOutcome {
        guard let context = unsafe token.wait.context else { return blockUntilLimit() }
        guard limit != .max else { return parkUntilDecided(token) }
        let loop = unsafe EventLoop.running(on: token.wait.thread).unsafelyUnwrapped
        if unsafe context.pointee.wait_id == token.wait.id {
            unsafe loop.addTimer(
                at: limit, order: token.wait.id,
                UInt64(UInt(bitPattern: context)) | UInt64(SWIFTLET_ITEM_TIMEOUT))
            let outcome = parkUntilDecided(token)
            if outcome != .timedOut { loop.timerIsStale() }
            return outcome
        }
        return parkUntilDecided(token)
    }

    /// On a thread without a loop. Scopes that are cancelled from elsewhere make it look.
    private func blockUntilLimit() -> WaitOutcome {
        while true {
            if let outcome = unsafe WaitOutcome(rawValue: swiftlet_wait_block(token.wait, limit)) { return outcome }
            guard !isShielded, let scope = unsafe CancelScope.innermost(of: token.wait.thread.pointee.current) else {
                continue
            }
            do {
                _ = try scope.nearestDeadline(before: .max)
            } catch {
                unsafe swiftlet_wait_decide_elsewhere(token.wait, WaitOutcome.cancelled.rawValue)
            }
        }
    }
}

/// Synchronous code of a Swift task tried to wait on a loop, but the Swift runtime's per-thread state could not be found, so
/// its stack cannot be set aside. Fibers, generators and greenlets work all the same.
public struct TaskParkingRefused: Error, CustomStringConvertible {
    /// What the probe found.
    public let reason: String

    public var description: String {
        "a task cannot wait in synchronous code in this process: \(reason). Use a fiber (spawn), or await the async spelling"
    }
}

/// A stack that runs a task may only be left if the runtime's words can be swapped.
@usableFromInline
@inline(never)
func refuseInTask(_ thread: ThreadPointer) throws {
    guard unsafe swiftlet_current_task() != nil, unsafe thread.pointee.core != nil else { return }
    throw TaskParkingRefused(reason: ThreadState.refusal ?? "this thread's words could not be bound")
}
