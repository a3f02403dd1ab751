public import CSwiftlet
public import SwiftletCoroutines
public import Synchronization

/// What all fibers have in common, whatever they return.
///
/// States: `unstarted` -> `running` -> `finished`. A fiber that is cancelled before its first run goes straight to
/// `finished` and its body never runs. While it is parked, `context` is its stack; before and after it has none.
///
/// Thread rules: a fiber belongs to its loop. From any thread: `cancel()`, `join`, links, and reading how it ended; before
/// its end a result reads as `nil`. What the result refers to is then the reader's as well: make it `Sendable`.
@safe
public class AnyFiber: Hashable, CustomStringConvertible, @unchecked Sendable {
    @usableFromInline
    enum State: UInt8, AtomicRepresentable {
        case unstarted
        case running
        case finished
    }

    /// Any thread that sees `finished` sees the result too.
    @usableFromInline final let publishedState = Atomic<State>(.unstarted)
    @usableFromInline
    final var state: State {
        @inline(__always) get { publishedState.load(ordering: .acquiring) }
        @inline(__always) set { publishedState.store(newValue, ordering: .releasing) }
    }
    @usableFromInline @exclusivity(unchecked) final var isSuccess = false
    private final let cancelRequested = Atomic<Bool>(false)
    final var isCancelRequested: Bool {
        @inline(__always) get { cancelRequested.load(ordering: .relaxed) }
        @inline(__always) set { cancelRequested.store(newValue, ordering: .relaxed) }
    }
    /// Somebody has looked at the result, or will.
    @usableFromInline final let observed = Atomic<Bool>(false)
    @usableFromInline
    final var isObserved: Bool {
        @inline(__always) get { observed.load(ordering: .relaxed) }
        @inline(__always) set { observed.store(newValue, ordering: .relaxed) }
    }
    // Never changed: a variable has an address, by which inspection finds out where it lies.
    @exclusivity(unchecked) private(set) final var line: UInt32
    /// Runs the body and keeps its result.
    final let start: (AnyFiber) -> Void
    @usableFromInline @exclusivity(unchecked) final var result = ErasedValue()
    @usableFromInline @exclusivity(unchecked) final var failure: (any Error)?
    /// While it runs the address of its stack; before, the number, on its loop, of the fiber that spawned it. One word for
    /// both: so a fiber takes 120 bytes, and glibc's malloc has fast lists only up to that.
    @exclusivity(unchecked) private final var contextOrSpawner: UInt
    @exclusivity(unchecked) final var joiners: UnsafeMutablePointer<JoinNode>?
    @exclusivity(unchecked) final var extras: FiberExtras?
    /// Its loop, without a reference: spawning would pay for counting.
    @usableFromInline final let loopPointer: UnsafeMutableRawPointer
    @exclusivity(unchecked) private final var file: UnsafePointer<UInt8>

    @usableFromInline
    init(_ start: @escaping (AnyFiber) -> Void, loop: UnsafeMutableRawPointer, file: StaticString, line: UInt32) {
        self.start = start
        unsafe loopPointer = unsafe loop
        unsafe self.line = line
        unsafe self.file = unsafe file.utf8Start
        unsafe contextOrSpawner = 0
        unsafe contextOrSpawner = unsafe UInt(
            swiftlet_fiber_made(loop, Unmanaged.passUnretained(self).toOpaque(), file.utf8Start, line))
        if unsafe swiftlet_may_have_task_locals(currentThread()) { takeValues() }
    }

    /// It begins with the task-local values of who spawns it.
    @inline(never)
    private final func takeValues() {
        let spawner = unsafe swiftlet_current_task() == nil ? AnyFiber.current : nil
        guard let values = unsafe TaskLocalValues.current(sharing: spawner?.extras?.values) else { return }
        makeExtras().values = values
    }

    deinit {
        if unsafe failure != nil, !isObserved { reportUnretrieved() }
    }

    @inline(never)
    private final func reportUnretrieved() {
        guard let failure = unsafe failure, !(failure is CancellationError), !(failure is GreenletExit) else { return }
        Report(
            .unretrievedError,
            "\(self) failed and nobody asked: \(failure). Join it, read its error, or catch inside it."
        ).post()
    }

