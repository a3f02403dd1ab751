import CSwiftletPool
import Glibc

/// Reads what `BinaryEncoder` has written. Never reads outside the bytes, whatever they are.
///
/// The bytes must stay as they are while it is used. A container is good until the value that it was opened for has been
/// read.
final class BinaryDecoder {
    private let bytes: UnsafeRawBufferPointer
    /// What values ask for that need more than bytes, such as stubs of actors.
    let userInfo: [CodingUserInfoKey: Any]
    /// Where the next value begins.
    var position: Int
    var frames: [ContainerFrame] = []
    private var serial = 0
    /// Where the value begins that is being read.
    private(set) var valueStart = 0

    struct ContainerFrame {
        let serial: Int
        let start: Int
        let end: Int
        /// Where the next entry is expected.
        var cursor: Int
        let count: Int
    }

    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0, userInfo: [CodingUserInfoKey: Any] = [:]) {
        self.bytes = bytes
        self.userInfo = userInfo
        self.position = position
    }

    /// Reads the next value; if that fails, the one behind it can still be read.
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let start = position
        position = try end(ofValueAt: start)
        return try read(type, at: start)
    }

    @inline(__always)
    func read<Value: Decodable>(_ type: Value.Type, at start: Int) throws -> Value {
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
    func tag(at offset: Int) -> ValueTag? {
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

    func text(at offset: inout Int) throws -> UnsafeRawBufferPointer {
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

    func isNull(at offset: Int) -> Bool { tag(at: offset) == .null }

    func bool(at offset: Int) throws -> Bool {
        switch tag(at: offset) {
        case .yes: return true
        case .no: return false
        default: throw mismatch(Bool.self, at: offset)
        }
    }

    func string(at offset: Int) throws -> String {
        guard tag(at: offset) == .text else { throw mismatch(String.self, at: offset) }
        var offset = offset + 1
        let utf8 = try text(at: &offset)
        guard let text = String(validating: utf8, as: UTF8.self) else { throw Self.corrupted("a text is not UTF-8") }
        return text
    }

    func double(at offset: Int) throws -> Double {
        guard tag(at: offset) == .double else { throw mismatch(Double.self, at: offset) }
        return try fixed(Double.self, at: offset + 1)
    }

    func float(at offset: Int) throws -> Float {
        guard tag(at: offset) == .single else { throw mismatch(Float.self, at: offset) }
        return try fixed(Float.self, at: offset + 1)
    }

    @inline(__always)
    func number<Number: FixedWidthInteger>(_ type: Number.Type, at start: Int) throws -> Number {
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

    /// Arrays from this size on lie in a mapping of their own (`swiftlet_keep_heap`), whose pages are all new.
    private static var hugeSize: Int { 4 << 20 }

    private func array<Element: BitwiseCopyable>(
        _ type: Element.Type, _ source: UnsafeRawBufferPointer, _ count: Int
    ) -> [Element] {
        [Element](unsafeUninitializedCapacity: count) { target, initialized in
            if source.count >= Self.hugeSize { swiftlet_pool_prefer_huge_pages(target.baseAddress, source.count) }
            UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
            initialized = count
        }
    }

    // MARK: Containers

    func open(_ wanted: ValueTag, at start: Int) throws -> DecodingPlace {
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
    func find(_ key: some CodingKey, in place: DecodingPlace) throws -> Int? {
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

    func passed(_ start: Int, in place: DecodingPlace) throws {
        frames[place.index].cursor = try end(ofValueAt: start)
    }

    func check(_ place: DecodingPlace) throws -> ContainerFrame {
        guard place.index < frames.count, frames[place.index].serial == place.serial else {
            throw Self.corrupted("a container is used after its value was read")
        }
        return frames[place.index]
    }

    func keys(in place: DecodingPlace) -> [String] {
        guard let frame = try? check(place) else { return [] }
        var keys: [String] = []
        var offset = frame.start
        while offset < frame.end, let key = try? text(at: &offset), let next = try? end(ofValueAt: offset) {
            keys.append(String(decoding: key, as: UTF8.self))
            offset = next
        }
        return keys
    }
}

/// A container that is being read.
struct DecodingPlace {
    let decoder: BinaryDecoder
    let index: Int
    let serial: Int
}
