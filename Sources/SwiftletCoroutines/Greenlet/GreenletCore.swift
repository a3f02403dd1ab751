import CSwiftlet

enum GreenletState: String {
    case unstarted
    case active
    case dead
}

/// A greenlet's state; outlives its handle while the body runs or unwinds.
///
/// States: `unstarted` -> `active` -> `dead`; an unstarted one into which an error is thrown is dead at once. A main
/// core stands for the stack of a thread, fiber or task: always active, never owning a stack.
///
/// Ownership: handles own cores; a started core is also kept by itself until its body has ended, so that it may lose
/// its handle while it runs. One that is suspended without a handle is unwound by whoever continues after it.
@safe
final class GreenletCore<Message>: StackOwner {
    private(set) var state = GreenletState.unstarted
    private(set) var parent: Greenlet<Message>?
    weak var handle: Greenlet<Message>?

    private var body: ((Message) throws -> Message?)?
    private var message: Message?
    private var injected: (any Error)?
    /// What runs when control comes back: its own stack, or a generator that it was resuming. Its home for main.
    private var suspended: ContextPointer?
    /// For main: which occupant of the home stack it stands for.
    private var homeRun: UInt64 = 0

    private var isUnwinding = false
    let isMain: Bool

    init(name: String?, parent: Greenlet<Message>, stackSize: Int, body: @escaping (Message) throws -> Message?) {
        self.body = body
        self.parent = parent
        isMain = false
        super.init(stackSize: stackSize, name: name)
    }

    init(mainOf home: ContextPointer) {
        isMain = true
        super.init(stackSize: 0, name: nil)
        state = .active
        unsafe suspended = unsafe home
        homeRun = unsafe home.pointee.run
    }

    static var current: GreenletCore { unsafe GreenletThread.current.core(of: currentThread().pointee.current) }

    var publicHandle: Greenlet<Message> { handle ?? Greenlet(core: self) }

    // MARK: Transfers of control

    func switchTo(_ message: Message?) throws -> Message? {
        let caller = try checkedCaller()
        let target = liveTarget()
        if target === caller { return message }
        if target.state == .unstarted, message == nil { throw GreenletError.missingFirstMessage }
        target.message = message
        return try caller.transfer(to: target, .switch)
    }

    func throwInto(_ error: any Error) throws -> Message? {
        let caller = try checkedCaller()
        var target = liveTarget()
        while target.state == .unstarted {
            target.state = .dead
            target.body = nil
            target = target.parent!.core.liveTarget()
        }
        if target === caller {
            if error is GreenletExit, target !== self { return nil }
            throw error
        }
        // Of one that has not run, GreenletExit is an ordinary end: its parent goes on, with nothing.
        if target === self || !(error is GreenletExit) { target.receive(error) }
        return try caller.transfer(to: target, .throw)
    }

    func setParent(_ new: Greenlet<Message>) throws {
        guard !isMain else { throw GreenletError.mainHasNoParent }
        guard unsafe new.core.thread == thread else {
            throw unsafe GreenletError.wrongThread(
                owner: ThreadIdentity(new.core.thread, serial: new.core.threadSerial),
                current: ThreadIdentity(thread, serial: threadSerial))
        }
        var ancestor: Greenlet<Message>? = new
        while let next = ancestor {
            if next.core === self { throw GreenletError.cyclicParents }
            ancestor = next.core.parent
        }
        parent = new
    }

    private func checkedCaller() throws -> GreenletCore {
        guard isOnOwnThread else {
            throw unsafe GreenletError.wrongThread(
                owner: ThreadIdentity(thread, serial: threadSerial), current: .current)
        }
        unsafe swiftlet_thread_take_abandoned(thread)
        let target = liveTarget()
        if target.isMain, unsafe target.suspended!.pointee.run != target.homeRun { throw GreenletError.homeEnded }
        return GreenletCore.current
    }

    /// This greenlet, or its nearest ancestor that is not dead.
    private func liveTarget() -> GreenletCore {
        var target = self
        while target.state == .dead { target = target.parent!.core }
        return target
    }

    /// A greenlet that ends by `GreenletExit` returns quietly; the suspended body itself must see the error.
    private func receive(_ error: any Error) { injected = error }

