/// Escapes of the form `%41` (RFC 3986, 2.1).
enum PercentEncoding {
    /// The text with every byte escaped that is not allowed. An escape that is there already stays as it is; a percent
    /// sign that begins none is escaped itself. Encoding twice is the same as encoding once.
    static func encode(_ text: Substring, allowed: (UInt8) -> Bool) -> String {
        let bytes = text.utf8.span
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for index in bytes.indices {
            let byte = bytes[index]
            if allowed(byte) || (byte == UInt8(ascii: "%") && isEscape(bytes, at: index)) {
                result.append(byte)
            } else {
                result.append(UInt8(ascii: "%"))
                result.append(hexadecimalDigit(byte >> 4))
                result.append(hexadecimalDigit(byte & 0x0F))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The text with every byte escaped that is not allowed, percent signs of the text among them.
    static func encodeAll(_ text: String, allowed: (UInt8) -> Bool) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            if allowed(byte) {
                result.append(byte)
            } else {
                result += [UInt8(ascii: "%"), hexadecimalDigit(byte >> 4), hexadecimalDigit(byte & 0x0F)]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The text with its escapes replaced by the bytes that they stand for.
    static func decode(_ text: Substring) -> String {
        let bytes = text.utf8.span
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), isEscape(bytes, at: index),
                let high = bytes[index + 1].hexadecimalValue, let low = bytes[index + 2].hexadecimalValue
            {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Whether the percent sign at `index` is followed by two hexadecimal digits.
    static func isEscape(_ bytes: Span<UInt8>, at index: Int) -> Bool {
        index + 2 < bytes.count && bytes[index + 1].hexadecimalValue != nil && bytes[index + 2].hexadecimalValue != nil
    }

    private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? .zero + value : UInt8(ascii: "A") + (value - 10)
    }
}

extension UInt8 {
    /// A character that stands in a path unescaped. RFC 3986 would have brackets escaped, but servers are used to them
    /// as they are, and the common clients send them so.
    var isPathCharacter: Bool {
        if isUnreserved || isSubcomponentDelimiter { return true }
        switch self {
        case .colon, UInt8(ascii: "@"), UInt8(ascii: "/"), UInt8(ascii: "["), UInt8(ascii: "]"): return true
        default: return false
        }
    }

    /// A character that stands in a query or a fragment unescaped.
    var isQueryCharacter: Bool {
        isPathCharacter || self == UInt8(ascii: "?")
    }
}
