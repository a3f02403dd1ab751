/// Writes any `Encodable` value in a compact binary form: see `ValueTag`.
///
/// Containers are written in place, one behind the other: a container that is written to ends those that were opened inside
/// it. Code that goes on with an inner container after it has written to an outer one gets an error.
///
/// A container's length is known when it ends. States of a container: open -> ended.
final class BinaryEncoder: Encoder {
    let writer: ByteWriter
    private var open: [OpenContainer] = []
    private var serial = 0
    /// How many containers are open around the value that is being written.
    private var depth = 0
    /// Of calls that cannot throw.
    private var failure: EncodingError?

    private struct OpenContainer {
        let serial: Int
        let lengthAt: Int
        let isKeyed: Bool
        var elements: UInt32 = 0
    }

    /// Deeper values would use up the stack of whoever reads them.
    static let deepest = 200

    init(_ writer: ByteWriter = ByteWriter()) { self.writer = writer }

    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// Writes one value; if that fails, nothing of it.
    func encode(_ value: some Encodable) throws {
        let start = writer.count
        do {
            try write(value)
            if let failure { throw failure }
        } catch {
            writer.truncate(to: start)
            open.removeAll()
            depth = 0
            failure = nil
            throw error
        }
    }

    @inline(__always)
    fileprivate func write<Value: Encodable>(_ value: Value) throws {
        if let kind = PackedElement.ofArray(Value.self) { return writePacked(value, kind) }
        let before = depth
        let start = writer.count
        depth = open.count
        guard depth <= Self.deepest else { throw Self.error("values are nested deeper than \(Self.deepest)", value) }
        try value.encode(to: self)
        try end(to: depth)
        depth = before
        // A value without any properties asks for no container.
        if writer.count == start { writer.byte(ValueTag.null.rawValue) }
    }

    private func writePacked<Value>(_ value: Value, _ kind: PackedElement) {
        switch kind {
        case .uint8: writePacked(same(value, as: [UInt8].self), kind)
        case .int8: writePacked(same(value, as: [Int8].self), kind)
        case .uint16: writePacked(same(value, as: [UInt16].self), kind)
        case .int16: writePacked(same(value, as: [Int16].self), kind)
        case .uint32: writePacked(same(value, as: [UInt32].self), kind)
        case .int32: writePacked(same(value, as: [Int32].self), kind)
        case .uint64: writePacked(same(value, as: [UInt64].self), kind)
        case .int64: writePacked(same(value, as: [Int64].self), kind)
        case .uint: writePacked(same(value, as: [UInt].self), kind)
        case .int: writePacked(same(value, as: [Int].self), kind)
        case .float: writePacked(same(value, as: [Float].self), kind)
        case .double: writePacked(same(value, as: [Double].self), kind)
        }
    }

    private func writePacked<Element: BitwiseCopyable>(_ elements: [Element], _ kind: PackedElement) {
        elements.withUnsafeBytes { writePacked($0, elements.count, kind) }
    }

    fileprivate func writePacked(_ bytes: UnsafeRawBufferPointer, _ count: Int, _ kind: PackedElement) {
        writer.byte(ValueTag.packed.rawValue)
        writer.byte(kind.rawValue)
        writer.variable(UInt64(count))
        writer.append(bytes)
    }

    // MARK: Containers

    fileprivate func begin(keyed: Bool) -> ContainerPlace {
        serial += 1
        writer.byte((keyed ? ValueTag.keyed : .unkeyed).rawValue)
        open.append(OpenContainer(serial: serial, lengthAt: writer.count, isKeyed: keyed))
        writer.fixed(0 as UInt32)
        if !keyed { writer.fixed(0 as UInt32) }
        return ContainerPlace(encoder: self, index: open.count - 1, serial: serial)
    }

    /// A class and its superclass write into the same container.
    private func resume(keyed: Bool) -> ContainerPlace {
        guard open.count > depth, open[depth].isKeyed == keyed else { return begin(keyed: keyed) }
        return ContainerPlace(encoder: self, index: depth, serial: open[depth].serial)
    }

    @inline(__always)
    private func end(to depth: Int) throws {
        while open.count > depth { try endLast() }
    }

