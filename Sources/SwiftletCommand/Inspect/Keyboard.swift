import Glibc

/// What a terminal sends for keys, taken apart. Bytes come in any portions.
struct Keyboard {
    enum Key: Equatable {
        case character(Character)
        case up, down, pageUp, pageDown, enter, escape, backspace
        /// The terminal has gone.
        case end
    }

    private var unread: [UInt8] = []

    /// Something has begun whose rest may come: a lone escape byte is the key, or the begin of a sequence.
    var isWaiting: Bool { !unread.isEmpty }

    mutating func take(_ bytes: some Sequence<UInt8>) -> [Key] {
        unread += bytes
        var keys: [Key] = []
        var rest = unread[...]
        while let length = Self.length(rest) {
            if let key = Self.key(rest.prefix(length)) { keys.append(key) }
            rest = rest.dropFirst(length)
        }
        unread = Array(rest)
        return keys
    }

    /// Nothing more comes: a lone escape byte was the key; of anything else the end was lost.
    mutating func giveUp() -> [Key] {
        defer { unread = [] }
        return unread == [Self.escape] ? [.escape] : []
    }

    private static let escape: UInt8 = 27

    /// How many bytes belong to the first key; `nil` if they are not all there.
    private static func length(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard let first = bytes.first else { return nil }
        if first == escape {
            guard let second = bytes.dropFirst().first else { return nil }
            switch second {
            // ECMA-48, 5.4: parameters and intermediates, then one final byte.
            case UInt8(ascii: "["):
                let end = bytes.dropFirst(2).firstIndex { !(0x20..<0x40).contains($0) }
                return end.map { $0 - bytes.startIndex + 1 }
            case UInt8(ascii: "O"): return bytes.count > 2 ? 3 : nil
            default: return 1
            }
        }
        let length = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1
        return bytes.count >= length ? length : nil
    }

    /// `nil` for one that means nothing here.
    private static func key(_ bytes: ArraySlice<UInt8>) -> Key? {
        let text = String(decoding: bytes, as: UTF8.self)
        switch text {
        case "\u{1b}[A", "\u{1b}OA": return .up
        case "\u{1b}[B", "\u{1b}OB": return .down
        case "\u{1b}[5~": return .pageUp
        case "\u{1b}[6~": return .pageDown
        case "\r", "\n": return .enter
        case "\u{1b}": return .escape
        case "\u{7f}", "\u{8}": return .backspace
        default:
            guard let scalar = text.unicodeScalars.first, text.unicodeScalars.count == 1, scalar.value >= 32,
                !(127..<160).contains(scalar.value), scalar != "\u{fffd}"
            else { return nil }
            return .character(Character(scalar))
        }
    }
}
