import Glibc

// Character classes of RFC 9110 and RFC 3986, and the few comparisons that parsing needs.

extension UInt8 {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let zero = UInt8(ascii: "0")
    static let colon = UInt8(ascii: ":")
    static let point = UInt8(ascii: ".")

    var isDigit: Bool {
        self &- 0x30 < 10
    }

    var isLetter: Bool {
        (self | 0x20) &- 0x61 < 26
    }

    /// Space or tab: what the grammar calls OWS and BWS is any number of these.
    var isBlank: Bool {
        self == .space || self == .tab
    }

    /// A blank or a part of a line ending.
    var isWhitespace: Bool {
        isBlank || self == .carriageReturn || self == .lineFeed
    }

    /// A `tchar` of RFC 9110, 5.6.2: letters, digits and !#$%&'*+-.^_`|~, as one bit each.
    @inline(__always)
    var isTokenCharacter: Bool {
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        return self < 0x80 && ((self < 0x40 ? low : high) >> UInt64(self & 0x3F)) & 1 == 1
    }

    /// A byte that may stand in a field value or a reason phrase: visible, blank, or beyond ASCII (RFC 9110, 5.5).
    var isFieldValueCharacter: Bool {
        (self >= 0x20 && self != 0x7F) || self == .tab
    }

    /// A byte that may stand in a request target. This is wider than RFC 3986, since browsers send `|`, `"` and the
    /// like unescaped, but a fragment never travels.
    var isTargetCharacter: Bool {
        self > 0x20 && self < 0x7F && self != UInt8(ascii: "#")
    }

    /// A byte of a `reg-name` (RFC 3986, 3.2.2) that is no escape: `unreserved` and `sub-delims`, as one bit each.
    @inline(__always)
    var isRegisteredNameCharacter: Bool {
        let low: UInt64 = 0x2BFF_7FD2_0000_0000
        let high: UInt64 = 0x47FF_FFFE_87FF_FFFE
        return self < 0x80 && ((self < 0x40 ? low : high) >> UInt64(self & 0x3F)) & 1 == 1
    }

    /// An `unreserved` character of RFC 3986, 2.3.
    var isUnreserved: Bool {
        if isLetter || isDigit { return true }
        switch self {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): return true
        default: return false
        }
    }

    /// One of the `sub-delims` of RFC 3986, 2.2.
    var isSubcomponentDelimiter: Bool {
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"),
            UInt8(ascii: "="):
            return true
        default:
            return false
        }
    }

    /// The value of a hexadecimal digit, or `nil` if this is none.
    var hexadecimalValue: UInt8? {
        if isDigit { return self - .zero }
        let offset = (self | 0x20) &- 0x61
        return offset < 6 ? offset + 10 : nil
    }

    /// This byte with an ASCII capital letter made small.
    var lowercased: UInt8 {
        self &- 0x41 < 26 ? self | 0x20 : self
    }

    /// How an error message shows this byte.
    var quoted: String {
        if self > 0x20 && self < 0x7F { return "'\(Unicode.Scalar(self))'" }
        let digits = String(self, radix: 16, uppercase: true)
        return "byte 0x" + (self < 0x10 ? "0" : "") + digits
    }
}

extension Span<UInt8> {
    /// The position of the first byte that may not stand in a field value (RFC 9110, 5.5).
    var firstIndexOutsideFieldValue: Int? {
        var index = 0
        // Eight at a time, as long as none is a control character; what is one may still be a tab.
        withUnsafeBytes { bytes in
            let ones: UInt64 = 0x0101_0101_0101_0101
            while index + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let deletes = word ^ (ones &* 0x7F)
                let isControl = (word &- ones &* 0x20) & ~word | (deletes &- ones) & ~deletes
                if isControl & (ones &* 0x80) != 0 { break }
                index += 8
            }
        }
        while index < count {
            if !self[index].isFieldValueCharacter { return index }
            index += 1
        }
        return nil
    }

    /// The position of the first byte for which `predicate` holds, or `nil`.
    @inline(__always)
    func firstIndex(where predicate: (UInt8) -> Bool) -> Int? {
        for index in indices where predicate(self[index]) { return index }
        return nil
    }

    /// Whether the first bytes are those of `prefix`.
    func starts(with prefix: StaticString) -> Bool {
        count >= prefix.utf8CodeUnitCount && extracting(first: prefix.utf8CodeUnitCount).equals(prefix)
    }

    /// The range without the spaces and tabs at both its ends.
    func trimmingBlanks(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end && self[start].isBlank { start += 1 }
        while start < end && self[end - 1].isBlank { end -= 1 }
        return start..<end
    }

    /// Whether the bytes are those of `text`, which is in small letters, apart from case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount
            && text.withUTF8Buffer { text in indices.allSatisfy { self[$0].lowercased == text[$0] } }
    }

    /// Whether this comma-separated list (RFC 9110, 5.6.1) has `token`, given in small letters, in any case.
    func isListContaining(_ token: StaticString) -> Bool {
        var start = 0
        while start < count {
            var end = start
            while end < count && self[end] != UInt8(ascii: ",") { end += 1 }
            if extracting(trimmingBlanks(start..<end)).equalsIgnoringCase(token) { return true }
            start = end + 1
        }
        return false
    }

    /// Whether the bytes are those of `text`.
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && withUnsafeBytes { memcmp($0.baseAddress!, text.utf8Start, count) == 0 }
    }
}

extension String {
    /// Copies bytes that are already known to be ASCII.
    init(ascii bytes: Span<UInt8>) {
        self = bytes.withUnsafeBufferPointer { bytes in
            String(unsafeUninitializedCapacity: bytes.count) { $0.initialize(fromContentsOf: bytes) }
        }
    }

    /// Copies bytes if they are UTF-8.
    init?(validating bytes: Span<UInt8>) {
        guard let text = try? UTF8Span(validating: bytes) else { return nil }
        self.init(copying: text)
    }

    /// Copies bytes as ISO Latin 1, in which every byte is a character.
    init(latin1 bytes: Span<UInt8>) {
        self.init()
        for index in bytes.indices { unicodeScalars.append(Unicode.Scalar(bytes[index])) }
    }

    /// Whether this comma-separated list (RFC 9110, 5.6.1) has `token`, given in small letters, in any case.
    func isListContaining(_ token: StaticString) -> Bool { utf8.span.isListContaining(token) }
}

extension [UInt8] {
    /// Copies the bytes of a span.
    init(copying bytes: Span<UInt8>) {
        self = bytes.withUnsafeBufferPointer { Array($0) }
    }
}