    private func endLast() throws {
        let last = open.removeLast()
        let length = writer.count - last.lengthAt - 4
        guard let length = UInt32(exactly: length) else {
            throw Self.error("a value of more than 4 GB cannot be sent; send it in parts", length)
        }
        writer.replace(at: last.lengthAt, with: length)
        if !last.isKeyed { writer.replace(at: last.lengthAt + 4, with: last.elements) }
    }

    @inline(__always)
    fileprivate func enter(_ place: ContainerPlace) throws {
        guard place.index < open.count, open[place.index].serial == place.serial else {
            throw Self.error("a container is written to after an outer one was; write them one after the other", place)
        }
        try end(to: place.index + 1)
        if !open[place.index].isKeyed { open[place.index].elements += 1 }
    }

    fileprivate func note(_ error: any Error) { if failure == nil { failure = error as? EncodingError } }

    private static func error(_ reason: String, _ value: Any) -> EncodingError {
        .invalidValue(value, EncodingError.Context(codingPath: [], debugDescription: reason))
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(KeyedWriter(place: resume(keyed: true)))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { UnkeyedWriter(place: resume(keyed: false)) }

    func singleValueContainer() -> any SingleValueEncodingContainer { SingleWriter(encoder: self) }
}

// MARK: -

/// A container that is being written.
private struct ContainerPlace {
    let encoder: BinaryEncoder
    let index: Int
    let serial: Int

    func nested(keyed: Bool, _ enter: () throws -> Void) -> ContainerPlace {
        do {
            try enter()
        } catch {
            encoder.note(error)
        }
        return encoder.begin(keyed: keyed)
    }
}

extension ByteWriter {
    @inline(__always)
    fileprivate func tag(_ tag: ValueTag) { byte(tag.rawValue) }

    fileprivate func null() { tag(.null) }

    @inline(__always)
    fileprivate func scalar(_ value: Bool) { tag(value ? .yes : .no) }

    @inline(__always)
    fileprivate func scalar(_ value: String) {
        tag(.text)
        text(value)
    }

    @inline(__always)
    fileprivate func scalar(_ value: Double) {
        tag(.double)
        fixed(value)
    }

    @inline(__always)
    fileprivate func scalar(_ value: Float) {
        tag(.single)
        fixed(value)
    }

    @inline(__always)
    fileprivate func scalar<Number: FixedWidthInteger>(_ value: Number) {
        if Number.bitWidth > 64 {
            tag(.wide)
            fixed(UInt64(truncatingIfNeeded: value))
            fixed(UInt64(truncatingIfNeeded: value >> 64))
        } else if Number.isSigned {
            let number = Int64(truncatingIfNeeded: value)
            tag(.signed)
            variable(UInt64(bitPattern: number << 1 ^ number >> 63))
        } else {
            tag(.unsigned)
            variable(UInt64(truncatingIfNeeded: value))
        }
    }
}

private struct KeyedWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let place: ContainerPlace
    var codingPath: [any CodingKey] { [] }

    @inline(__always)
    private func enter(_ key: some CodingKey) throws -> ByteWriter {
        try place.encoder.enter(place)
        place.encoder.writer.text(key.stringValue)
        return place.encoder.writer
    }

    func encodeNil(forKey key: Key) throws { try enter(key).null() }
    func encode(_ value: Bool, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: String, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Double, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Float, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Int, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Int8, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Int16, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Int32, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Int64, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: Int128, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: UInt, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: UInt8, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: UInt16, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: UInt32, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: UInt64, forKey key: Key) throws { try enter(key).scalar(value) }
    func encode(_ value: UInt128, forKey key: Key) throws { try enter(key).scalar(value) }

    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        _ = try enter(key)
        try place.encoder.write(value)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        KeyedEncodingContainer(KeyedWriter<NestedKey>(place: place.nested(keyed: true) { _ = try enter(key) }))
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        UnkeyedWriter(place: place.nested(keyed: false) { _ = try enter(key) })
    }

    func superEncoder() -> any Encoder { superEncoder(SuperKey()) }
    func superEncoder(forKey key: Key) -> any Encoder { superEncoder(key) }

    private func superEncoder(_ key: some CodingKey) -> any Encoder {
        do { _ = try enter(key) } catch { place.encoder.note(error) }
        return NestedEncoder(encoder: place.encoder)
    }
}

/// The name under which a superclass's part is kept, as Foundation's coders do.
struct SuperKey: CodingKey {
    var stringValue: String { "super" }
    var intValue: Int? { nil }
    init() {}
    init?(stringValue: String) { nil }
    init?(intValue: Int) { nil }
}

