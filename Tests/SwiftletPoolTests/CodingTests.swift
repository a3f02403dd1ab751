import Foundation
import Testing

@testable import SwiftletPool

@Suite("Binary coding")
struct CodingTests {
    struct Everything: Codable, Equatable {
        var bool = true
        var int = -123_456_789_012
        var small: Int8 = -128
        var unsigned: UInt64 = .max
        var wide: UInt128 = .max - 5
        var negative: Int128 = .min
        var double = 0.1
        var float: Float = -2.5
        var text = "Grüße 🌍"
        var empty = ""
        var nothing: Int?
        var something: String? = "here"
        var list = ["a", "b", ""]
        var nested: [[Int]] = [[1, 2], [], [-3]]
        var bytes: [UInt8] = Array(0...255)
        var numbers: [Double] = [1.5, -.infinity, 0]
        var table: [String: Int] = ["one": 1, "two": 2]
        var byNumber: [Int: String] = [1: "one"]
        var optionals: [Int?] = [1, nil, 3]
        var choice = Choice.circle(radius: 2, name: nil)
        var choices: [Choice] = [.nothing, .pair(1, "x")]
        var url = URL(string: "http://example.com/a?b=c")!
        var date = Date(timeIntervalSinceReferenceDate: 12345.678)
        var data = Data([1, 2, 3, 255])
    }

    enum Choice: Codable, Equatable {
        case nothing
        case circle(radius: Int, name: String?)
        case pair(Int, String)
    }

    class Animal: Codable {
        var legs = 4
        init() {}
    }

    final class Dog: Animal {
        var name = "Rex"
        override init() { super.init() }
        enum Keys: CodingKey { case name }
        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            name = try container.decode(String.self, forKey: .name)
            try super.init(from: container.superDecoder())
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode(name, forKey: .name)
            try super.encode(to: container.superEncoder())
        }
    }

    struct Backwards: Codable {
        var first: Int
        var second: String
        enum Keys: CodingKey { case first, second, third }
        init() { (first, second) = (1, "2") }
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            second = try container.decode(String.self, forKey: .second)
            first = try container.decode(Int.self, forKey: .first)
            #expect(!container.contains(.third))
            #expect(Set(container.allKeys.map(\.stringValue)) == ["first", "second"])
        }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode(first, forKey: .first)
            try container.encode(second, forKey: .second)
        }
    }

    func encoded(_ value: some Encodable) throws -> [UInt8] {
        let encoder = BinaryEncoder()
        try encoder.encode(value)
        return [UInt8](encoder.writer.bytes)
    }

    func decoded<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
        try bytes.withUnsafeBytes { try BinaryDecoder($0).decode(type) }
    }

    @Test func everythingComesBack() throws {
        let value = Everything()
        #expect(try decoded(Everything.self, encoded(value)) == value)
    }

    @Test func oneBehindTheOther() throws {
        let encoder = BinaryEncoder()
        try encoder.encode(1)
        try encoder.encode("two")
        try encoder.encode([3.0])
        let decoder = BinaryDecoder(encoder.writer.bytes)
        #expect(try decoder.decode(Int.self) == 1)
        #expect(try decoder.decode(String.self) == "two")
        #expect(try decoder.decode([Double].self) == [3])
    }

    @Test func superclassesAndOrder() throws {
        let dog = Dog()
        dog.legs = 3
        dog.name = "Tripod"
        let copy = try decoded(Dog.self, encoded(dog))
        #expect(copy.legs == 3 && copy.name == "Tripod")
        let back = try decoded(Backwards.self, encoded(Backwards()))
        #expect(back.first == 1 && back.second == "2")
    }

    @Test func whatFailsLeavesNothing() throws {
        struct Half: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                try container.encode(1)
                throw CancellationError()
            }
        }
        let encoder = BinaryEncoder()
        try encoder.encode("before")
        #expect(throws: CancellationError.self) { try encoder.encode(Half()) }
        try encoder.encode("after")
        let decoder = BinaryDecoder(encoder.writer.bytes)
        #expect(try decoder.decode(String.self) == "before")
        #expect(try decoder.decode(String.self) == "after")
    }

    @Test func wrongTypesAreErrors() throws {
        #expect(throws: DecodingError.self) { try decoded(Int.self, encoded("text")) }
        #expect(throws: DecodingError.self) { try decoded(Int8.self, encoded(300)) }
        #expect(throws: DecodingError.self) { try decoded([UInt8].self, encoded([1.0])) }
        #expect(throws: DecodingError.self) { try decoded(Everything.self, encoded(["int": 1])) }
        #expect(throws: DecodingError.self) { try decoded(Int.self, []) }
    }

    @Test func nestedTooDeeply() throws {
        final class Chain: Codable {
            var next: Chain?
        }
        let first = Chain()
        var last = first
        for _ in 0..<1000 {
            last.next = Chain()
            last = last.next!
        }
        #expect(throws: EncodingError.self) { try encoded(first) }
    }

    /// Whatever the bytes are, reading them ends with a value or an error.
    @Test func damagedBytes() throws {
        let whole = try encoded(Everything())
        for count in stride(from: 0, to: whole.count, by: 7) {
            #expect(throws: (any Error).self) { try decoded(Everything.self, Array(whole[..<count])) }
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var bytes = whole
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            _ = try? decoded(Everything.self, bytes)
        }
    }
}
