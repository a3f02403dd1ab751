import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// A region of synchronous code that can be cancelled as a whole.
///
/// Cancellation is level-triggered: once the scope is cancelled, or its deadline has passed, every wait inside it
/// throws `CancellationError` until the region is left. Of nested deadlines the nearest wins.
///
/// States: open -> cancelled | expired; a scope never goes back. A shield is a scope that what lies outside cannot
/// reach into.
///
/// It lies on the stack that opened it, and reaches into the generators and greenlets that are entered from its region.
/// One that a generator opens covers the generator's own waits, also those after a `yield`, and not its resumer's.
///
/// Thread rules: a scope belongs to the flow of control that opened it; `cancel()` may be called from any thread.
@safe
public final class CancelScope: @unchecked Sendable {
    private enum State: Int {
        case open = 0
        case cancelled = 1
        case expired = 2
    }

    // Set on the scope's own thread, apart from `cancel()`.
    private let state = Atomic<Int>(State.open.rawValue)
    /// The region is being run: only then may the flow's stack be looked at.
    private let isEntered = Atomic<Bool>(false)
    /// The one around it on the same stack.
    private let parent: CancelScope?
    private let isShield: Bool
    let deadlineNanoseconds: UInt64
    private let stack: ContextPointer
    /// Called once, by whoever cancels the scope or sees it expire. Set before anybody else knows the scope.
    var whenEnded: (() -> Void)?
    private let thread: ThreadPointer

    init(deadline: Deadline?, isShield: Bool = false) {
        let thread = unsafe currentThread()
        unsafe stack = unsafe thread.pointee.current
        unsafe self.thread = unsafe thread
        // Safe: the frame of the region holds the scope.
        parent = unsafe stack.pointee.scope.map { unsafe Unmanaged<CancelScope>.fromOpaque($0).takeUnretainedValue() }
        self.isShield = isShield
        deadlineNanoseconds = deadline?.nanoseconds ?? .max
    }

    /// Cancels the region: its pending wait and all later ones throw. Waits inside a shield go on.
    public func cancel() {
        let (exchanged, _) = state.compareExchange(
            expected: State.open.rawValue, desired: State.cancelled.rawValue, ordering: .acquiringAndReleasing)
        guard exchanged else { return }
        whenEnded?()
        guard isEntered.load(ordering: .acquiring) else { return }
        if unsafe swiftlet_thread_if_made() == thread { return endPendingWait() }
        // The loop's own thread looks whether the flow still waits in this scope.
        let item = ClosureCallback { self.endPendingWait() }.item
        if unsafe !swiftlet_inbox_post(swiftlet_thread_inbox(thread), 0, item, 0) {
            unsafe Unmanaged<Callback>.fromOpaque(item.pointer).release()
            unsafe swiftlet_wait_look_again(thread)
        }
    }

    /// The scope was cancelled, or its deadline has passed during a wait in it.
    public var isCancelled: Bool { state.load(ordering: .acquiring) != State.open.rawValue }

    /// The deadline passed during a wait, so that the region was ended by time.
    public var hasExpired: Bool { state.load(ordering: .acquiring) == State.expired.rawValue }

    func expire() {
        let (exchanged, _) = state.compareExchange(
            expected: State.open.rawValue, desired: State.expired.rawValue, ordering: .acquiringAndReleasing)
        if exchanged { whenEnded?() }
    }