private struct UnkeyedWriter: UnkeyedEncodingContainer {
    let place: ContainerPlace
    var count = 0
    var codingPath: [any CodingKey] { [] }

    init(place: ContainerPlace) { self.place = place }

    @inline(__always)
    private mutating func enter() throws -> ByteWriter {
        try place.encoder.enter(place)
        count += 1
        return place.encoder.writer
    }

    mutating func encodeNil() throws { try enter().null() }
    mutating func encode(_ value: Bool) throws { try enter().scalar(value) }
    mutating func encode(_ value: String) throws { try enter().scalar(value) }
    mutating func encode(_ value: Double) throws { try enter().scalar(value) }
    mutating func encode(_ value: Float) throws { try enter().scalar(value) }
    mutating func encode(_ value: Int) throws { try enter().scalar(value) }
    mutating func encode(_ value: Int8) throws { try enter().scalar(value) }
    mutating func encode(_ value: Int16) throws { try enter().scalar(value) }
    mutating func encode(_ value: Int32) throws { try enter().scalar(value) }
    mutating func encode(_ value: Int64) throws { try enter().scalar(value) }
    mutating func encode(_ value: Int128) throws { try enter().scalar(value) }
    mutating func encode(_ value: UInt) throws { try enter().scalar(value) }
    mutating func encode(_ value: UInt8) throws { try enter().scalar(value) }
    mutating func encode(_ value: UInt16) throws { try enter().scalar(value) }
    mutating func encode(_ value: UInt32) throws { try enter().scalar(value) }
    mutating func encode(_ value: UInt64) throws { try enter().scalar(value) }
    mutating func encode(_ value: UInt128) throws { try enter().scalar(value) }

    mutating func encode<Value: Encodable>(_ value: Value) throws {
        _ = try enter()
        try place.encoder.write(value)
    }

    mutating func nestedContainer<NestedKey: CodingKey>(keyedBy: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        KeyedEncodingContainer(KeyedWriter<NestedKey>(place: place.nested(keyed: true) { _ = try enter() }))
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedWriter(place: place.nested(keyed: false) { _ = try enter() })
    }

    mutating func superEncoder() -> any Encoder {
        do { _ = try enter() } catch { place.encoder.note(error) }
        return NestedEncoder(encoder: place.encoder)
    }
}

private struct SingleWriter: SingleValueEncodingContainer {
    let encoder: BinaryEncoder
    var codingPath: [any CodingKey] { [] }

    func encodeNil() throws { encoder.writer.null() }
    func encode(_ value: Bool) throws { encoder.writer.scalar(value) }
    func encode(_ value: String) throws { encoder.writer.scalar(value) }
    func encode(_ value: Double) throws { encoder.writer.scalar(value) }
    func encode(_ value: Float) throws { encoder.writer.scalar(value) }
    func encode(_ value: Int) throws { encoder.writer.scalar(value) }
    func encode(_ value: Int8) throws { encoder.writer.scalar(value) }
    func encode(_ value: Int16) throws { encoder.writer.scalar(value) }
    func encode(_ value: Int32) throws { encoder.writer.scalar(value) }
    func encode(_ value: Int64) throws { encoder.writer.scalar(value) }
    func encode(_ value: Int128) throws { encoder.writer.scalar(value) }
    func encode(_ value: UInt) throws { encoder.writer.scalar(value) }
    func encode(_ value: UInt8) throws { encoder.writer.scalar(value) }
    func encode(_ value: UInt16) throws { encoder.writer.scalar(value) }
    func encode(_ value: UInt32) throws { encoder.writer.scalar(value) }
    func encode(_ value: UInt64) throws { encoder.writer.scalar(value) }
    func encode(_ value: UInt128) throws { encoder.writer.scalar(value) }
    func encode<Value: Encodable>(_ value: Value) throws { try encoder.write(value) }
}

/// For a superclass that is written into a container of its own.
private struct NestedEncoder: Encoder {
    let encoder: BinaryEncoder
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(KeyedWriter(place: encoder.begin(keyed: true)))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { UnkeyedWriter(place: encoder.begin(keyed: false)) }
    func singleValueContainer() -> any SingleValueEncodingContainer { SingleWriter(encoder: encoder) }
}
