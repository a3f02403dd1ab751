public import SwiftletCoroutines
public import Synchronization

/// An async computation as a value: cold, it runs when it is awaited or made a task, and once. asyncio's coroutine
/// object.
///
/// A Swift function that returns one is what Python calls a coroutine function:
///
/// ```swift
/// func execute(_ x: Int) -> Coroutine<Int> {
///     Coroutine {
///         print("Number:", x)
///         return x
///     }
/// }
/// let task = try loop.createTask(execute(1))
/// ```
///
/// One that is dropped without having run is reported, with the place where it was created.
public final class Coroutine<Value: Sendable>: AnyCoroutine, Awaitable, @unchecked Sendable {
    // Touched by whoever has moved the state on, hence by one.
    @usableFromInline @exclusivity(unchecked) var body: (@Sendable () async throws -> Value)?

    /// Makes a coroutine.
    ///
    /// - Parameters:
    ///   - name: what descriptions call it: by default the function that makes it.
    ///   - file: where it is made, for descriptions.
    ///   - line: the same.
    ///   - body: what it does when it is awaited.
    @inlinable
    public init(
        _ name: String = #function, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping @Sendable () async throws -> Value
    ) {
        self.body = body
        super.init(name, arguments: nil, file: file, line: line)
    }

    /// Makes a coroutine whose arguments and variables can be looked at from outside: see `locals`.
    public init(
        _ name: String = #function, arguments: [String: any Sendable], file: StaticString = #fileID,
        line: UInt32 = #line, _ body: @escaping @Sendable (AnyCoroutine) async throws -> Value
    ) {
        super.init(name, arguments: arguments, file: file, line: line)
        self.body = { [unowned self] in try await body(self) }
    }

    /// Runs it, in the calling task, and answers its value.
    ///
    /// - Throws: what its body throws; `CoroutineError.alreadyAwaited` the second time, `.beingAwaited` meanwhile.
    public var value: Value {
        get async throws { try await run() }
    }

    @inlinable
    func run() async throws -> Value {
        try begin()
        defer { stage.store(Stage.closed.rawValue, ordering: .releasing) }
        do {
            return try await body.take().unsafelyUnwrapped()
        } catch is StopIteration {
            throw CoroutineError.raisedStopIteration
        }
    }

    override func dropBody() { body = nil }
}