    /// The loop that runs it.
    @usableFromInline
    final var loop: EventLoop {
        // Safe: a fiber is only run by its loop, and asks for it only while that exists or is known to be closed.
        unsafe Unmanaged<EventLoop>.fromOpaque(loopPointer).takeUnretainedValue()
    }

    /// It has ended, as its own loop's thread sees it. Another thread must ask that loop: it might see the end before the
    /// result.
    @inlinable
    final var isFinishedHere: Bool {
        @inline(__always) get {
            guard let thread = unsafe swiftlet_thread_if_made() else { return false }
            return unsafe thread.pointee.loop == loopPointer && state == .finished
        }
    }

    /// A queue item that owns a reference.
    @inlinable
    final var retainedItem: UInt64 {
        @inline(__always) get { unsafe UInt64(Unmanaged.passRetained(self).toOpaque(), .fiber) }
    }

    /// The fiber that the caller runs in, if any.
    public static var current: AnyFiber? {
        guard let thread = unsafe swiftlet_thread_if_made() else { return nil }
        let flow = unsafe swiftlet_flow_of(thread.pointee.current)!
        guard unsafe Int(flow.pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue) else { return nil }
        return unsafe Unmanaged<AnyFiber>.fromOpaque(flow.pointee.owner).takeUnretainedValue()
    }

    /// Its stack while it runs.
    final var context: ContextPointer? {
        @inline(__always) get {
            unsafe state == .running ? ContextPointer(bitPattern: contextOrSpawner) : nil
        }
    }

    /// The number, on its loop, of the fiber that spawned it; 0 for none.
    final var spawner: UInt64 {
        unsafe context?.pointee.spawner ?? (state == .unstarted ? UInt64(contextOrSpawner) : 0)
    }

    @inline(__always)
    final func begins(on context: ContextPointer) {
        unsafe context.pointee.spawner = UInt64(contextOrSpawner)
        unsafe contextOrSpawner = UInt(bitPattern: context)
        state = .running
    }

    // MARK: What is known of it

    /// The body has ended, or never will start.
    public final var isFinished: Bool { state == .finished }
    /// The body has begun.
    public final var isStarted: Bool { state == .running || (isFinished && !neverRan) }
    /// `cancel()` was called.
    public final var isCancelled: Bool { isCancelRequested }
    /// It has finished without an error.
    public final var isSuccessful: Bool { unsafe isFinished && (isSuccess || wasKilled) }

    /// The error it ended with; looking at it counts as having noticed. `nil` for one that was killed; see `kill`.
    public final var error: (any Error)? {
        guard isFinished else { return nil }
        isObserved = true
        return unsafe wasKilled ? nil : failure
    }

    @usableFromInline
    final func failureToThrow() -> any Error {
        isObserved = true
        return unsafe failure ?? LoopError.closed  // unfinished: its loop was closed around it
    }

    /// The name given to `spawn`, or where it was spawned.
    public final var name: String { unsafe extras?.name ?? "fiber at \(origin)" }

    /// Where it was spawned, as `Module/File.swift:line`.
    public final var origin: String { unsafe "\(String(cString: file)):\(line)" }

    /// Where what inspection reads lies in a fiber; see Inspection/FiberLayout.swift.
    final func addressesForInspection() -> FiberLayout.Addresses {
        func address<Property: ~Copyable>(_ property: borrowing Property) -> UnsafeRawPointer {
            unsafe withUnsafePointer(to: property) { unsafe UnsafeRawPointer($0) }
        }
        return unsafe FiberLayout.Addresses(
            state: address(publishedState), cancelled: address(cancelRequested),
            file: withUnsafeMutablePointer(to: &file) { UnsafeRawPointer($0) },
            line: withUnsafeMutablePointer(to: &line) { UnsafeRawPointer($0) },
            spawner: withUnsafeMutablePointer(to: &contextOrSpawner) { UnsafeRawPointer($0) },
            joiners: withUnsafeMutablePointer(to: &joiners) { UnsafeRawPointer($0) },
            extras: withUnsafeMutablePointer(to: &extras) { UnsafeRawPointer($0) })
    }

    public final var description: String { "<Fiber \(name) \(state)>" }

