/// Checks that bytes are UTF-8, piece by piece (RFC 3629): a character may be cut anywhere.
///
/// States: between characters (nothing needed) <-> within one (`needed` bytes to come, the next within `allowed`).
struct UTF8Validator {
    private var needed = 0
    private var allowed: ClosedRange<UInt8> = 0x80...0xBF

    /// No character has been begun and not ended.
    var isComplete: Bool { needed == 0 }

    /// Takes a piece.
    ///
    /// - Returns: whether everything so far can be the beginning of valid text.
    mutating func take(_ bytes: Span<UInt8>) -> Bool {
        let count = bytes.count
        var index = 0
        while index < count {
            if needed == 0 {
                index = Self.skipASCII(bytes, from: index)
                guard index < count else { return true }
                guard begin(bytes[index]) else { return false }
            } else {
                guard allowed.contains(bytes[index]) else { return false }
                needed -= 1
                allowed = 0x80...0xBF
            }
            index += 1
        }
        return true
    }

    private static func skipASCII(_ bytes: Span<UInt8>, from start: Int) -> Int {
        bytes.withUnsafeBytes { raw in
            var index = start
            // Sixteen bytes at a time: within bounds by the condition.
            while index + 16 <= raw.count {
                let first = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let second = raw.loadUnaligned(fromByteOffset: index + 8, as: UInt64.self)
                guard (first | second) & 0x8080_8080_8080_8080 == 0 else { break }
                index += 16
            }
            while index < raw.count && raw[index] < 0x80 { index += 1 }
            return index
        }
    }

    /// Takes the first byte of a character of several. The second byte's range keeps out overlong forms, surrogates and
    /// what lies beyond U+10FFFF.
    private mutating func begin(_ byte: UInt8) -> Bool {
        switch byte {
        case 0xC2...0xDF: (needed, allowed) = (1, 0x80...0xBF)
        case 0xE0: (needed, allowed) = (2, 0xA0...0xBF)
        case 0xED: (needed, allowed) = (2, 0x80...0x9F)
        case 0xE1...0xEF: (needed, allowed) = (2, 0x80...0xBF)
        case 0xF0: (needed, allowed) = (3, 0x90...0xBF)
        case 0xF1...0xF3: (needed, allowed) = (3, 0x80...0xBF)
        case 0xF4: (needed, allowed) = (3, 0x80...0x8F)
        default: return false
        }
        return true
    }
}
