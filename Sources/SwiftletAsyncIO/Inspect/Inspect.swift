// Functions are given by name here, not as trailing closures.
// swift-format-ignore-file: AmbiguousTrailingClosureOverload

import SwiftletCoroutines

// What Python's `inspect` asks at run time. In Swift the types say most of it; these are for values of type `Any` and for
// code that follows Python.

/// The value is a `Coroutine`. Not for a generator-based one, as in Python.
public func isCoroutine(_ value: Any) -> Bool { value is AnyCoroutine }

/// The value can be awaited by `awaitAny`.
public func isAwaitable(_ value: Any) -> Bool { value is any Awaitable }

/// The value is a `Future`, of which tasks are one sort.
public func isFuture(_ value: Any) -> Bool { value is AnyFuture }

/// The value is a generator, or a coroutine that is based on one.
public func isGenerator(_ value: Any) -> Bool { value is any AnyGenerator }

/// The value is an async generator.
public func isAsyncGenerator(_ value: Any) -> Bool { value is any AnyAsyncGeneratorHandle }

protocol AnyAsyncGeneratorHandle {}
extension BidirectionalAsyncGenerator: AnyAsyncGeneratorHandle {}

// MARK: Functions

/// The function is `async`, or makes a `Coroutine`.
public func isCoroutineFunction<each Argument, Value>(_ function: (repeat each Argument) async throws -> Value) -> Bool
{
    true
}

/// The same, where the function is synchronous: true if it makes a `Coroutine`.
public func isCoroutineFunction<each Argument, Value>(_ function: (repeat each Argument) throws -> Value) -> Bool {
    Value.self is AnyCoroutine.Type
}

/// The same for a value of which only run time tells what it is.
@_disfavoredOverload
public func isCoroutineFunction(_ value: Any) -> Bool {
    isFunction(value) { $0.contains(") async ") || $0.contains(" -> Coroutine<") }
}

/// The function makes a generator.
public func isGeneratorFunction<each Argument, Value>(_ function: (repeat each Argument) throws -> Value) -> Bool {
    Value.self is any AnyGenerator.Type
}

/// The same for an async function, which makes none before it is awaited, and for any other value.
@_disfavoredOverload
public func isGeneratorFunction(_ value: Any) -> Bool {
    isFunction(value) { !$0.contains(") async ") && $0.contains(" -> BidirectionalGenerator<") }
}

/// The function makes an async generator.
public func isAsyncGeneratorFunction<each Argument, Value>(_ function: (repeat each Argument) throws -> Value) -> Bool {
    Value.self is any AnyAsyncGeneratorHandle.Type
}

/// The same for an async function, which makes none before it is awaited, and for any other value.
@_disfavoredOverload
public func isAsyncGeneratorFunction(_ value: Any) -> Bool {
    isFunction(value) { !$0.contains(") async ") && $0.contains(" -> BidirectionalAsyncGenerator<") }
}

/// A function's type can only be looked up by its name: a cast would have to match it exactly.
private func isFunction(_ value: Any, _ isWanted: (String) -> Bool) -> Bool {
    let name = "\(type(of: value))"
    let begins = ["(", "@", "nonisolated(nonsending) "].contains { name.hasPrefix($0) }
    return begins && name.contains(" -> ") && isWanted(name)
}

// MARK: Flags

/// What sort of coroutine something is: Python's `CO_COROUTINE` and `CO_ITERABLE_COROUTINE`.
public struct CoroutineFlags: OptionSet, Sendable, Hashable {
    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Async code: a `Coroutine`.
    public static let native = CoroutineFlags(rawValue: 0x80)
    /// A generator that may be awaited: a `GeneratorCoroutine`.
    public static let iterable = CoroutineFlags(rawValue: 0x100)
}

extension AnyCoroutine {
    /// What sort of coroutine it is: `.native`.
    public final var flags: CoroutineFlags { .native }
}

extension GeneratorCoroutine {
    /// What sort of coroutine it is: `.iterable`.
    public var flags: CoroutineFlags { .iterable }
}
