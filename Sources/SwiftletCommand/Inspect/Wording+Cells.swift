/// Text as a terminal lays it out: in cells, of which a wide character takes two and a combining one none.
extension Wording {
    static func width(_ text: some StringProtocol) -> Int {
        if text.utf8.allSatisfy({ $0 < 128 }) { return text.utf8.count }
        return text.unicodeScalars.reduce(0) { $0 + width($1) }
    }

    /// What wcwidth(3) answers, whatever the locale; C's declaration of it is not there for Swift.
    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return wide.contains { $0.contains(scalar.value) } || scalar.properties.isEmojiPresentation ? 2 : 1
        }
    }

    /// The blocks whose characters are W or F in Unicode's EastAsianWidth.txt (UAX #11).
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2329...0x232a, 0x2e80...0x303e, 0x3041...0x3247, 0x3250...0x4dbf, 0x4e00...0xa4cf,
        0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe10...0xfe19, 0xfe30...0xfe6f, 0xff00...0xff60,
        0xffe0...0xffe6, 0x16fe0...0x18cff, 0x1aff0...0x1b2ff, 0x1f200...0x1f265, 0x20000...0x3fffd,
    ]

    static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - self.width(text)))
    }

    /// Cut off at a width, with dots for what is missing.
    static func cut(_ text: String, to width: Int) -> String {
        guard self.width(text) > width else { return text }
        return width > 2 ? prefix(text, width - 2) + ".." : String(prefix(text, width))
    }

    /// The same at the front: of a path the end tells most.
    static func cutFront(_ text: String, to width: Int) -> String {
        guard self.width(text) > width else { return text }
        let reversed = String(text.reversed())
        return (width > 2 ? ".." : "") + prefix(reversed, width > 2 ? width - 2 : width).reversed()
    }

    /// As many whole characters as there is room for.
    private static func prefix(_ text: String, _ width: Int) -> Substring {
        var room = width
        return text.prefix { character in
            room -= self.width(String(character))
            return room >= 0
        }
    }

    /// In lines of a width, broken between words, and within those that are longer; the further ones are indented.
    static func wrapped(_ text: String, to width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, self.width(line) + 1 + self.width(word) > width {
                lines.append(line)
                line = "  \(word)"
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
            while self.width(line) > width {
                let part = prefix(line, width)
                guard !part.allSatisfy({ $0 == " " }) else { break }  // there is no room for a single character
                lines.append(String(part))
                line = "  " + line[part.endIndex...]
            }
        }
        return lines + [line]
    }
}