    private func transfer(to target: GreenletCore, _ event: GreenletEvent) throws -> Message? {
        let next = try unsafe target.continuation()
        let threadState = GreenletThread.current
        threadState.origin = self
        threadState.event = event
        unsafe suspended = unsafe thread.pointee.current
        unsafe swiftlet_switch(next)
        arrive(threadState)
        return try takeDelivered()
    }

    private func takeDelivered() throws -> Message? {
        if let error = injected.take() {
            message = nil
            throw error
        }
        return message.take()
    }

    /// The stack to switch to; starts the body's if it has none.
    private func continuation() throws -> ContextPointer {
        if state == .active { return unsafe suspended! }
        try acquireStack(kind: SWIFTLET_KIND_GREENLET)
        state = .active
        _ = unsafe Unmanaged.passRetained(self)  // released when the body has ended, by whoever continues
        return unsafe context!
    }

    /// Runs on the stack where control has arrived: tells the trace, and unwinds an origin that nobody can reach.
    private func arrive(_ threadState: GreenletThread) {
        guard let origin = threadState.origin.take().flatMap(GreenletCore.ofThisFamily) else { return }
        if !threadState.traces.isEmpty { trace(threadState, from: origin) }
        if origin.handle == nil, origin.state == .active, !origin.isMain { origin.unwind() }
    }

    private func trace(_ threadState: GreenletThread, from origin: GreenletCore) {
        guard let callback = threadState.traces[ObjectIdentifier(Message.self)] else { return }
        let trace = callback as! (GreenletEvent, Greenlet<Message>, Greenlet<Message>) throws -> Void
        do {
            try trace(threadState.event, origin.publicHandle, publicHandle)
        } catch {
            threadState.traces[ObjectIdentifier(Message.self)] = nil
            Report(.unretrievedError, "a greenlet trace callback threw \(error) and was removed").post()
        }
    }

    /// A cast that costs one comparison; `as?` would cost more than the switch.
    static func ofThisFamily(_ object: AnyObject) -> GreenletCore? {
        // Safe: the class is final, so equal metadata means equal type.
        unsafe type(of: object) == GreenletCore.self ? unsafeDowncast(object, to: GreenletCore.self) : nil
    }

    // MARK: The body's stack

    override func run() -> ContextPointer {
        let threadState = GreenletThread.current
        arrive(threadState)
        var result: Message?
        var failure: (any Error)?
        do {
            let body = body.take()!
            result = try body(try takeDelivered()!)
        } catch is GreenletExit {
            result = nil
        } catch {
            failure = error
        }
        state = .dead
        unsafe suspended = nil
        stackEnds()
        var target = parent!.core.liveTarget()
        while target.state == .unstarted, failure != nil || result == nil {
            // Nothing to start it with: the error, or the absence of a result, passes it by.
            target.state = .dead
            target.body = nil
            target = target.parent!.core.liveTarget()
        }
        target.message = result
        target.injected = failure
        threadState.origin = self
        threadState.event = failure == nil ? .switch : .throw
        let next: ContextPointer
        if target.state == .active {
            unsafe next = unsafe target.suspended!
        } else {
            do {
                unsafe next = try unsafe target.continuation()
            } catch {
                fatalError("no stack for the parent of a greenlet that ended: \(error)")
            }
        }
        threadState.ended = self  // holds the reference taken at the start until control has left this stack
        unsafe Unmanaged.passUnretained(self).release()
        return unsafe next
    }

    // MARK: Ending

    func handleIsGone() {
        guard state == .active, !isMain else { return }
        // Running now: whoever continues after it sees that it has no handle and unwinds it.
        if isOnOwnThread, GreenletCore.current === self { return }
        abandon()
    }

    override func unwind() {
        // A body that ignores the error by switching away is seen by `arrive`, which would begin anew without end.
        guard state == .active, !isMain, !isUnwinding else { return }
        isUnwinding = true
        defer { isUnwinding = false }
        let caller = GreenletCore.current
        let earlier = parent
        for attempt in 0..<2 {
            // Control comes back here at its end, whatever its parent was.
            parent = caller.publicHandle
            injected = GreenletExit()
            do {
                _ = try caller.transfer(to: self, .throw)
            } catch {
                Report(.unwindingError, "greenlet \(name ?? "") threw \(error) while it was unwound").post()
            }
            if state == .dead { break }
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
