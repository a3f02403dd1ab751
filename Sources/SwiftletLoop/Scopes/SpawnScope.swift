import CSwiftlet
import SwiftletCoroutines

/// A region that cannot end before the fibers and tasks spawned in it: what `withSpawnScope` hands to its body.
///
/// States: open -> ended, when the body and all children have ended. It is cancelled, through its `CancelScope`, by
/// the first failure of the body or a child, by `cancel()`, by its deadline, and from outside together with whoever
/// opened it. Cancelled means: the children that run are cancelled, the body's waits throw, and children spawned from
/// then on never begin.
///
/// A child counts from `admit` to `childEnded`, which a fiber reaches by `AnyFiber.finished` and a task by the end of
/// the closure around its body. Who opened the scope is woken by the last one.
///
/// Thread rules: a scope belongs to one loop. Fibers are spawned on its thread; `cancel()`, and `spawn` of async code,
/// may be called from any.
public final class SpawnScope: @unchecked Sendable {
    private struct Child {
        /// Not known yet between its admission and its start.
        var handle: (any CancellableChild)?
        var starting: (any StartingChild)?
    }

    private struct State {
        // By number, so that a child is found in constant time and nothing is left of those that have ended.
        var children: [Int: Child] = [:]
        var lastNumber = 0
        var errors: [any Error] = []
        var isEnded = false
        /// Wakes who opened the scope and waits for the last child.
        var opener: (() -> Void)?
    }

    /// The loop that all fibers and tasks of the scope run on.
    @usableFromInline let loop: EventLoop
    let cancelScope: CancelScope
    private let timer: ScopeTimer?
    private let state = Locked(State())
    // Never changed; see Inspection/FiberLayout.swift.
    private var file: StaticString
    private var line: UInt32

    init(_ loop: EventLoop, deadline: Deadline?, file: StaticString, line: UInt32) {
        self.loop = loop
        self.file = file
        self.line = line
        let cancelScope = CancelScope(deadline: deadline)
        self.cancelScope = cancelScope
        timer = deadline.map { _ in ScopeTimer(cancelScope) }
        cancelScope.whenEnded = { [unowned self] in self.cancelChildren() }
        if let timer, let deadline { loop.scheduleTimer(for: timer.item, at: deadline.nanoseconds) }
    }

    /// Where it was opened, as `Module/File.swift:line`.
    public var origin: String { "\(file):\(line)" }

    /// Where inspection finds the two words of its origin.
    func addressesForInspection() -> (file: UnsafeRawPointer, line: UnsafeRawPointer) {
        unsafe (
            withUnsafeMutablePointer(to: &file) { UnsafeRawPointer($0) },
            withUnsafeMutablePointer(to: &line) { UnsafeRawPointer($0) }
        )
    }

    /// How many children run or are about to; an `async` body counts as one.
    public var childCount: Int { state.withLock { $0.children.count } }

    // MARK: Cancelling

    /// Cancels the children and the body; the scope then ends as soon as they have. From any thread.
    ///
    /// A body that has ended, or ends all the same, keeps its value.
    public func cancel() { cancelScope.cancel() }

    /// The scope was cancelled, by whatever cause.
    public var isCancelled: Bool { cancelScope.isCancelled }

    private func cancelChildren() {
        guard loop.isCurrent else {
            loop.perform { self.cancelChildren() }
            return
        }
        // In the order in which they were spawned.
        let children = state.withLock { $0.children.sorted { $0.key < $1.key } }
        for (_, child) in children { child.handle?.cancel() }
    }

    // MARK: Children

    /// Counts a new child in and numbers it; `nil` when the scope has ended.
    func admit(_ starting: (any StartingChild)? = nil) -> Int? {
        state.withLock { state in
            guard !state.isEnded else { return nil }
            state.lastNumber += 1
            state.children[state.lastNumber] = Child(starting: starting)
            return state.lastNumber
        }
    }

