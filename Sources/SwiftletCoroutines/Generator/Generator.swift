/// A sequence whose elements are produced by a function that runs only when the next one is wanted.
///
/// ```swift
/// let fibonacci = Generator<Int> { yield in
///     var (a, b) = (0, 1)
///     while true { try yield(a); (a, b) = (b, a + b) }
/// }
/// for n in fibonacci.prefix(10) { print(n) }
/// ```
///
/// The body runs on a stack of its own, so `yield` works at any depth of calls. Nothing runs before the first
/// element is asked for. When the generator is dropped while suspended, its body is unwound by `GeneratorExit`.
/// The source is Python's generator.
public typealias Generator<Element> = BidirectionalGenerator<Element, Void, Void>

/// A generator that also takes values: each `yield` returns what the caller sent, and the body's result can be read.
///
/// `Element` is what comes out, `Sent` what goes in, `Outcome` what the body returns.
///
/// Thread rules: a generator belongs to the thread that made it; resuming it elsewhere throws
/// `GeneratorError.wrongThread`. It may be dropped anywhere.
@safe
public final class BidirectionalGenerator<Element, Sent, Outcome> {
    @usableFromInline let core: GeneratorCore<Element, Sent, Outcome>

    /// The error that ended a `for` loop over this generator early, if one did: `for` itself cannot throw.
    public internal(set) var failure: (any Error)?

    /// Makes a generator; its body does not start yet.
    ///
    /// - Parameters:
    ///   - name: how overflow reports and diagnostics call it.
    ///   - stackSize: bytes of address space for the body's stack, 32 KB to 8 MB; memory is used only as touched.
    ///   - arguments: what `locals` shows from the start.
    ///   - body: hands out elements with the `Yielder` it is given.
    public init(
        name: String? = nil, stackSize: Int = StackSize.default, arguments: [String: Any] = [:],
        _ body: @escaping (Yielder<Element, Sent>) throws -> Outcome
    ) {
        core = GeneratorCore(stackSize: stackSize, name: name, body: body)
        if !arguments.isEmpty { unsafe core.locals = arguments }
    }

    deinit { core.abandon() }

    /// Where the body stands.
    public var state: GeneratorState { unsafe core.state }

    /// The arguments given, and what the body keeps in its yielder's `locals`; empty once it is closed. Compiled code keeps
    /// no named variables that could be read from outside.
    public var locals: [String: Any] { unsafe core.locals }

    /// What the body returned, or the error it ended with; `nil` before its end.
    public var outcome: Result<Outcome, any Error>? { unsafe core.outcome }

    /// Resumes the body and sends it a value, which its pending `yield` returns.
    ///
    /// - Returns: the next element; `nil` when the body has ended.
    /// - Throws: what the body throws; `GeneratorError.sendBeforeStart` for a body that no `yield` waits in yet.
    @inlinable
    public func send(_ value: Sent) throws -> Element? {
        if unsafe core.state == .created, Sent.self != Void.self { throw GeneratorError.sendBeforeStart }
        unsafe core.sent = value
        return try core.resume()
    }

    /// Runs the body up to its first `yield`. Python's `next` on a new generator.
    ///
    /// - Throws: `GeneratorError.alreadyStarted` when it has begun.
    public func start() throws -> Element? {
        if unsafe core.state == .created { return try core.resume() }
        throw GeneratorError.alreadyStarted
    }

    /// Throws an error at the suspension point. A body that has not started never runs and ends with the error.
    ///
    /// - Returns: the next element, if the body catches the error and goes on.
    public func `throw`(_ error: any Error) throws -> Element? {
        if unsafe core.state == .created {
            try close()
            unsafe core.outcome = .failure(error)
            throw error
        }
        unsafe core.injected = error
        do {
            return try core.resume()
        } catch {
            unsafe core.injected = nil
            throw error
        }
    }

    /// Ends the body: `GeneratorExit` is thrown at its suspension point, so its `defer`s and `deinit`s run.
    ///
    /// Closing an ended generator does nothing.
    /// - Throws: `GeneratorError.ignoredExit` when the body yields again; whatever else it throws meanwhile.
    public func close() throws { try core.close() }

    func returnValue() throws -> Outcome {
        guard let outcome else { throw GeneratorError.notFinished }
        return try outcome.get()
    }
}

extension BidirectionalGenerator where Sent == Void {
    /// Resumes the body.
    ///
    /// - Returns: the next element; `nil` when the body has ended.
    /// - Throws: what the body throws.
    @inlinable
    public func next() throws -> Element? {
        unsafe core.sent = ()
        return try core.resume()
    }
}

extension BidirectionalGenerator: Sequence where Sent == Void {
    /// Iterates by resuming the body. All iterators of one generator share its position. An error ends the
    /// iteration and is kept in `failure`; use `next()` where it should be thrown.
    @safe
    public struct Iterator: IteratorProtocol {
        @usableFromInline let generator: BidirectionalGenerator

        @inlinable
        init(_ generator: BidirectionalGenerator) { self.generator = generator }

        @inlinable
        public mutating func next() -> Element? {
            do {
                return try generator.next()
            } catch {
                generator.keep(error)
                return nil
            }
        }
    }

    @inlinable
    public func makeIterator() -> Iterator { Iterator(self) }

    @usableFromInline
    func keep(_ error: any Error) { failure = error }
}

/// A generator of whatever type: for asking whether a value is one.
package protocol AnyGenerator: AnyObject {
    var state: GeneratorState { get }
}

extension BidirectionalGenerator: AnyGenerator {}
