/// Awaits a value of which only run time tells whether it can be awaited.
///
/// Swift's own `await` on something that does not suspend is a warning at most; this is Python's, which refuses.
/// - Throws: `CoroutineError.notAwaitable`; else what awaiting throws.
@discardableResult
public func awaitAny<Value: Sendable>(_ value: Value) async throws -> any Sendable {
    guard let awaitable = value as? any Awaitable else {
        throw CoroutineError.notAwaitable(type: "\(type(of: value as Any))")
    }
    return try await erasedValue(of: awaitable)
}

private func erasedValue<A: Awaitable>(of awaitable: A) async throws -> any Sendable { try await awaitable.value }
