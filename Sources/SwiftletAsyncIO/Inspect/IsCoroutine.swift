// Nobody passes these a trailing closure: a function is asked about by its name.
// swift-format-ignore-file: AmbiguousTrailingClosureOverload

/// Whether a value is a coroutine object. Python's `inspect.iscoroutine`.
public func isCoroutine(_ value: Any) -> Bool { value is AnyCoroutine }

/// Whether a function is a coroutine function: one that is `async`, or returns a `Coroutine`. The type tells, so this is
/// known when the program is compiled.
public func isCoroutineFunction<each Argument, Value>(_ function: (repeat each Argument) async throws -> Value) -> Bool
{
    true
}

public func isCoroutineFunction<each Argument, Value>(
    _ function: (repeat each Argument) throws -> Coroutine<Value>
) -> Bool { true }

@_disfavoredOverload
public func isCoroutineFunction(_ value: Any) -> Bool { false }
