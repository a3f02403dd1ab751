import Glibc

/// Reads what `BinaryEncoder` has written. Never reads outside the bytes, whatever they are.
///
/// The bytes must stay as they are while it is used. A container is good until the value that it was opened for has been
/// read.
final class BinaryDecoder: Decoder {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next value begins.
    var position: Int
    fileprivate var frames: [ContainerFrame] = []
    private var serial = 0
    /// Where the value begins that is being read.
    private var valueStart = 0

    fileprivate struct ContainerFrame {
        let serial: Int
        let start: Int
        let end: Int
        /// Where the next entry is expected.
        var cursor: Int
        let count: Int
    }

    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// Reads the next value; if that fails, the one behind it can still be read.
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let start = position
        position = try end(ofValueAt: start)
        return try read(type, at: start)
    }

    @inline(__always)
    fileprivate func read<Value: Decodable>(_ type: Value.Type, at start: Int) throws -> Value {
        if let kind = PackedElement.ofArray(type), tag(at: start) == .packed {
            return try readPacked(type, kind, at: start)
        }
        guard frames.count <= BinaryEncoder.deepest + 1 else { throw Self.corrupted("values are nested too deeply") }
        let before = (valueStart, frames.count)
        valueStart = start
        defer {
            valueStart = before.0
            if frames.count > before.1 { frames.removeSubrange(before.1...) }
        }
        return try Value(from: self)
    }

    // MARK: Bytes

    /// Reads a byte that is no value.
    func byte() throws -> UInt8 {
        defer { position += 1 }
        return try fixed(UInt8.self, at: position)
    }

    /// Reads a value as it lies in memory.
    func plain<Value>(_ type: Value.Type) throws -> Value {
        let size = plainStride(type)
        try need(size, at: position)
        defer { position += size }
        return withUnsafeTemporaryAllocation(of: type, capacity: 1) { aligned in
            UnsafeMutableRawBufferPointer(aligned).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[position..<position + size]))
            return aligned[0]
        }
    }

    static func corrupted(_ reason: String) -> DecodingError {
        .dataCorrupted(DecodingError.Context(codingPath: [], debugDescription: reason))
    }

    private func need(_ size: Int, at offset: Int) throws {
        guard size >= 0, size <= bytes.count - offset else {
            throw Self.corrupted("the bytes end in the middle of a value")
        }
    }

    @inline(__always)
    fileprivate func tag(at offset: Int) -> ValueTag? {
        offset < bytes.count ? ValueTag(rawValue: bytes[offset]) : nil
    }

    func fixed<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) throws -> Value {
        try need(MemoryLayout<Value>.size, at: offset)
        return bytes.loadUnaligned(fromByteOffset: offset, as: type)
    }

    @inline(__always)
    func variable(at offset: inout Int) throws -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard offset < bytes.count, shift < 64 else { throw Self.corrupted("a number does not end") }
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    private func length(at offset: inout Int) throws -> Int {
        guard let length = Int(exactly: try variable(at: &offset)) else {
            throw Self.corrupted("a length is too large")
        }
        try need(length, at: offset)
        return length
    }

    fileprivate func text(at offset: inout Int) throws -> UnsafeRawBufferPointer {
        let length = try length(at: &offset)
        defer { offset += length }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
    }

    func end(ofValueAt start: Int) throws -> Int {
        guard let tag = tag(at: start) else { throw Self.corrupted("there is no value at byte \(start)") }
        var offset = start + 1
        switch tag {
        case .null, .no, .yes: return offset
        case .signed, .unsigned: _ = try variable(at: &offset)
        case .wide: offset += 16
        case .single: offset += 4
        case .double: offset += 8
        case .text: _ = try text(at: &offset)
        case .packed: offset = try packed(at: start).end
        case .keyed, .unkeyed:
            let length = Int(try fixed(UInt32.self, at: offset))
            try need(length, at: offset + 4)
            offset += 4 + length
        }
        guard offset <= bytes.count else { throw Self.corrupted("the bytes end in the middle of a value") }
        return offset
    }

    // MARK: Scalars

    private func mismatch(_ type: Any.Type, at offset: Int) -> DecodingError {
        let found = tag(at: offset).map { "\($0)" } ?? "nothing"
        let context = DecodingError.Context(codingPath: [], debugDescription: "expected \(type), found \(found)")
        return tag(at: offset) == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    fileprivate func isNull(at offset: Int) -> Bool { tag(at: offset) == .null }

    fileprivate func bool(at offset: Int) throws -> Bool {
        switch tag(at: offset) {
        case .yes: return true
        case .no: return false
        default: throw mismatch(Bool.self, at: offset)
        }
    }

    fileprivate func string(at offset: Int) throws -> String {
        guard tag(at: offset) == .text else { throw mismatch(String.self, at: offset) }
        var offset = offset + 1
        let utf8 = try text(at: &offset)
        guard let text = String(validating: utf8, as: UTF8.self) else { throw Self.corrupted("a text is not UTF-8") }
        return text
    }

    fileprivate func double(at offset: Int) throws -> Double {
        guard tag(at: offset) == .double else { throw mismatch(Double.self, at: offset) }
        return try fixed(Double.self, at: offset + 1)
    }

    fileprivate func float(at offset: Int) throws -> Float {
        guard tag(at: offset) == .single else { throw mismatch(Float.self, at: offset) }
        return try fixed(Float.self, at: offset + 1)
    }

    @inline(__always)
    fileprivate func number<Number: FixedWidthInteger>(_ type: Number.Type, at start: Int) throws -> Number {
        var offset = start + 1
        let number: Number?
        switch tag(at: start) {
        case .signed:
            let zigzag = try variable(at: &offset)
            number = Number(exactly: Int64(bitPattern: zigzag >> 1) ^ -Int64(bitPattern: zigzag & 1))
        case .unsigned: number = Number(exactly: try variable(at: &offset))
        case .wide:
            let low = UInt128(try fixed(UInt64.self, at: offset))
            let all = UInt128(try fixed(UInt64.self, at: offset + 8)) << 64 | low
            number = Number.isSigned ? Number(exactly: Int128(truncatingIfNeeded: all)) : Number(exactly: all)
        default: throw mismatch(type, at: start)
        }
        guard let number else { throw Self.corrupted("a number does not fit into \(type)") }
        return number
    }

    // MARK: Packed arrays

    private func packed(at start: Int) throws -> (kind: PackedElement, begin: Int, end: Int, count: Int) {
        guard let kind = PackedElement(rawValue: try fixed(UInt8.self, at: start + 1)) else {
            throw Self.corrupted("an array has elements of an unknown kind")
        }
        var offset = start + 2
        guard let count = Int(exactly: try variable(at: &offset)) else { throw Self.corrupted("a length is too large") }
        let (size, overflow) = count.multipliedReportingOverflow(by: kind.size)
        guard !overflow else { throw Self.corrupted("a length is too large") }
        try need(size, at: offset)
        return (kind, offset, offset + size, count)
    }

    private func readPacked<Value>(_ type: Value.Type, _ wanted: PackedElement, at start: Int) throws -> Value {
        let packed = try packed(at: start)
        guard packed.kind == wanted else { throw mismatch(type, at: start) }
        let source = UnsafeRawBufferPointer(rebasing: bytes[packed.begin..<packed.end])
        switch wanted {
        case .uint8: return same(array(UInt8.self, source, packed.count), as: type)
        case .int8: return same(array(Int8.self, source, packed.count), as: type)
        case .uint16: return same(array(UInt16.self, source, packed.count), as: type)
        case .int16: return same(array(Int16.self, source, packed.count), as: type)
        case .uint32: return same(array(UInt32.self, source, packed.count), as: type)
        case .int32: return same(array(Int32.self, source, packed.count), as: type)
        case .uint64: return same(array(UInt64.self, source, packed.count), as: type)
        case .int64: return same(array(Int64.self, source, packed.count), as: type)
        case .uint: return same(array(UInt.self, source, packed.count), as: type)
        case .int: return same(array(Int.self, source, packed.count), as: type)
        case .float: return same(array(Float.self, source, packed.count), as: type)
        case .double: return same(array(Double.self, source, packed.count), as: type)
        }
    }

    private func array<Element: BitwiseCopyable>(
        _ type: Element.Type, _ source: UnsafeRawBufferPointer, _ count: Int
    ) -> [Element] {
        [Element](unsafeUninitializedCapacity: count) { target, initialized in
            UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
            initialized = count
        }
    }

    // MARK: Containers

    fileprivate func open(_ wanted: ValueTag, at start: Int) throws -> DecodingPlace {
        guard tag(at: start) == wanted else {
            throw mismatch(wanted == .keyed ? [String: Int].self as Any.Type : [Int].self, at: start)
        }
        let end = try end(ofValueAt: start)
        let content = start + (wanted == .keyed ? 5 : 9)
        guard content <= end else { throw Self.corrupted("a container is too short") }
        let count = wanted == .keyed ? 0 : Int(try fixed(UInt32.self, at: start + 5))
        // Each element takes a byte at least: whoever reserves memory for them must not be led to reserve more.
        guard count <= end - content else { throw Self.corrupted("a container claims more elements than it holds") }
        serial += 1
        frames.append(ContainerFrame(serial: serial, start: content, end: end, cursor: content, count: count))
        return DecodingPlace(decoder: self, index: frames.count - 1, serial: serial)
    }

    /// Where the value of a key begins; `nil` if there is none. Keys are mostly asked for in the order they were written in.
    fileprivate func find(_ key: some CodingKey, in place: DecodingPlace) throws -> Int? {
        let frame = try check(place)
        var name = key.stringValue
        return try name.withUTF8 { name in
            let name = UnsafeRawBufferPointer(name)
            if let found = try find(name, from: frame.cursor, to: frame.end) { return found }
            return try find(name, from: frame.start, to: frame.cursor)
        }
    }

    private func find(_ name: UnsafeRawBufferPointer, from start: Int, to end: Int) throws -> Int? {
        var offset = start
        while offset < end {
            let key = try text(at: &offset)
            if key.count == name.count, memcmp(key.baseAddress!, name.baseAddress!, key.count) == 0 { return offset }
            offset = try self.end(ofValueAt: offset)
        }
        return nil
    }

    fileprivate func passed(_ start: Int, in place: DecodingPlace) throws {
        frames[place.index].cursor = try end(ofValueAt: start)
    }

    fileprivate func check(_ place: DecodingPlace) throws -> ContainerFrame {
        guard place.index < frames.count, frames[place.index].serial == place.serial else {
            throw Self.corrupted("a container is used after its value was read")
        }
        return frames[place.index]
    }

    fileprivate func keys(in place: DecodingPlace) -> [String] {
        guard let frame = try? check(place) else { return [] }
        var keys: [String] = []
        var offset = frame.start
        while offset < frame.end, let key = try? text(at: &offset), let next = try? end(ofValueAt: offset) {
            keys.append(String(decoding: key, as: UTF8.self))
            offset = next
        }
        return keys
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(KeyedReader(place: try open(.keyed, at: valueStart)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        UnkeyedReader(place: try open(.unkeyed, at: valueStart))
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        SingleReader(decoder: self, at: valueStart)
    }
}

// MARK: -

/// A container that is being read.
private struct DecodingPlace {
    let decoder: BinaryDecoder
    let index: Int
    let serial: Int
}

private struct KeyedReader<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let place: DecodingPlace
    var codingPath: [any CodingKey] { [] }

    var allKeys: [Key] { place.decoder.keys(in: place).compactMap { Key(stringValue: $0) } }
    func contains(_ key: Key) -> Bool { (try? place.decoder.find(key, in: place)) != nil }

    @inline(__always)
    private func value<Value>(_ key: some CodingKey, _ read: (BinaryDecoder, Int) throws -> Value) throws -> Value {
        guard let start = try place.decoder.find(key, in: place) else {
            throw DecodingError.keyNotFound(
                key, DecodingError.Context(codingPath: [], debugDescription: "there is no \(key.stringValue)"))
        }
        let value = try read(place.decoder, start)
        try place.decoder.passed(start, in: place)
        return value
    }

    func decodeNil(forKey key: Key) throws -> Bool {
        guard let start = try place.decoder.find(key, in: place) else { return true }
        return place.decoder.isNull(at: start)
    }

    func decode(_: Bool.Type, forKey key: Key) throws -> Bool { try value(key) { try $0.bool(at: $1) } }
    func decode(_: String.Type, forKey key: Key) throws -> String { try value(key) { try $0.string(at: $1) } }
    func decode(_: Double.Type, forKey key: Key) throws -> Double { try value(key) { try $0.double(at: $1) } }
    func decode(_: Float.Type, forKey key: Key) throws -> Float { try value(key) { try $0.float(at: $1) } }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try number(type, key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try number(type, key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try number(type, key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try number(type, key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try number(type, key) }
    func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try number(type, key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try number(type, key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try number(type, key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try number(type, key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try number(type, key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try number(type, key) }
    func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try number(type, key) }

    @inline(__always)
    private func number<Number: FixedWidthInteger>(_ type: Number.Type, _ key: Key) throws -> Number {
        try value(key) { try $0.number(type, at: $1) }
    }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try value(key) { try $0.read(type, at: $1) }
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try value(key) { KeyedDecodingContainer(KeyedReader<NestedKey>(place: try $0.open(.keyed, at: $1))) }
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try value(key) { UnkeyedReader(place: try $0.open(.unkeyed, at: $1)) }
    }

    func superDecoder() throws -> any Decoder { try value(SuperKey()) { NestedDecoder(decoder: $0, start: $1) } }
    func superDecoder(forKey key: Key) throws -> any Decoder {
        try value(key) { NestedDecoder(decoder: $0, start: $1) }
    }
}

private struct UnkeyedReader: UnkeyedDecodingContainer {
    let place: DecodingPlace
    private(set) var currentIndex = 0
    private let size: Int
    var codingPath: [any CodingKey] { [] }

    init(place: DecodingPlace) {
        self.place = place
        size = place.decoder.frames[place.index].count
    }

    var count: Int? { size }
    var isAtEnd: Bool { currentIndex >= size }

    @inline(__always)
    private mutating func value<Value>(_ read: (BinaryDecoder, Int) throws -> Value) throws -> Value {
        let start = try place.decoder.check(place).cursor
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                Value.self, DecodingError.Context(codingPath: [], debugDescription: "there are only \(size) elements"))
        }
        let value = try read(place.decoder, start)
        try place.decoder.passed(start, in: place)
        currentIndex += 1
        return value
    }

    mutating func decodeNil() throws -> Bool {
        let start = try place.decoder.check(place).cursor
        guard !isAtEnd, place.decoder.isNull(at: start) else { return false }
        return try value { _, _ in true }
    }

    mutating func decode(_: Bool.Type) throws -> Bool { try value { try $0.bool(at: $1) } }
    mutating func decode(_: String.Type) throws -> String { try value { try $0.string(at: $1) } }
    mutating func decode(_: Double.Type) throws -> Double { try value { try $0.double(at: $1) } }
    mutating func decode(_: Float.Type) throws -> Float { try value { try $0.float(at: $1) } }
    mutating func decode(_ type: Int.Type) throws -> Int { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: Int128.Type) throws -> Int128 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try value { try $0.number(type, at: $1) } }
    mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try value { try $0.number(type, at: $1) } }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try value { try $0.read(type, at: $1) }
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try value { KeyedDecodingContainer(KeyedReader<NestedKey>(place: try $0.open(.keyed, at: $1))) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try value { UnkeyedReader(place: try $0.open(.unkeyed, at: $1)) }
    }

    mutating func superDecoder() throws -> any Decoder { try value { NestedDecoder(decoder: $0, start: $1) } }
}

private struct SingleReader: SingleValueDecodingContainer {
    let decoder: BinaryDecoder
    let start: Int
    var codingPath: [any CodingKey] { [] }

    init(decoder: BinaryDecoder, at start: Int) {
        self.decoder = decoder
        self.start = start
    }

    func decodeNil() -> Bool { decoder.isNull(at: start) }
    func decode(_: Bool.Type) throws -> Bool { try decoder.bool(at: start) }
    func decode(_: String.Type) throws -> String { try decoder.string(at: start) }
    func decode(_: Double.Type) throws -> Double { try decoder.double(at: start) }
    func decode(_: Float.Type) throws -> Float { try decoder.float(at: start) }
    func decode(_ type: Int.Type) throws -> Int { try decoder.number(type, at: start) }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.number(type, at: start) }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.number(type, at: start) }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.number(type, at: start) }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.number(type, at: start) }
    func decode(_ type: Int128.Type) throws -> Int128 { try decoder.number(type, at: start) }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.number(type, at: start) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.number(type, at: start) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.number(type, at: start) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.number(type, at: start) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.number(type, at: start) }
    func decode(_ type: UInt128.Type) throws -> UInt128 { try decoder.number(type, at: start) }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.read(type, at: start) }
}

/// For a superclass that is read from a container of its own.
private struct NestedDecoder: Decoder {
    let decoder: BinaryDecoder
    let start: Int
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(KeyedReader(place: try decoder.open(.keyed, at: start)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        UnkeyedReader(place: try decoder.open(.unkeyed, at: start))
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { SingleReader(decoder: decoder, at: start) }
}
