public import CSwiftlet

/// The part of a generator's state that its `Yielder` touches.
///
/// No access to these properties can be open across a switch: each is a single load or store. So the dynamic check of
/// exclusivity, which would cost more than the switch, is off.
@safe
@usableFromInline
class YieldTarget<Element, Sent>: StackOwner {
    @usableFromInline @exclusivity(unchecked) final var state = GeneratorState.created
    @usableFromInline @exclusivity(unchecked) final var element: Element?
    @usableFromInline @exclusivity(unchecked) final var sent: Sent?
    @usableFromInline @exclusivity(unchecked) final var injected: (any Error)?
    /// What the body shows of itself; empty once it is closed.
    @exclusivity(unchecked) final var locals: [String: Any] = [:]
}

/// The state shared by a generator and its running body.
///
/// States: `created` -> `running` <-> `suspended` -> `closed`. `resume` is the only edge into `running`; `yield` the
/// only one into `suspended`; the end of the body the only one into `closed` (or `close` of one never started).
/// Values cross in `element` (outward) and `sent` or `injected` (inward); each is empty while nobody crosses.
@safe
@usableFromInline
final class GeneratorCore<Element, Sent, Outcome>: YieldTarget<Element, Sent> {
    @exclusivity(unchecked) var body: ((Yielder<Element, Sent>) throws -> Outcome)?
    @exclusivity(unchecked) var outcome: Result<Outcome, any Error>?

    init(stackSize: Int, name: String?, body: @escaping (Yielder<Element, Sent>) throws -> Outcome) {
        unsafe self.body = body
        super.init(stackSize: stackSize, name: name)
    }

    /// Continues the body until it yields or ends. The caller has put what crosses into `sent` or `injected`.
    @inlinable
    func resume() throws -> Element? {
        if unsafe state != .suspended || !isOnOwnThread {
            guard try prepareToResume() else { return nil }
        }
        unsafe state = .running
        // Safe: not nil from the first resume to the end; the switch has no Swift access open across it.
        let context = unsafe self.context.unsafelyUnwrapped
        unsafe swiftlet_resume_generator(context)
        if unsafe state == .suspended {
            let result = unsafe element
            unsafe element = nil
            return result
        }
        return try finish()
    }

    /// False when the generator has ended.
    @usableFromInline
    @inline(never)
    func prepareToResume() throws -> Bool {
        guard isOnOwnThread else { throw GeneratorError.wrongThread(owner: threadIdentity) }
        switch unsafe state {
        case .created:
            unsafe swiftlet_thread_take_abandoned(thread)
            try acquireStack(kind: SWIFTLET_KIND_GENERATOR)
            return true
        case .running: throw GeneratorError.alreadyExecuting
        case .suspended: return true
        case .closed:
            unsafe sent = nil
            if let error = unsafe injected {
                unsafe injected = nil
                throw error
            }
            return false
        }
    }

    @usableFromInline
    @inline(never)
    func finish() throws -> Element? {
        if case .failure(let error) = unsafe outcome { throw error }
        return nil
    }

    override func run() -> ContextPointer {
        let body = unsafe self.body.take()!
        unsafe sent = nil  // the first resume starts the body and has no `yield` to return a value from
        do {
            if let error = unsafe injected.take() { throw error }
            unsafe outcome = .success(try body(Yielder(self)))
        } catch is StopIteration {
            unsafe outcome = .failure(GeneratorError.raisedStopIteration)
        } catch {
            unsafe outcome = .failure(error)
        }
        unsafe state = .closed
        unsafe locals = [:]
        let resumer = unsafe context!.pointee.resumer!
        stackEnds()
        return unsafe resumer
    }

    override func unwind() {
        do {
            try close()
        } catch GeneratorError.ignoredExit {
            // A stack cannot be discarded while frames on it own things, and this body will not leave it.
            fatalError(
                """
                generator \(name ?? "") yielded again while it was being closed, twice. Let GeneratorExit pass: \
                catch it only to clean up, then rethrow it.
                """)
        } catch {
            Report(.unwindingError, "generator \(name ?? "") threw \(error) while it was unwound").post()
        }
    }

    func close() throws {
        switch unsafe state {
        case .closed: return
        case .created:
            unsafe state = .closed
            unsafe body = nil
            unsafe locals = [:]
            return
        case .running: throw GeneratorError.alreadyExecuting
        case .suspended: break
        }
        for _ in 0..<2 {
            unsafe injected = GeneratorExit()
            do {
                guard try resume() != nil else { return }
            } catch is GeneratorExit {
                return
            }
        }
        throw GeneratorError.ignoredExit
    }
}

extension Optional where Wrapped: ~Copyable {
    /// Empties it and returns what was there.
    @inlinable
    mutating func take() -> Self {
        let result = consume self
        self = nil
        return result
    }
}
