/// What inspector and command say to each other: lines of fields between tabs. A line's first field says what it is.
struct WireWriter {
    private(set) var bytes: [UInt8] = []
    private var isAtStart = true

    mutating func begin(_ kind: String) {
        bytes.append(contentsOf: kind.utf8)
        isAtStart = false
    }

    mutating func end() { bytes.append(UInt8(ascii: "\n")) }

    mutating func add(_ text: String) {
        bytes.append(UInt8(ascii: "\t"))
        let isPlain = text.utf8.allSatisfy { $0 >= 32 && $0 != UInt8(ascii: "\\") }
        guard !isPlain else { return bytes.append(contentsOf: text.utf8) }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\t"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
            case UInt8(ascii: "\n"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
            case UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "\\")])
            default: bytes.append(byte)
            }
        }
    }

    mutating func add(_ number: some BinaryInteger) {
        bytes.append(UInt8(ascii: "\t"))
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        add(digitsOf: UInt64(number.magnitude), base: 10)
    }

    @inline(__always)  // the base is a constant then
    private mutating func add(digitsOf number: UInt64, base: UInt64) {
        var (rest, low) = (number, bytes.count)
        repeat {
            let digit = UInt8(rest % base)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
            rest /= base
        } while rest > 0
        var high = bytes.count - 1
        while low < high {
            bytes.swapAt(low, high)
            (low, high) = (low + 1, high - 1)
        }
    }

    /// Nothing is an empty field.
    mutating func add(_ number: (some BinaryInteger)?) {
        if let number { add(number) } else { bytes.append(UInt8(ascii: "\t")) }
    }

    mutating func add(_ flag: Bool) { add(flag ? 1 : 0) }

    /// Numbers with commas between.
    mutating func add(_ numbers: some Collection<some BinaryInteger>) {
        bytes.append(UInt8(ascii: "\t"))
        for (place, number) in numbers.enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            add(digitsOf: UInt64(truncatingIfNeeded: number), base: 16)
        }
    }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }
}

/// Reads the fields of one line. What is missing reads as nothing, so that an older command understands a newer inspector.
package struct WireReader {
    private let bytes: ArraySlice<UInt8>
    private var place: Int

    /// - Parameter line: without its end.
    package init(_ line: ArraySlice<UInt8>) {
        bytes = line
        place = line.startIndex
    }

    package mutating func field() -> ArraySlice<UInt8> {
        guard place < bytes.endIndex else { return [] }
        let end = bytes[place...].firstIndex(of: UInt8(ascii: "\t")) ?? bytes.endIndex
        defer { place = end + 1 }
        return bytes[place..<end]
    }

    package mutating func text() -> String {
        let field = field()
        guard field.contains(UInt8(ascii: "\\")) else { return String(decoding: field, as: UTF8.self) }
        var plain: [UInt8] = []
        var isEscaped = false
        for byte in field {
            if isEscaped {
                plain.append(
                    byte == UInt8(ascii: "t")
                        ? UInt8(ascii: "\t") : byte == UInt8(ascii: "n") ? UInt8(ascii: "\n") : byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                plain.append(byte)
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    mutating func optionalText() -> String? {
        let text = text()
        return text.isEmpty ? nil : text
    }

    mutating func optionalNumber() -> Int? {
        var field = field()
        guard let first = field.first else { return nil }
        let isNegative = first == UInt8(ascii: "-")
        if isNegative { field.removeFirst() }
        var number = 0
        for byte in field {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number &* 10 &+ Int(byte - UInt8(ascii: "0"))
        }
        return isNegative ? -number : number
    }

    mutating func number() -> Int { optionalNumber() ?? 0 }

    mutating func flag() -> Bool { number() == 1 }

    mutating func numbers() -> [UInt] {
        field().split(separator: UInt8(ascii: ",")).compactMap { UInt(String(decoding: $0, as: UTF8.self), radix: 16) }
    }
}