    private final var neverRan: Bool { unsafe extras?.neverRan ?? false }

    // MARK: Cancelling

    /// Ends the fiber: its pending wait and all later ones throw `CancellationError`. One that has not started never
    /// runs. Does nothing to one that has finished. From any thread.
    public final func cancel() {
        guard loop.isCurrent else {
            loop.perform { self.cancel() }
            return
        }
        guard state != .finished, !isCancelRequested else { return }
        isCancelRequested = true
        unsafe context?.pointee.owner_is_cancelled = true
        if state == .unstarted, let extras = unsafe extras, extras.isDelayed {
            loop.submit(
                ClosureCallback { if self.state == .unstarted { self.finishUnstarted(CancellationError()) } }
                    .item)
        }
        endPendingWait()
    }

    final func endPendingWait() {
        guard let parked = unsafe context?.pointee.parked, unsafe !parked.pointee.wait_is_shielded else { return }
        if unsafe parked.pointee.wait_id != 0, unsafe !CancelScope.isShielded(parked) {
            unsafe loop.decideHere(parked, parked.pointee.wait_id, .cancelled)
        }
    }

    // MARK: Running

    /// Frees what a body holds that will never run.
    func forgetBody() { fatalError("AnyFiber.forgetBody is abstract") }

    /// Ends a fiber that will never run.
    final func finishUnstarted(_ reason: any Error) {
        forgetBody()
        unsafe failure = reason
        makeExtras().neverRan = true
        finished()
    }

    /// Wakes joiners and calls links, in the order in which they came.
    final func finished() {
        state = .finished
        // Its scope first: a sibling that waits for this fiber is cancelled, instead of failing with the same error.
        if let membership = unsafe extras?.membership.take() {
            unsafe membership.scope.childEnded(membership.number, failure)
        }
        while let node = unsafe joiners {
            unsafe removeJoiner(node)
            unsafe node.pointee.complete(failed: failure != nil)
        }
        if unsafe failure != nil { reportFailureAtOnce() }
        if let extras = unsafe extras { extras.fiberEnded(self) }
    }

    func makeExtras() -> FiberExtras {
        if let extras = unsafe extras { return extras }
        let made = FiberExtras()
        unsafe extras = made
        return made
    }

    public static func == (left: AnyFiber, right: AnyFiber) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// What few fibers need, kept apart so that the others stay small.
@safe
final class FiberExtras {
    var name: String?
    var nameBytes: UnsafeMutablePointer<CChar>?
    var stackSize = StackSize.default
    var neverRan = false
    var isDelayed = false
    /// The spawn scope that it is a child of, and its number there.
    var membership: (scope: SpawnScope, number: Int)?
    /// Made by `Fiber.init` and waits for `start()`.
    var isUnscheduled = false
    var locals = LocalValues()
    /// Task-local values of who spawned it, until its end.
    var values: TaskLocalValues?
    var links = LinkList<AnyFiber>()
    /// Errors that wait to be thrown into it, first to last; see Interrupt.swift.
    var interrupts: [Interrupt] = []
    var isMain = false
    /// It serves as long as the loop runs: nobody waits for its end.
    var isBackground = false
    /// As which thread it has been asked for; see `AnyFiber.currentThreadName`.
    var threadName: String?

    deinit { unsafe nameBytes?.deallocate() }

    /// See Inspection/FiberLayout.swift.
    func addressesForInspection() -> FiberLayout.ExtrasAddresses {
        unsafe FiberLayout.ExtrasAddresses(
            name: withUnsafeMutablePointer(to: &nameBytes) { UnsafeRawPointer($0) },
            membership: withUnsafeMutablePointer(to: &membership) { UnsafeRawPointer($0) },
            isBackground: withUnsafeMutablePointer(to: &isBackground) { UnsafeRawPointer($0) })
    }

    func setName(_ name: String) {
        self.name = name
        let count = name.utf8.count + 1
        let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: count)
        unsafe name.withCString { unsafe bytes.update(from: $0, count: count) }
        unsafe nameBytes = unsafe bytes
    }

    func fiberEnded(_ fiber: AnyFiber) {
        locals = LocalValues()
        values = nil
        callLinks(with: fiber)
    }
}
