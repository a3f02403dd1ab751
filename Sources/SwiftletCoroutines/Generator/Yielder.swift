public import CSwiftlet

/// What a generator's body calls to hand out an element. Conventionally named `yield`:
///
/// ```swift
/// let squares = Generator<Int> { yield in
///     for n in 0... { try yield(n * n) }
/// }
/// ```
///
/// It may be passed to functions that the body calls, at any depth. Calling it from anywhere but the body's own
/// stack throws `GeneratorError.yieldOutsideBody`.
@safe
public struct Yielder<Element, Sent> {
    @usableFromInline let core: YieldTarget<Element, Sent>

    init<Outcome>(_ core: GeneratorCore<Element, Sent, Outcome>) {
        self.core = core
    }

    /// Hands out an element and suspends the body until the generator is resumed.
    ///
    /// - Returns: what `send(_:)` passes.
    /// - Throws: what `throw(_:)` passes; `GeneratorExit` when the generator is closed or dropped: let it pass.
    @inlinable
    @discardableResult
    public func callAsFunction(_ element: consuming Element) throws -> Sent {
        // Safe: records are never freed; a core without stack has no context, which no running stack equals.
        let context = unsafe core.context
        guard unsafe core.thread.pointee.current == context else { throw GeneratorError.yieldOutsideBody }
        unsafe core.element = element
        unsafe core.state = .suspended
        unsafe swiftlet_suspend_generator(context)
        if let error = unsafe core.injected {
            unsafe core.injected = nil
            throw error
        }
        let sent = unsafe core.sent.unsafelyUnwrapped
        unsafe core.sent = nil
        return sent
    }
}

extension Yielder {
    /// What `locals` of the generator shows.
    public var locals: [String: Any] {
        get { unsafe core.locals }
        nonmutating set { unsafe core.locals = newValue }
    }
}

extension Yielder where Element == Void {
    /// Suspends the body until the generator is resumed.
    @inlinable
    @discardableResult
    public func callAsFunction() throws -> Sent { try self(()) }
}

extension Yielder {
    /// Hands out every element of another generator; what is sent or thrown meanwhile goes to that one, as does
    /// closing. Python's `yield from`.
    ///
    /// - Returns: what the other's body returned.
    public func from<Outcome>(_ other: BidirectionalGenerator<Element, Sent, Outcome>) throws -> Outcome {
        // One that has begun already continues, if there is something to send it.
        var next: Element?
        if other.state != .created, let nothing = () as? Sent {
            next = try other.send(nothing)
        } else {
            next = try other.start()
        }
        while let element = next {
            let sent: Sent
            do {
                sent = try self(element)
            } catch let exit as GeneratorExit {
                try other.close()
                throw exit
            } catch {
                next = try other.throw(error)
                continue
            }
            next = try other.send(sent)
        }
        return try other.returnValue()
    }

    /// Hands out every element of a sequence.
    // A generator is a sequence too, but must go to the other one, which passes on what is thrown.
    @_disfavoredOverload
    public func from(_ elements: some Sequence<Element>) throws where Sent == Void {
        for element in elements { try self(element) }
    }
}