    /// Runs the body as this scope's region.
    func enter<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        let earlier = unsafe stack.pointee.scope
        unsafe stack.pointee.scope = unsafe Unmanaged.passUnretained(self).toOpaque()
        isEntered.store(true, ordering: .releasing)
        defer {
            isEntered.store(false, ordering: .releasing)
            unsafe stack.pointee.scope = unsafe earlier
        }
        return try body()
    }

    /// Throws when this scope or one around it is cancelled; else the scope with the nearest deadline before `limit`.
    func nearestDeadline(before limit: UInt64) throws -> CancelScope? {
        var nearest: CancelScope?
        var limit = limit
        var scope: CancelScope? = self
        while let current = scope {
            if current.isCancelled { throw CancellationError() }
            if current.deadlineNanoseconds < limit {
                limit = current.deadlineNanoseconds
                nearest = current
            }
            if current.isShield { break }
            scope = current.outer
        }
        if let nearest, nearest.deadlineNanoseconds <= swiftlet_now() {
            nearest.expire()
            throw CancellationError()
        }
        return nearest
    }

    /// A shield lies between here and the owner of the flow.
    var isShieldedFromOutside: Bool {
        var scope: CancelScope? = self
        while let current = scope {
            if current.isShield { return true }
            scope = current.outer
        }
        return false
    }

    /// The one around it: on the same stack, or on that from which this one was entered.
    private var outer: CancelScope? {
        if let parent { return parent }
        return unsafe swiftlet_outer_of(stack).flatMap { unsafe CancelScope.innermost(of: $0) }
    }

    /// The scope that a stack which runs or waits is in.
    static func innermost(of stack: ContextPointer) -> CancelScope? {
        // Safe: the frame of the region holds the scope.
        unsafe swiftlet_scope_of(stack).map { unsafe Unmanaged<CancelScope>.fromOpaque($0).takeUnretainedValue() }
    }

    static func isShielded(_ stack: ContextPointer) -> Bool {
        unsafe innermost(of: stack)?.isShieldedFromOutside ?? false
    }

    /// Is this scope among those that a waiting stack listens to?
    private func isHeard(by waiting: ContextPointer) -> Bool {
        var scope = unsafe CancelScope.innermost(of: waiting)
        while let current = scope {
            if current === self { return true }
            if current.isShield { return false }
            scope = current.outer
        }
        return false
    }

    private func endPendingWait() {
        // The flow may be another than this scope's, if its stack is that of a suspended generator: then it is not heard.
        guard isEntered.load(ordering: .acquiring), let parked = unsafe swiftlet_flow_of(stack)!.pointee.parked,
            unsafe isHeard(by: parked), unsafe !parked.pointee.wait_is_shielded
        else { return }
        let id = unsafe parked.pointee.wait_id
        if id != 0, unsafe thread.pointee.core != nil {
            unsafe swiftlet_wait_decide_here(thread.pointee.core, parked, id, WaitOutcome.cancelled.rawValue)
        }
    }
}

/// Runs a region that can be cancelled as a whole.
///
/// - Returns: what the body returns.
/// - Throws: what the body throws; `CancellationError` from its waits once the scope is cancelled.
public func withCancelScope<Value>(_ body: (CancelScope) throws -> Value) throws -> Value {
    let scope = CancelScope(deadline: nil)
    return try scope.enter { () throws -> Value in try body(scope) }
}

/// Runs a region whose waits must end by a deadline.
///
/// - Throws: `DeadlineExceeded` when the deadline ended the region; else what the body throws.
public func withDeadline<Value>(_ deadline: Deadline, _ body: () throws -> Value) throws -> Value {
    let scope = CancelScope(deadline: deadline)
    do {
        return try scope.enter(body)
    } catch is CancellationError where scope.hasExpired {
        throw DeadlineExceeded()
    }
}

/// Runs a region whose waits must end within a duration from now.
///
/// - Throws: `DeadlineExceeded` when the time ran out; else what the body throws.
public func withTimeout<Value>(_ duration: Duration, _ body: () throws -> Value) throws -> Value {
    try withDeadline(.after(duration), body)
}

/// Runs a region that no cancellation from outside reaches: for cleaning up. Deadlines and scopes opened inside work.
public func shielded<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
    try CancelScope(deadline: nil, isShield: true).enter(body)
}

/// Throws `CancellationError` when the calling fiber, task or an enclosing scope is cancelled.
public func checkCancellation() throws {
    let stack = unsafe currentThread().pointee.current!
    if let innermost = unsafe CancelScope.innermost(of: stack) {
        _ = try innermost.nearestDeadline(before: .max)
        if innermost.isShieldedFromOutside { return }
    }
    try unsafe swiftlet_flow_of(stack)!.checkOwnerCancellation()
}

/// A deadline passed before the work was done.
public struct DeadlineExceeded: Error, Hashable, CustomStringConvertible {
    public init() {}
    public var description: String { "the deadline passed before the work was done" }
}

extension ContextPointer {
    /// Throws when the fiber or task that this flow of control belongs to is cancelled.
    @inline(__always)
    func checkOwnerCancellation() throws {
        switch unsafe Int(pointee.kind) {
        case Int(SWIFTLET_KIND_FIBER.rawValue):
            if unsafe pointee.owner_is_cancelled { throw unsafe takeCancellation() }
        default:
            if let task = unsafe swiftlet_task_on(pointee.thread), unsafe swiftlet_task_is_cancelled(task) {
                throw CancellationError()
            }
        }
    }
}
