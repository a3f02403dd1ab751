import SwiftletCoroutines
import SwiftletLoop

/// A sequence whose elements are produced by an async function that runs only when the next one is wanted. Python's
/// `async def` with `yield` in it.
///
/// ```swift
/// let ticks = AsyncGenerator<Int> { yield in
///     for n in 0... {
///         try await yield(n)
///         try await sleep(.seconds(1))
///     }
/// }
/// for try await n in ticks { print(n) }
/// ```
public typealias AsyncGenerator<Element: Sendable> = BidirectionalAsyncGenerator<Element, Void>

/// An async generator that also takes values: each `yield` returns what the caller sent.
///
/// Nothing runs before the first element is asked for; then the body runs in a task of its own, on the loop that runs
/// the caller, and only while somebody waits for an element. One that is dropped, or still there when its loop ends, is
/// closed: its body continues with `GeneratorExit`, so that it can clean up.
///
/// Cancellation: of the task that waits for an element cancels the body, once and for good: Swift's tasks cannot take a
/// cancellation back. A cancelled task does not even resume it.
///
/// Thread rules: may be used from any task, one at a time.
public final class BidirectionalAsyncGenerator<Element: Sendable, Sent: Sendable>: AsyncSequence, Sendable {
    let core: AsyncGeneratorCore<Element, Sent>

    /// Makes an async generator; its body does not start yet.
    ///
    /// - Parameters:
    ///   - name: how reports call it: by default the function that makes it.
    ///   - arguments: what `locals` shows from the start.
    ///   - body: hands out elements with the `AsyncYielder` it is given.
    public init(
        _ name: String = #function, arguments: [String: any Sendable] = [:],
        _ body: @escaping @Sendable (AsyncYielder<Element, Sent>) async throws -> Void
    ) {
        core = AsyncGeneratorCore(name: name, arguments: arguments, body)
    }

    deinit { core.abandon() }

    /// Where the body stands.
    public var state: AsyncGeneratorState { core.state }

    /// The arguments given, and what the body keeps in its yielder's `locals`; empty once it is closed.
    public var locals: [String: any Sendable] { core.locals }

    /// Runs the body up to its first `yield`. Python's `anext` on a new generator.
    ///
    /// - Returns: the first element; `nil` when the body ended without one.
    /// - Throws: what the body throws; `AsyncGeneratorError.alreadyStarted`; `CancellationError`.
    public func start() async throws -> Element? {
        if core.state != .created { throw AsyncGeneratorError.alreadyStarted }
        return try await core.resume(.start)
    }

    /// Sends a value, which the body's pending `yield` returns. Python's `asend`.
    ///
    /// - Returns: the next element; `nil` when the body has ended.
    /// - Throws: what the body throws; `AsyncGeneratorError.sendBeforeStart`; `.alreadyRunning`; `CancellationError`.
    public func send(_ value: Sent) async throws -> Element? { try await core.resume(.value(value)) }

    /// Throws an error at the body's pending `yield`. Python's `athrow`.
    ///
    /// - Returns: the next element, if the body deals with the error; `nil` when it ends.
    /// - Throws: what the body throws. One that has not begun, or has ended, throws the error itself.
    public func `throw`(_ error: any Error) async throws -> Element? { try await core.resume(.error(error)) }

    /// Ends the generator: `GeneratorExit` is thrown at its pending `yield`, and the body's clean-up waited for. Python's
    /// `aclose`.
    ///
    /// Cancellation: none; the clean-up completes.
    /// - Throws: what the body throws; `AsyncGeneratorError.ignoredExit` when it yields once more; `.alreadyRunning`.
    public func close() async throws { try await core.close() }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(generator: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let generator: BidirectionalAsyncGenerator

        public func next() async throws -> Element? { try await generator.resumeForNext() }
    }

    fileprivate func resumeForNext() async throws -> Element? {
        try await core.resume(core.state == .created ? .start : .value(try core.nothing()))
    }
}

extension BidirectionalAsyncGenerator where Sent == Void {
    /// The next element; `nil` when the body has ended. Python's `anext`.
    ///
    /// - Throws: what the body throws; `AsyncGeneratorError.alreadyRunning`; `CancellationError`.
    public func next() async throws -> Element? { try await resumeForNext() }
}

/// What the body of an async generator calls to hand out an element. Conventionally named `yield`.
public struct AsyncYielder<Element: Sendable, Sent: Sendable>: Sendable {
    let core: AsyncGeneratorCore<Element, Sent>

    /// Hands out an element and suspends the body until the generator is resumed.
    ///
    /// - Returns: what `send(_:)` passes.
    /// - Throws: what `throw(_:)` passes; `GeneratorExit` when the generator is closed or dropped: let it pass.
    ///   `AsyncGeneratorError.yieldOutsideBody` in another task than the body's.
    @discardableResult
    public func callAsFunction(_ element: Element) async throws -> Sent { try await core.yield(element) }

    /// What `locals` of the generator shows. Compiled code keeps no named variables that could be read from outside.
    public var locals: [String: any Sendable] {
        get { core.locals }
        nonmutating set { core.locals = newValue }
    }
}

extension AsyncYielder where Element == Void {
    /// Suspends the body until the generator is resumed.
    @discardableResult
    public func callAsFunction() async throws -> Sent { try await self(()) }
}

/// Where an async generator's body stands. Python's `AGEN_CREATED` and so on.
public enum AsyncGeneratorState: Sendable, Hashable, CustomStringConvertible {
    /// Nothing has run yet.
    case created
    /// The body runs, or waits for something, on behalf of whoever asked for an element.
    case running
    /// The body waits in a `yield`.
    case suspended
    /// The body has ended, or will never start.
    case closed

    /// Python's name of the state.
    public var description: String {
        switch self {
        case .created: "AGEN_CREATED"
        case .running: "AGEN_RUNNING"
        case .suspended: "AGEN_SUSPENDED"
        case .closed: "AGEN_CLOSED"
        }
    }
}

/// Misuse of an async generator.
public enum AsyncGeneratorError: Error, Hashable, CustomStringConvertible {
    /// Somebody waits for an element already.
    case alreadyRunning
    /// A value was sent to a body that waits in no `yield` yet.
    case sendBeforeStart
    /// `start()` on a body that has begun.
    case alreadyStarted
    /// A `for` loop over a generator that wants to be sent values.
    case needsValues
    /// The body yielded although it was being closed.
    case ignoredExit
    /// `yield` was called in another task than the body's, or after the body's end.
    case yieldOutsideBody
    /// `StopIteration` left the body.
    case raisedStopIteration

    public var description: String {
        switch self {
        case .alreadyRunning:
            "anext(): asynchronous generator is already running: wait for one element before asking for the next"
        case .sendBeforeStart:
            "can't send non-None value to a just-started async generator: no yield waits for it yet; call start() first"
        case .alreadyStarted: "the async generator has already started: call next() or send(_:)"
        case .needsValues: "the async generator takes values: drive it with start() and send(_:)"
        case .ignoredExit:
            "async generator ignored GeneratorExit: it yielded while being closed; let the error pass"
        case .yieldOutsideBody:
            "yield was called outside the async generator's body: it works only in the task that the body runs in"
        case .raisedStopIteration:
            "async generator raised StopIteration: return from the body to end it, or throw an error of your own"
        }
    }
}