    /// Says who the child is that was admitted.
    func keep(_ handle: some CancellableChild, as number: Int) {
        // On another thread than the loop's, a task may have ended by now.
        state.withLock { $0.children[number]?.handle = handle }
        if cancelScope.isCancelled { handle.cancel() }
    }

    /// Counts a child out, and takes its error.
    func childEnded(_ number: Int, _ error: (any Error)?) {
        let (child, opener) = state.withLock { state in
            let child = state.children.removeValue(forKey: number)
            return (child, state.children.isEmpty ? state.opener.take() : nil)
        }
        // Before it was ready, its error belongs to who called `start`.
        let isTaken = child?.starting?.end(error) ?? false
        if !isTaken, let error, error.isFailure { fail(error) }
        opener?()
    }

    /// Keeps an error and cancels the rest.
    func fail(_ error: any Error) {
        state.withLock { state in
            // Who passes on the error that it got from a child tells nothing new.
            if !state.errors.contains(where: { isSame($0, error) }) { state.errors.append(error) }
        }
        cancelScope.cancel()
    }

    // MARK: The end

    /// The body has failed, or the wait for the children: also a mere cancellation, which leaves a scope alone when it is
    /// a child's, then ends it.
    func openerFailed(_ error: any Error) {
        if error.isFailure { fail(error) } else { cancel() }
    }

    /// Parks until no child runs.
    func joinChildren(isShielded: Bool) throws {
        while childCount > 0 {
            defer { state.withLock { $0.opener = nil } }
            let outcome = try park(.children, isShielded: isShielded) { token in
                unsafe token.wait.context?.pointee.wait_object = unsafe Unmanaged.passUnretained(self).toOpaque()
                let isLate = state.withLock { state in
                    if !state.children.isEmpty { state.opener = { token.wake() } }
                    return state.children.isEmpty
                }
                if isLate { token.wake() }
            }
            if outcome == .deadlocked { throw DeadlockError(report: DeadlockReport.latest) }
        }
    }

    /// Suspends the task until no child runs.
    func childrenEnded() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isLate = state.withLock { state in
                if !state.children.isEmpty { state.opener = { continuation.resume() } }
                return state.children.isEmpty
            }
            if isLate { continuation.resume() }
        }
    }

    /// Ends the scope, of which nothing runs any more: its value, or what went wrong.
    func conclude<Value>(_ result: Result<Value, any Error>) throws -> Value {
        if let timer, !timer.isDone {
            timer.isDone = true
            loop.timerIsStale()
        }
        var errors = state.withLock { state in
            state.isEnded = true
            return state.errors
        }
        if cancelScope.hasExpired {
            if errors.isEmpty { throw DeadlineExceeded() }
            errors.insert(DeadlineExceeded(), at: 0)
        }
        if !errors.isEmpty { throw ErrorGroup(errors, origin: origin) }
        return try result.get()
    }
}

/// What the scope can end early.
protocol CancellableChild: Sendable {
    func cancel()
}

extension AnyFiber: CancellableChild {}
extension Task: CancellableChild {}

/// Ends the scope when its time has come. Only the loop's thread touches it.
private final class ScopeTimer: Callback {
    private weak var scope: CancelScope?
    var isDone = false

    init(_ scope: CancelScope) { self.scope = scope }

    override func run() {
        guard !isDone else { return }
        isDone = true
        scope?.expire()
    }

    override var isObsolete: Bool { isDone }
}

extension Error {
    /// Not merely the way in which something ends that was cancelled.
    fileprivate var isFailure: Bool { !(self is CancellationError) && !(self is GreenletExit) }
}

/// The very same error, passed on: not one that is equal.
private func isSame(_ one: any Error, _ other: any Error) -> Bool {
    // Safe: an `any Error` is a reference to a box, which is only compared. The coercion keeps it from being opened.
    unsafe unsafeBitCast(one as any Error, to: UnsafeRawPointer.self)
        == unsafeBitCast(other as any Error, to: UnsafeRawPointer.self)
}
