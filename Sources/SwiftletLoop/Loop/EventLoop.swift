public import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// One thread's scheduler: runs fibers, Swift jobs and callbacks, fires timers, and waits for descriptors.
///
/// One iteration: run what is ready, in order of arrival and up to a budget; fire due timers; look at descriptors, never
/// sleeping while anything is ready; take what other threads have posted. An idle loop uses no CPU.
///
/// Leader and followers: the scheduler runs on a pooled stack, and runs fibers and jobs right there. One that parks
/// keeps the stack; the scheduler then carries on, as leader, on another. A leader that meets a parked stack in the
/// ready queue gives its own stack back to the pool and continues that one. The thread's own stack only ever waits.
///
/// Thread rules: a loop belongs to the thread that made it. `perform`, `stop` and waking may be called from anywhere.
@safe
public final class EventLoop: Hashable, @unchecked Sendable {
    @usableFromInline let core: UnsafeMutablePointer<swiftlet_loop_core>
    let inbox: UnsafeMutablePointer<swiftlet_inbox>
    let thread: ThreadPointer
    let threadSerial: UInt64
    /// Tells this loop's messages from those for other loops of the same thread's record.
    let epoch: UInt64
    /// A constant, since each read and write asks it: reaching it costs no reference count.
    let descriptors: DescriptorTable
    /// The runtime's spelling of this loop as an executor; set once by `makeExecutors`.
    @exclusivity(unchecked) var executors: LoopExecutors!

    /// It is the process's default and main executor, for good.
    let isDefaultExecutor = Atomic<Bool>(false)

    @exclusivity(unchecked) var sleeps = SleepTable()
    /// Made at the first look: loops are kept for ever, and few are inspected.
    private let keptSuspendedTasks = AtomicLazyReference<SuspendedTasks>()
    var suspendedTasks: SuspendedTasks { keptSuspendedTasks.load() ?? keptSuspendedTasks.storeIfNil(SuspendedTasks()) }
    var hasSuspendedTasks: Bool { keptSuspendedTasks.load() != nil }

    /// Waits that only another thread can end: while there are any, the loop is not deadlocked.
    @exclusivity(unchecked) var foreignWaits = 0
    @exclusivity(unchecked) var hasReportedDeadlock = false
    /// Since when nothing has come that could wake anybody: 0 while something does, `.max` when that has been looked into.
    @exclusivity(unchecked) var quietSince: UInt64 = 0
    /// Something is expected any moment.
    @exclusivity(unchecked) var lookout = Lookout()
    /// Stacks that wait in `idle()`, and stand in the ready queue meanwhile.
    @exclusivity(unchecked) var idlers = 0
    /// Chooses what runs next, and lets the clock stand; see LoopSimulation.swift.
    @exclusivity(unchecked) var simulation: SimulatedRun?
    let stopWaiters = Locked<[Waiter<Void>]>([])
    /// Written by its own thread; others ask whether messages to it make sense.
    private let hasClosed = Atomic<Bool>(false)
    /// It was closed, and takes no more work.
    public var isClosed: Bool { hasClosed.load(ordering: .relaxed) }
    /// `run` has made it, and ends it with its program.
    @exclusivity(unchecked) var isMadeByRun = false
    let hasLostJobs = Atomic<Bool>(false)
    /// What a layer above keeps with the loop. Only the loop's thread sets it.
    @exclusivity(unchecked) package var attachment: (any LoopAttachment)?
    /// Keys of calls from other threads that are under way.
    let pendingKeys = Locked<Set<SendableKey>>([])
    /// Objects of calls that are over, for the next ones. The loop's own thread only.
    @exclusivity(unchecked) var spareCalls: ContiguousArray<ScheduledCall> = []
    let failureHandler = Locked<SendableHandler<LoopFailure>?>(nil)
    /// Options that reports and scheduling look at. Only the loop's thread sets them.
    public var configuration = Configuration() {
        didSet { slowTurnNanoseconds.store(configuration.slowTurnNanoseconds, ordering: .relaxed) }
    }
    /// For the watchdog's thread.
    let slowTurnNanoseconds = Atomic<UInt64>(Configuration().slowTurnNanoseconds)

