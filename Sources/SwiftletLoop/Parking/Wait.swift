import CSwiftlet
import SwiftletCoroutines

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
        }
    }

    /// Only code on the waiting loop can end such a wait; so a loop with nothing else is deadlocked for certain.
    var isLocal: Bool { self == .fiber }
}

/// Where a wake-up is delivered: a loop, or a plain thread that blocks.
@safe
public class WaitHome: @unchecked Sendable {
    /// Saves the casts of the hottest path.
    let isLoop: Bool

    init(isLoop: Bool) { self.isLoop = isLoop }

    /// Ends a wait, from any thread. On the home's own thread, false when it had been decided before.
    @discardableResult
    func decide(_ context: ContextPointer, _ id: UInt64, _ outcome: WaitOutcome) -> Bool {
        fatalError("WaitHome.decide is abstract")
    }
}

/// One pending wait. A value that may be copied and kept: once the wait has been decided, deciding again does nothing.
///
/// Safe although the stack may have ended since: contexts stay mapped while their thread lives, and a wait's number is
/// never used again. The home is kept alive by the token.
@safe
public struct WaitToken: @unchecked Sendable {
    let context: ContextPointer
    let id: UInt64
    let home: WaitHome

    /// Wakes the waiting stack, from any thread.
    ///
    /// - Returns: on the waiting thread, whether this call decided the wait; elsewhere true, and the wait may turn out
    ///   to have ended otherwise.
    @discardableResult
    public func wake(_ outcome: WaitOutcome = .woken) -> Bool { unsafe home.decide(context, id, outcome) }
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
    let wait = try PendingWait(kind, until: deadline, isShielded: isShielded)
    register(wait.token)
    return try wait.finish()
}

/// A wait between its start and its end, on the waiting stack.
@safe
@usableFromInline
struct PendingWait {
    @usableFromInline let token: WaitToken
    let kind: WaitKind
    let deadline: Deadline?
    let isShielded: Bool
    let flow: ContextPointer
    let limit: UInt64
    let limitingScope: CancelScope?

    @usableFromInline
    init(_ kind: WaitKind, until deadline: Deadline?, isShielded: Bool) throws {
        let thread = unsafe currentThread()
        let context = unsafe thread.pointee.current!
        let flow = unsafe flowOfControl(context)
        var limit = deadline?.nanoseconds ?? .max
        var limitingScope: CancelScope?
        if !isShielded {
            if let scope = unsafe flow.pointee.scope {
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
        self.kind = kind
        self.deadline = deadline
        self.isShielded = isShielded
        unsafe self.flow = unsafe flow
        self.limit = limit
        self.limitingScope = limitingScope
        token = unsafe thread.home.beginWait(context)
        unsafe context.pointee.wait_kind = kind.rawValue
        unsafe context.pointee.wait_is_shielded = isShielded
        unsafe flow.pointee.parked = unsafe context
    }

    @usableFromInline
    func finish() throws -> WaitOutcome {
        let outcome: WaitOutcome
        let kind = unsafe Int(flow.pointee.kind)
        // A thread's own stack may run a task too: one of Swift's pool.
        let isInTask = unsafe kind == Int(SWIFTLET_KIND_TASK.rawValue)
            || (kind == Int(SWIFTLET_KIND_ROOT.rawValue) && swiftlet_current_task() != nil)
        if isInTask, !isShielded, unsafe !CancelScope.isShielded(flow) {
            outcome = withTaskCancellationRecord(token) { token.home.wait(token, until: limit) }
        } else {
            outcome = token.home.wait(token, until: limit)
        }
        unsafe flow.pointee.parked = nil
        switch outcome {
        case .woken, .closed: return outcome
        case .timedOut:
            guard let limitingScope else { return .timedOut }
            limitingScope.expire()
            throw CancellationError()
        case .cancelled: throw CancellationError()
        case .deadlocked: throw DeadlockError(report: DeadlockReport.latest(of: token.home))
        }
    }
}

/// The stack that carries the scopes and the owner of what runs on `context`: generators belong to their resumer.
func flowOfControl(_ context: ContextPointer) -> ContextPointer {
    var context = unsafe context
    while unsafe Int(context.pointee.kind) == Int(SWIFTLET_KIND_GENERATOR.rawValue), let resumer = unsafe context.pointee.resumer {
        unsafe context = unsafe resumer
    }
    return unsafe context
}
