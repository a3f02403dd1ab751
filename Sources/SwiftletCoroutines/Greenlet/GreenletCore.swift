import CSwiftlet
import Synchronization

@usableFromInline
enum GreenletState: String {
    case unstarted
    case active
    case dead
}

/// A greenlet's state; outlives its handles while the body runs or unwinds.
///
/// States: `unstarted` -> `active` -> `dead`; an unstarted one into which an error is thrown is dead at once. A main
/// core stands for the stack of a thread, fiber or task: always active, never owning a stack.
///
/// Ownership: handles own cores; a started core is also kept by itself until its body has ended, so that it may lose
/// its handles while it runs. One that is suspended without a handle is unwound by whoever continues after it.
@safe
@usableFromInline
final class GreenletCore: StackOwner {
    @exclusivity(unchecked) private(set) var state = GreenletState.unstarted
    private(set) var parent: AnyGreenlet?
    /// Greenlets of one message type may switch to each other.
    let family: ObjectIdentifier
    let isMain: Bool
    /// Handles may be dropped on any thread.
    let handleCount = Atomic<Int>(0)

    private var body: ((ErasedValue) throws -> ErasedValue?)?
    @exclusivity(unchecked) private var message: ErasedValue?
    @exclusivity(unchecked) private var injected: (any Error)?
    /// Where control comes back: its own stack, or a generator that it was resuming. Set only while it is suspended in a
    /// transfer: one that runs, or that waits in a loop, must not be continued by anybody else.
    @exclusivity(unchecked) private var suspended: ContextPointer?
    /// The one that handed over control last.
    private weak var resumer: GreenletCore?
    /// For main: the stack it stands for.
    private var home: ContextPointer?
    /// For main: which occupant of the home stack it stands for.
    private var homeRun: UInt64 = 0
    private var isUnwinding = false
    /// Task-local values of who made it, until its end.
    private var values: TaskLocalValues?

    init(
        name: String?, family: ObjectIdentifier, parent: AnyGreenlet, stackSize: Int,
        body: @escaping (ErasedValue) throws -> ErasedValue?
    ) {
        self.body = body
        self.parent = parent
        self.family = family
        isMain = false
        super.init(stackSize: stackSize, name: name)
        if unsafe swiftlet_may_have_task_locals(currentThread()) { values = TaskLocalValues.current() }
    }

    init(mainOf home: ContextPointer, family: ObjectIdentifier) {
        isMain = true
        self.family = family
        super.init(stackSize: 0, name: nil)
        unsafe state = .active
        unsafe self.home = unsafe home
        homeRun = unsafe home.pointee.run
    }

    private var caller: GreenletCore { GreenletThread.core(family: family) }

    // MARK: Transfers of control

    @usableFromInline
    func switchTo(_ message: ErasedValue?) throws -> ErasedValue? {
        let target = try checkedTarget()
        let caller = caller
        if target === caller { return message }
        if unsafe target.state == .unstarted, message == nil { throw GreenletError.missingFirstMessage }
        unsafe target.message = message
        return try caller.transfer(to: target, .switch)
    }

    func throwInto(_ error: any Error) throws -> ErasedValue? {
        var target = try checkedTarget()
        let caller = caller
        while unsafe target.state == .unstarted {
            unsafe target.state = .dead
            target.body = nil
            target = target.parent!.core.liveTarget
        }
        if target === caller {
            if error is GreenletExit, target !== self { return nil }
            throw error
        }
        // Of one that has not run, GreenletExit is an ordinary end: its parent goes on, with nothing.
        if target === self || !(error is GreenletExit) { unsafe target.injected = error }
        return try caller.transfer(to: target, .throw)
    }

    func setParent(_ new: AnyGreenlet) throws {
        guard !isMain else { throw GreenletError.mainHasNoParent }
        guard unsafe new.core.thread == thread else {
            throw GreenletError.wrongThread(owner: new.core.threadIdentity, current: threadIdentity)
        }
        var ancestor: AnyGreenlet? = new
        while let next = ancestor {
            if next.core === self { throw GreenletError.cyclicParents }
            ancestor = next.core.parent
        }
        parent = new
    }

    /// This greenlet, or its nearest ancestor that is not dead; usable from here.
    private func checkedTarget() throws -> GreenletCore {
        guard isOnOwnThread else {
            throw unsafe GreenletError.wrongThread(
                owner: threadIdentity, current: ThreadIdentity(currentThread()))
        }
        if unsafe thread.pointee.has_abandoned { unsafe swiftlet_thread_take_abandoned(thread) }
        let target = liveTarget
        if target.hasLostHome { throw GreenletError.homeEnded }
        return target
    }

    private var hasLostHome: Bool { unsafe isMain && home!.pointee.run != homeRun }

    private var liveTarget: GreenletCore {
        var target = self
        while unsafe target.state == .dead { target = target.parent!.core }
        return target
    }

    private func transfer(to target: GreenletCore, _ event: GreenletEvent) throws -> ErasedValue? {
        let next = try unsafe target.continuation()
        announce(event)
        target.resumer = self
        target.joinFlow(of: self)
        unsafe suspended = unsafe thread.pointee.current
        unsafe swiftlet_switch(next)
        unsafe suspended = nil
        arrive()
        if let error = unsafe injected {
            unsafe injected = nil
            unsafe message = nil
            throw error
        }
        let delivered = unsafe message
        unsafe message = nil
        return delivered
    }

    /// The stack to switch to; starts the body's if it has none.
    private func continuation() throws -> ContextPointer {
        if unsafe state == .active {
            if hasLostHome { throw GreenletError.homeEnded }
            guard let suspended = unsafe suspended else { throw GreenletError.notSuspended }
            return unsafe suspended
        }
        try acquireStack(kind: SWIFTLET_KIND_GREENLET)
        unsafe state = .active
        _ = unsafe Unmanaged.passRetained(self)  // released by whoever continues after the body has ended
        return unsafe context!
    }

