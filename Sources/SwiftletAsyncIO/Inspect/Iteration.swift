public import SwiftletCoroutines

/// Something was iterated that cannot be.
public enum IterationError: Error, Hashable, CustomStringConvertible {
    /// It is no `Sequence`.
    case notIterable(type: String)
    /// It is no `IteratorProtocol`.
    case notIterator(type: String)
    /// A coroutine in the body of a plain generator, which has nobody to await it.
    case cannotDelegate(type: String)

    public var description: String {
        switch self {
        case .notIterable(let type): "'\(type)' object is not iterable"
        case .notIterator(let type): "'\(type)' object is not an iterator"
        case .cannotDelegate(let type):
            "cannot 'yield from' a \(type) object in a non-coroutine generator: make it a GeneratorCoroutine"
        }
    }
}

/// An iterator over a value of which only run time tells whether it is a sequence. Python's `iter`.
///
/// - Throws: `IterationError.notIterable`.
public func iterAny(_ value: Any) throws(IterationError) -> AnyIterator<Any> {
    guard let sequence = value as? any Sequence else { throw .notIterable(type: typeName(of: value)) }
    return erased(sequence)
}

/// The next element of a value of which only run time tells whether it is an iterator; a generator is. Python's `next`.
///
/// - Returns: `nil` at its end, where Python throws `StopIteration`. Of an iterator that is a value, a copy moves on.
/// - Throws: `IterationError.notIterator`.
public func nextAny(_ value: Any) throws(IterationError) -> Any? {
    if value is any AnyGenerator, let sequence = value as? any Sequence { return erased(sequence).next() }
    guard var iterator = value as? any IteratorProtocol else { throw .notIterator(type: typeName(of: value)) }
    return iterator.next()
}

extension Yielder where Element == Any, Sent == Void {
    /// Hands out every element of a value of which only run time tells whether it is a sequence.
    ///
    /// - Throws: `IterationError.cannotDelegate` for a coroutine, `.notIterable`.
    public func fromAny(_ value: Any) throws {
        if value is AnyCoroutine { throw IterationError.cannotDelegate(type: typeName(of: value)) }
        for element in try iterAny(value) { try self(element) }
    }
}

private func erased<Elements: Sequence>(_ sequence: Elements) -> AnyIterator<Any> {
    var iterator = sequence.makeIterator()
    return AnyIterator { iterator.next() }
}

/// `Coroutine`, whatever it is a coroutine of.
private func typeName(of value: Any) -> String { String("\(type(of: value))".prefix { $0 != "<" }) }
