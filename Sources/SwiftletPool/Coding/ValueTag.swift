// How a value lies on the wire: one byte that says what follows, so that a reader can pass over what it does not want and
// notices what it did not expect. Numbers are little-endian.

/// The byte before a value.
enum ValueTag: UInt8 {
    case null
    case no
    case yes
    /// A signed number: zigzag, seven bits a byte.
    case signed
    /// An unsigned number: seven bits a byte.
    case unsigned
    case wide
    case single
    case double
    /// A length and UTF-8.
    case text
    /// The kind of the elements, their number, and they as they lie in memory.
    case packed
    /// A length in 4 bytes, then keys (length and UTF-8), each before its value.
    case keyed
    /// A length and a number in 4 bytes each, then values.
    case unkeyed
}

/// What arrays of which type go as they lie in memory.
enum PackedElement: UInt8 {
    case uint8, int8, uint16, int16, uint32, int32, uint64, int64, uint, int, float, double

    /// The kind of an array type's elements; `nil` for arrays that go value by value.
    @inline(__always)
    static func ofArray<Value>(_ type: Value.Type) -> PackedElement? {
        if type == [UInt8].self { return .uint8 }
        // Every array is one reference: nothing else need be compared with all of them.
        guard MemoryLayout<Value>.size == MemoryLayout<[UInt8]>.size, !_isPOD(type) else { return nil }
        return ofOtherArray(type)
    }

    private static func ofOtherArray<Value>(_ type: Value.Type) -> PackedElement? {
        if type == [Int].self { return .int }
        if type == [Double].self { return .double }
        if type == [Float].self { return .float }
        if type == [Int32].self { return .int32 }
        if type == [UInt32].self { return .uint32 }
        if type == [Int64].self { return .int64 }
        if type == [UInt64].self { return .uint64 }
        if type == [UInt].self { return .uint }
        if type == [Int16].self { return .int16 }
        if type == [UInt16].self { return .uint16 }
        if type == [Int8].self { return .int8 }
        return nil
    }

    var size: Int {
        switch self {
        case .uint8, .int8: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float: 4
        case .uint64, .int64, .uint, .int, .double: 8
        }
    }
}

/// A value of a type that is known to be this one.
@inline(__always)
func same<From, To>(_ value: From, as: To.Type) -> To {
    // Safe: the caller has compared the types.
    unsafeBitCast(value, to: To.self)
}