    /// How a loop behaves.
    public struct Configuration: Sendable {
        /// A turn that takes longer is reported with the backtrace of what it ran; `nil` turns the watchdog off.
        public var slowTurnLimit: Duration? = .milliseconds(100)
        /// How long nothing may happen, with nothing left that could happen, until a deadlock is thought likely; `nil` turns
        /// the report off. Fibers that wait for one another's ends are noticed at once in any case.
        public var deadlockReportDelay: Duration? = .seconds(1)
        /// Lets jobs of the main actor and of the loop's serial executor run while one of them is parked, as gevent
        /// would. Off: isolated synchronous code stays atomic, as Swift promises.
        public var interleavesIsolatedJobs = false
        /// Reports a fiber's failure when it ends, as gevent prints it, not only if nobody has looked at it when it is gone.
        public var reportsFailuresAtOnce = false
        /// Reports when a stack begins to wait for a side of a descriptor for which another one waits already, and names both, once a
        /// descriptor, for either side: which of the two gets what comes is mostly a mistake, where trio raises `BusyResourceError`. They are served
        /// in order of arrival all the same.
        public var reportsSharedDescriptors = false
        /// Pooled stacks whose memory is kept when the loop idles.
        public var pooledStacks = 256
        /// Measures callbacks and reports slow ones. On from the start when the environment has `SWIFTLET_DEBUG=1`.
        public var isDebug = Configuration.environmentAsksForDebug
        /// In debug mode a callback that takes longer is reported.
        public var slowCallbackLimit: Duration = .milliseconds(100)

        fileprivate var slowTurnNanoseconds: UInt64 { slowTurnLimit?.nanosecondsClamped ?? .max }

        private static let environmentAsksForDebug = unsafe getenv("SWIFTLET_DEBUG").map { unsafe strcmp($0, "1") } == 0

        public init() {}
    }

    init(thread: ThreadPointer) throws(LoopError) {
        unsafe core = .allocate(capacity: 1)
        unsafe core.initialize(to: swiftlet_loop_core())
        unsafe swiftlet_ring_initialize(&core.pointee.ready)
        unsafe swiftlet_ring_initialize(&core.pointee.held)
        unsafe inbox = unsafe swiftlet_thread_inbox(thread)
        unsafe self.thread = unsafe thread
        threadSerial = unsafe thread.pointee.serial
        epoch = unsafe swiftlet_inbox_open(inbox)
        guard epoch != 0, let table = unsafe DescriptorTable(wakeUp: inbox.pointee.event) else {
            let reason = swiftlet_errno()
            unsafe swiftlet_inbox_close(inbox)
            throw LoopError.noDescriptors(errno: reason)
        }
        descriptors = table
        unsafe core.pointee.loop = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe core.pointee.lead = { unsafe Unmanaged<EventLoop>.fromOpaque($0!).takeUnretainedValue().lead() }
        unsafe executors = LoopExecutors(self)
    }

    /// Closed loops are kept, without what they held: fibers, executors and wake-ups refer to their loop without a
    /// count, and one that comes late must find a closed loop, not freed memory.
    private static let closedLoops = Locked<[EventLoop]>([])

    // MARK: Which loop

    /// The calling thread's loop, made at the first call. It runs whenever that thread's own stack waits for something.
    public static var current: EventLoop {
        get throws(LoopError) {
            let thread = unsafe currentThread()
            if let existing = unsafe running(on: thread) { return existing }
            let made = try unsafe EventLoop(thread: thread)
            unsafe thread.pointee.loop = unsafe Unmanaged.passRetained(made).toOpaque()
            unsafe thread.pointee.core = unsafe made.core
            unsafe thread.pointee.first_wait_id = unsafe thread.pointee.last_wait_id + 1
            unsafe thread.pointee.release_loop = {
                unsafe Unmanaged<EventLoop>.fromOpaque($0!).takeRetainedValue().threadEnds()
            }
            Watchdog.shared.watch(made)
            ForeignHost.announcement
            ForkHandling.installed
            Inspection.asEnvironmentAsks
            return made
        }
    }

    /// The calling thread's loop, if it has one.
    public static var currentIfAny: EventLoop? {
        guard let thread = unsafe swiftlet_thread_if_made() else { return nil }
        return unsafe running(on: thread)
    }

