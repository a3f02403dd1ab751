// What `Decodable` types see of a `BinaryDecoder`.

extension BinaryDecoder: Decoder {
    var codingPath: [any CodingKey] { [] }

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
    var userInfo: [CodingUserInfoKey: Any] { decoder.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(KeyedReader(place: try decoder.open(.keyed, at: start)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        UnkeyedReader(place: try decoder.open(.unkeyed, at: start))
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { SingleReader(decoder: decoder, at: start) }
}