    /// What this greenlet waits for is waited for by the fiber, task or thread that `other`, which runs, belongs to.
    private func joinFlow(of other: GreenletCore) {
        guard !isMain, let context = unsafe context else { return }
        let running = unsafe thread.pointee.current!
        // Greenlets follow one another and none lies inside another: entered from the same main greenlet's stack, which
        // may be that of a generator.
        if other.isMain {
            unsafe context.pointee.resumer = unsafe running
            unsafe context.pointee.resumer_run = unsafe running.pointee.run
        } else {
            let stack = unsafe swiftlet_greenlet_stack_of(running)!
            unsafe context.pointee.resumer = unsafe stack.pointee.resumer
            unsafe context.pointee.resumer_run = unsafe stack.pointee.resumer_run
        }
    }

    /// Says who hands over control, for whoever gets it.
    private func announce(_ event: GreenletEvent) {
        unsafe thread.pointee.greenlet_origin = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe thread.pointee.greenlet_throws = event == .throw
    }

    /// Runs where control has arrived: tells the trace, unwinds an origin that nobody can reach, and lets go of one
    /// that has ended.
    private func arrive() {
        // None: continued by a loop, not by a greenlet.
        guard let pointer = unsafe thread.pointee.greenlet_origin else { return }
        unsafe thread.pointee.greenlet_origin = nil
        // Safe: an origin that is suspended keeps itself, and so does one that has ended, until released here.
        let origin = unsafe Unmanaged<GreenletCore>.fromOpaque(pointer)
        if unsafe thread.pointee.traces_greenlets {
            unsafe GreenletThread.current.trace(
                thread.pointee.greenlet_throws ? .throw : .switch, origin.takeUnretainedValue(), self)
        }
        let (state, isOrphan) = unsafe origin._withUnsafeGuaranteedRef {
            unsafe ($0.state, $0.handleCount.load(ordering: .acquiring) == 0 && !$0.isMain)
        }
        if state == .dead { return unsafe origin.release() }
        if isOrphan { unsafe origin.takeUnretainedValue().unwind() }
    }

    // MARK: The body's stack

    override func run() -> ContextPointer {
        arrive()
        var result: ErasedValue?
        var failure: (any Error)?
        do {
            let body = body.take()!
            if let error = unsafe injected.take() { throw error }
            let first = unsafe message.take()!
            if let values {
                result = try values.bound { () throws -> ErasedValue? in try body(first) }
            } else {
                result = try body(first)
            }
        } catch is GreenletExit {
            result = nil
        } catch {
            failure = error
        }
        values = nil
        unsafe state = .dead
        unsafe suspended = nil
        stackEnds()
        var target = parent!.core.liveTarget
        while unsafe target.state == .unstarted, failure != nil || result == nil {
            // Nothing to start it with: the error, or the absence of a result, passes it by.
            unsafe target.state = .dead
            target.body = nil
            target = target.parent!.core.liveTarget
        }
        announce(failure == nil ? .switch : .throw)
        do {
            let next = try unsafe target.continuation()
            target.joinFlow(of: self)
            unsafe target.message = result
            unsafe target.injected = failure
            return unsafe next
        } catch {
            // The parent waits in a loop, or has ended with its fiber: whoever switched in is told.
            guard let resumer, let next = unsafe resumer.suspended else {
                fatalError("a greenlet ended and neither its parent nor who switched to it can go on: \(error)")
            }
            unsafe resumer.injected = failure ?? error
            return unsafe next
        }
    }

    // MARK: Ending

    func lostHandle() {
        guard unsafe state == .active, !isMain else { return }
        // Running now: whoever continues after it sees that it has no handle and unwinds it.
        if isOnOwnThread, caller === self { return }
        abandon()
    }

    /// Cancels the wait of a body that is parked in a loop.
    private func endWait() {
        guard let context = unsafe context, let core = unsafe thread.pointee.core else { return }
        // Its fiber knows where it waits: here, or in a generator that was resumed here.
        var parked = unsafe context
        if let waiting = unsafe swiftlet_flow_of(context)!.pointee.parked,
            unsafe swiftlet_greenlet_stack_of(waiting) == context
        {
            unsafe parked = unsafe waiting
        }
        if unsafe parked.pointee.wait_id != 0 {
            unsafe swiftlet_wait_decide_here(core, parked, parked.pointee.wait_id, CInt(SWIFTLET_OUTCOME_CANCELLED))
        }
    }

    override func unwind() {
        // A body that ignores the error by switching away is seen by `arrive`, which would begin anew without end.
        guard unsafe state == .active, !isMain, !isUnwinding, caller !== self else { return }
        if unsafe suspended == nil {
            // It waits in a loop: its wait ends by cancellation, and it unwinds from there.
            endWait()
            return
        }
        isUnwinding = true
        defer { isUnwinding = false }
        let caller = caller
        let earlier = parent
        for attempt in 0..<2 {
            // Control comes back here at its end, whatever its parent was.
            parent = AnyGreenlet(core: caller)
            unsafe injected = GreenletExit()
            do {
                _ = try caller.transfer(to: self, .throw)
            } catch {
                Report(.unwindingError, "greenlet \(name ?? "") threw \(error) while it was unwound").post()
            }
            if unsafe state == .dead { break }
            if attempt == 1 {
                // A stack cannot be discarded while frames on it own things, and this body will not leave it.
                fatalError(
                    """
                    greenlet \(name ?? "") ignored GreenletExit twice. Let the error pass: catch it only to clean up, \
                    then rethrow it.
                    """)
            }
        }
        parent = earlier
    }
}
