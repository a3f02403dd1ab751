public import SwiftletCoroutines
import SwiftletLoop

/// A coroutine whose body is a generator: plain synchronous code, which awaits by `from` and gives way by calling its
/// yielder. What Python's `types.coroutine` makes of a generator.
///
/// ```swift
/// let total = GeneratorCoroutine { yield in
///     try yield()                          // lets the others run
///     return try yield.from(first) + yield.from(second)
/// }
/// print(try await total.value)
/// ```
///
/// The body may await at any depth of synchronous calls, and keeps a stack meanwhile. It runs on the loop that runs who
/// awaits it; elsewhere on a shared one. Like a coroutine it runs once.
public final class GeneratorCoroutine<Value: Sendable>: Awaitable, CustomStringConvertible, @unchecked Sendable {
    private struct State {
        var stage = GeneratorState.created
        var locals: [String: any Sendable]
        var body: (@Sendable (CoroutineYielder) throws -> Value)?
    }

    /// The name of the function that it stands for.
    public let name: String
    private let shared: Locked<State>

    /// Makes one; its body does not start yet.
    ///
    /// - Parameters:
    ///   - name: what descriptions call it: by default the function that makes it.
    ///   - arguments: what `locals` shows from the start.
    ///   - body: synchronous code.
    public init(
        _ name: String = #function, arguments: [String: any Sendable] = [:],
        _ body: @escaping @Sendable (CoroutineYielder) throws -> Value
    ) {
        self.name = String(name.prefix { $0 != "(" })
        shared = Locked(State(locals: arguments, body: body))
    }

    /// Where the body stands.
    public var state: GeneratorState { shared.withLock { $0.stage } }

    /// The arguments given, and what the body keeps in its yielder's `locals`; empty once it is closed.
    public var locals: [String: any Sendable] { shared.withLock { $0.locals } }

    /// Runs it, in the calling task, and answers its value.
    ///
    /// Cancellation: `yield` and what the body awaits throw `CancellationError`.
    /// - Throws: what its body throws; `CoroutineError.alreadyAwaited` the second time, `.beingAwaited` meanwhile;
    ///   `GeneratorError.raisedStopIteration`.
    public var value: Value {
        get async throws {
            let body = try shared.withLock { state in
                switch state.stage {
                case .created: break
                case .closed: throw CoroutineError.alreadyAwaited(coroutine: name)
                case .running, .suspended: throw CoroutineError.beingAwaited(coroutine: name)
                }
                state.stage = .suspended
                return state.body.take()!
            }
            defer {
                shared.withLock { state in
                    state.stage = .closed
                    state.locals = [:]
                }
            }
            // A generator stays on its thread, so this has to come back to it after each step.
            return try await EventLoop.onLoop { _ in try await self.drive(body) }
        }
    }

    @concurrent
    private func drive(_ body: @escaping @Sendable (CoroutineYielder) throws -> Value) async throws -> Value {
        let generator = BidirectionalGenerator<CoroutineYielder.Request, Void, Value>(name: name) { [shared] yielder in
            try body(
                CoroutineYielder(
                    yielder: yielder, locals: { shared.withLock { $0.locals } },
                    setLocals: { new in shared.withLock { $0.locals = new } }))
        }
        var request = try step { try generator.start() }
        while let pending = request {
            do {
                switch pending {
                case .turn: try giveWay()
                case .awaiting(let work): await work()
                }
            } catch {
                request = try step { try generator.throw(error) }
                continue
            }
            request = try step { try generator.next() }
        }
        return try generator.outcome!.get()
    }

    private func step<Result>(_ resume: () throws -> Result) rethrows -> Result {
        shared.withLock { $0.stage = .running }
        defer { shared.withLock { $0.stage = .suspended } }
        return try resume()
    }

    public var description: String { "<generator coroutine \(name)>" }
}

extension GeneratorCoroutine: AnyGenerator {}

/// What the body of a `GeneratorCoroutine` gives way and awaits with. Conventionally named `yield`.
public struct CoroutineYielder {
    enum Request {
        /// Let the others run.
        case turn
        /// Suspend until this has been done.
        case awaiting(@Sendable () async -> Void)
    }

    let yielder: Yielder<Request, Void>
    fileprivate let getLocals: () -> [String: any Sendable]
    fileprivate let setLocals: ([String: any Sendable]) -> Void

    fileprivate init(
        yielder: Yielder<Request, Void>, locals: @escaping () -> [String: any Sendable],
        setLocals: @escaping ([String: any Sendable]) -> Void
    ) {
        self.yielder = yielder
        getLocals = locals
        self.setLocals = setLocals
    }

    /// What `locals` of the coroutine shows.
    public var locals: [String: any Sendable] {
        get { getLocals() }
        nonmutating set { setLocals(newValue) }
    }

    /// Lets everything else that is ready run first.
    ///
    /// - Throws: `CancellationError` when the task that awaits this is cancelled.
    public func callAsFunction() throws { try yielder(.turn) }

    /// Awaits something and answers its value. Python's `yield from` in such a generator.
    ///
    /// - Throws: what awaiting throws.
    public func from<A: Awaitable>(_ awaitable: A) throws -> A.Value {
        let result = Locked<Result<A.Value, any Error>?>(nil)
        try yielder(
            .awaiting {
                do {
                    let value = try await awaitable.value
                    result.withLock { $0 = .success(value) }
                } catch {
                    result.withLock { $0 = .failure(error) }
                }
            })
        return try result.withLock { $0! }.get()
    }
}
