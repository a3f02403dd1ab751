/// A value without its type: what crosses between a generic handle and the non-generic machinery behind it.
///
/// Code that runs on unspecialized generics spends most of its time looking up types at run time, so the machinery knows
/// none. Public only because inlined code names it: no promise is made about it. A value without references and of at most a word lies here, any other in a box.
@safe
public struct ErasedValue {
    @usableFromInline var word: UInt64 = 0
    @usableFromInline var box: AnyObject?

    /// Nothing yet.
    @inlinable
    public init() {}

    @inlinable
    @inline(__always)
    public init<Value>(_ value: Value) {
        if Self.liesInline(Value.self) {
            // Safe: it fits, and the word is aligned for everything that fits.
            unsafe withUnsafeMutablePointer(to: &word) {
                _ = unsafe UnsafeMutableRawPointer($0).initializeMemory(as: Value.self, to: value)
            }
        } else {
            box = ValueBox(value)
        }
    }

    /// The value, which must have been put in as this very type.
    @inlinable
    @inline(__always)
    public func value<Value>(as type: Value.Type) -> Value {
        if Self.liesInline(type) {
            return unsafe withUnsafePointer(to: word) { unsafe UnsafeRawPointer($0).load(as: Value.self) }
        }
        return unsafe unsafeDowncast(box.unsafelyUnwrapped, to: ValueBox<Value>.self).value
    }

    @inlinable
    @inline(__always)
    static func liesInline<Value>(_ type: Value.Type) -> Bool {
        _isPOD(type) && MemoryLayout<Value>.size <= 8 && MemoryLayout<Value>.alignment <= 8
    }
}

@usableFromInline
final class ValueBox<Value> {
    @usableFromInline let value: Value

    @inlinable
    init(_ value: Value) { self.value = value }
}
