/// What the servers answer to requests: as much of JSON (RFC 8259) as is needed to find numbers and texts in it.
indirect enum JSON: Equatable {
    case null
    case bool(Bool)
    /// As it is written: sequence numbers do not fit into a Double.
    case number(Substring)
    case text(String)
    case array([JSON])
    case object([String: JSON])

    subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    var keys: [String] {
        guard case .object(let members) = self else { return [] }
        return Array(members.keys)
    }

    var integer: Int? {
        guard case .number(let digits) = self else { return nil }
        return Int(digits)
    }

    var string: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    /// - Returns: `nil` for what is no JSON.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var reader = JSONReader(text: String(decoding: bytes, as: UTF8.self)[...])
        guard let value = reader.value(depth: 0) else { return nil }
        self = value
    }

    /// A text as JSON writes it.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 32:
                quoted += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

private struct JSONReader {
    var text: Substring

    private mutating func skipSpace() { text = text.drop { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r" } }

    private mutating func take(_ word: String) -> Bool {
        skipSpace()
        guard text.hasPrefix(word) else { return false }
        text.removeFirst(word.count)
        return true
    }

    mutating func value(depth: Int) -> JSON? {
        guard depth < 32 else { return nil }
        if take("{") { return members(depth) }
        if take("[") { return elements(depth) }
        if take("\"") { return string().map { .text($0) } }
        if take("true") { return .bool(true) }
        if take("false") { return .bool(false) }
        if take("null") { return .null }
        let digits = text.prefix { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
        guard !digits.isEmpty else { return nil }
        text = text[digits.endIndex...]
        return .number(digits)
    }

    private mutating func members(_ depth: Int) -> JSON? {
        var members: [String: JSON] = [:]
        if take("}") { return .object(members) }
        repeat {
            guard take("\""), let key = string(), take(":"), let value = value(depth: depth + 1) else { return nil }
            members[key] = value
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func elements(_ depth: Int) -> JSON? {
        var elements: [JSON] = []
        if take("]") { return .array(elements) }
        repeat {
            guard let element = value(depth: depth + 1) else { return nil }
            elements.append(element)
        } while take(",")
        return take("]") ? .array(elements) : nil
    }

    private mutating func string() -> String? {
        var string = ""
        while let character = text.unicodeScalars.popFirst() {
            if character == "\"" { return string }
            guard character == "\\" else {
                string.unicodeScalars.append(character)
                continue
            }
            switch text.unicodeScalars.popFirst() {
            case "n": string += "\n"
            case "t": string += "\t"
            case "r": string += "\r"
            case "b": string += "\u{8}"
            case "f": string += "\u{c}"
            case "u":
                guard let code = UInt32(text.prefix(4), radix: 16), text.count >= 4 else { return nil }
                text.removeFirst(4)
                // Half of a pair stands for nothing by itself; no name of ours has any.
                string.unicodeScalars.append(Unicode.Scalar(code) ?? "\u{fffd}")
            case let other?: string.unicodeScalars.append(other)
            case nil: return nil
            }
        }
        return nil
    }
}