    static func running(on thread: ThreadPointer) -> EventLoop? {
        // Safe: the thread's record owns a reference.
        unsafe thread.pointee.loop.map { unsafe Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    /// The loop that runs the caller: a thread's own stack, though it may have a loop, is not run by it.
    package static var carrier: EventLoop? {
        guard let thread = unsafe swiftlet_thread_if_made(),
            unsafe thread.pointee.current != swiftlet_thread_root(thread)
        else {
            return nil
        }
        return unsafe running(on: thread)
    }

    /// The caller runs on this loop's thread. Of a closed loop nobody does: its thread may have another one.
    public var isCurrent: Bool { unsafe swiftlet_thread_if_made() == thread && !isClosed }

    // MARK: Work

    /// Runs a closure in one of the next turns, from any thread.
    ///
    /// - Returns: false when the loop is closed; the closure never runs then.
    @discardableResult
    public func perform(_ body: @escaping @Sendable () -> Void) -> Bool {
        let callback = ClosureCallback(body)
        if submit(callback.item) { return true }
        unsafe Unmanaged.passUnretained(callback).release()  // the reference that the item owned
        return false
    }

    /// Puts an item into the ready queue, from any thread. False when the loop is closed; the item is the caller's then.
    @discardableResult
    package func submit(_ item: UInt64) -> Bool {
        guard isCurrent else { return unsafe swiftlet_inbox_post(inbox, epoch, item, 0) }
        unsafe swiftlet_ring_push(&core.pointee.ready, item)
        return true
    }

    public static func == (left: EventLoop, right: EventLoop) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }

    // MARK: Ending

    /// Closes the loop of the calling thread: cancels its fibers, runs them to their end, and gives its resources back. What
    /// stays of it is less than a kilobyte: fibers and executors refer to their loop for as long as they like.
    ///
    /// Tasks are not cancelled. One that would go on on the loop afterwards stays suspended for ever, and who awaits it too;
    /// the first is reported (`Report.Kind.closedLoop`).
    ///
    /// - Throws: `LoopError.wrongThread`, `.closedFromInside` from a fiber or task of the loop itself.
    public func close() throws {
        guard !isClosed else { return }
        guard isCurrent else { throw LoopError.wrongThread }
        guard unsafe thread.pointee.current == swiftlet_thread_root(thread) else {
            throw LoopError.closedFromInside
        }
        end()
        unsafe Unmanaged.passUnretained(self).release()
    }

    private func threadEnds() {
        if !isClosed { end() }
    }

    private func end() {
        unsafe attachment?.loopEnds()
        let fibers = liveFibers()
        cancel(fibers)
        if !fibers.isEmpty { runLateMessages() }  // what their ends have set off: links
        // Whoever posted was told that it would run, and may wait for it; who is refused finds every fiber ended.
        while unsafe !swiftlet_inbox_refuse_if_empty(inbox) { runLateMessages() }
        hasClosed.store(true, ordering: .relaxed)
        reportOpenDescriptors()
        unsafe attachment?.loopCloses()
        unsafe attachment = nil
        Watchdog.shared.forget(self)
        dropQueued()
        unsafe thread.pointee.core = nil
        unsafe thread.pointee.loop = nil
        unsafe swiftlet_inbox_close(inbox)
        descriptors.close()
        EventLoop.closedLoops.withLock { $0.append(self) }
    }

    /// Leaves nothing of a run to the next one, on a loop that has to stay open: the runtime's executors refer to it, and
    /// so do other threads' tasks, whose jobs stay for that reason.
    func endRun() {
        unsafe attachment?.loopEnds()
        // What ends may begin something: the second round ends that.
        for _ in 0..<2 {
            cancelAllFibers()
            runLateMessages()
            callOffCalls()
            unsafe attachment?.runEnds()
        }
        reportOpenDescriptors()
        unsafe attachment?.loopCloses()
        unsafe attachment = nil
        unsafe hasReportedDeadlock = false
    }

    private func callOffCalls() {
        // Kept meanwhile: to call one off may sweep those that were called off before.
        let calls = scheduledItems.filter { $0.tag == .callback }.compactMap { item in
            // Safe: the entry holds a reference, and nothing runs in between.
            unsafe Unmanaged<Callback>.fromOpaque(item.pointer).takeUnretainedValue() as? ScheduledCall
        }
        for call in calls { call.cancel() }
        sweepTimers()
    }

    private func runLateMessages() {
        takeInbox()
        guard unsafe swiftlet_ring_count(&core.pointee.ready) > 0 else { return }
        do {
            try shielded { try yield() }
        } catch {
            Report(.deadlock, "while a loop was closed: \(error)").post()
        }
        cancelAllFibers()
    }

    /// Timers that will never fire are freed, and the ready queue's memory. Jobs cannot be: their tasks stay suspended
    /// for ever, as `close()` says.
    private func dropQueued() {
        var items = unsafe (0..<core.pointee.timers.count).map { unsafe core.pointee.timers.timers[$0].item }
        while case let item = unsafe swiftlet_ring_pop(&core.pointee.ready), item != 0 { items.append(item) }
        while case let item = unsafe swiftlet_ring_pop(&core.pointee.held), item != 0 { items.append(item) }
        if items.contains(where: { $0.tag == .job || $0.tag == .isolatedJob }) { reportLostJobs() }
        for item in items where item.tag == .fiber || item.tag == .callback {
            unsafe Unmanaged<AnyObject>.fromOpaque(item.pointer).release()
        }
        unsafe swiftlet_ring_destroy(&core.pointee.ready)
        unsafe swiftlet_ring_destroy(&core.pointee.held)
        unsafe core.pointee.ready = unsafe swiftlet_ring()
        unsafe core.pointee.held = unsafe swiftlet_ring()
        unsafe swiftlet_timer_heap_destroy(&core.pointee.timers)
        unsafe sleeps.destroy()
        unsafe spareCalls = []
    }

    /// The thread runs its own stack, outside the loop: how long is its own business.
    var isOnOwnStack: Bool { unsafe swiftlet_thread_is_on_root(thread) }

    func cancelAllFibers() { cancel(liveFibers()) }

    /// Cancels fibers and waits until they have ended, up to a grace period.
    func cancel(_ fibers: [AnyFiber]) {
        for fiber in fibers { fiber.cancel() }
        do {
            let ended = try shielded { try joinAll(fibers, timeout: .seconds(10)) }
            if ended.count == fibers.count { return }
        } catch {
            Report(.deadlock, "while a loop was closed: \(error)").post()
        }
        let names = liveFibers().map(\.description).joined(separator: ", ")
        Report(.deadlock, "these fibers did not end when their loop was closed, and leak: \(names)").post()
    }
}

/// What a layer above keeps with a loop, and for as long.
package protocol LoopAttachment: AnyObject {
    /// The program of `run` has ended: what it has left is ended too. Called on the thread's own stack.
    func runEnds()
    /// The loop's program has ended; the loop still runs what is waited for here. Called on its thread's own stack.
    func loopEnds()
    /// The loop has ended: nothing will run on it any more. Called on its thread.
    func loopCloses()
}

/// A loop could not be made or used.
public enum LoopError: Error, Hashable, CustomStringConvertible {
    /// The process has no descriptors left for the poller.
    case noDescriptors(errno: CInt)
    /// The operation belongs to the loop's own thread.
    case wrongThread
    /// A loop cannot be closed by what runs on it.
    case closedFromInside
    /// `EventLoop.run` inside a running loop.
    case alreadyRunning
    /// The loop was closed.
    case closed
    /// The caller runs on no loop.
    case notRunning
    /// `shutdownDefaultExecutor` was called.
    case executorShutDown

    public var description: String {
        switch self {
        case .noDescriptors(let errno):
            "cannot make an event loop: no descriptor for its poller (errno \(errno)); raise the limit with ulimit -n"
        case .wrongThread:
            """
            this belongs to the loop's own thread. From another one: callSoonThreadSafe { } or perform { } for a closure, \
            createTaskThreadSafe for a coroutine
            """
        case .closedFromInside: "a loop cannot be closed from one of its own fibers or tasks"
        case .alreadyRunning:
            """
            This event loop is already running: inside it call the function directly, or blockOn { } for async code; \
            what should last until something happens waits for an Event
            """
        case .closed: "the loop is closed"
        case .notRunning: "no running event loop: call this inside EventLoop.run { } or AsyncIO.run { }"
        case .executorShutDown:
            "the loop's executor was shut down: give runInExecutor a ThreadPool of your own, or shut it down last"
        }
    }
}
