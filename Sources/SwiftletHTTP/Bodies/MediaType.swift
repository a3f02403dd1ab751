/// A media type with its parameters, as Content-Type has it (RFC 9110, 8.3.1). Content-Disposition has the same form.
public struct MediaType: Sendable, Hashable {
    /// The type without parameters, in small letters, such as `text/html`.
    public let essence: String
    /// The parameters; their names in small letters.
    public let parameters: [String: String]

    /// Reads a field's value, leniently: what is malformed is left out.
    public init(_ field: String) {
        var rest = Array(field.utf8)[...]
        func trim(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
            var bytes = bytes
            while let first = bytes.first, first.isBlank { bytes = bytes.dropFirst() }
            while let last = bytes.last, last.isBlank { bytes = bytes.dropLast() }
            return bytes
        }
        func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
        let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
        essence = text(trim(rest[..<end])).lowercased()
        rest = rest[end...]
        var parameters: [String: String] = [:]
        while !rest.isEmpty {
            rest = rest.dropFirst()
            let nameEnd = rest.firstIndex { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ";") } ?? rest.endIndex
            let name = text(trim(rest[..<nameEnd])).lowercased()
            rest = rest[nameEnd...]
            guard rest.first == UInt8(ascii: "=") else { continue }
            rest = trim(rest.dropFirst())
            var value: [UInt8] = []
            if rest.first == UInt8(ascii: "\"") {
                rest = rest.dropFirst()
                while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                    value.append(byte == UInt8(ascii: "\\") ? rest.popFirst() ?? byte : byte)
                }
                rest = rest[(rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex)...]
            } else {
                let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
                value = Array(trim(rest[..<end]))
                rest = rest[end...]
            }
            if !name.isEmpty, parameters[name] == nil { parameters[name] = String(decoding: value, as: UTF8.self) }
        }
        self.parameters = parameters
    }

    /// `application/json`, `text/json`, or a type built on it, such as `application/problem+json`.
    public var isJSON: Bool { essence == "application/json" || essence == "text/json" || essence.hasSuffix("+json") }

    /// The `charset` parameter, in small letters.
    public var charset: String? { parameters["charset"]?.lowercased() }
}

/// How bytes are read as text.
enum Charset {
    case utf8, latin1
    case utf16(isBigEndian: Bool?)

    init(of contentType: String?) {
        switch contentType.flatMap({ MediaType($0).charset }) {
        case "iso-8859-1", "latin1", "latin-1", "iso8859-1": self = .latin1
        case "utf-16": self = .utf16(isBigEndian: nil)
        case "utf-16be": self = .utf16(isBigEndian: true)
        case "utf-16le": self = .utf16(isBigEndian: false)
        default: self = .utf8
        }
    }

    func decode(_ bytes: [UInt8]) -> String {
        switch self {
        case .utf8: return String(decoding: bytes, as: UTF8.self)
        case .latin1: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        case .utf16(let isBigEndian):
            // RFC 2781, 4.3: without a byte order mark it is big-endian.
            var bytes = bytes[...]
            var isBig = isBigEndian ?? true
            if isBigEndian == nil, bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
                isBig = bytes.first == 0xFE
                bytes = bytes.dropFirst(2)
            }
            let units = stride(from: bytes.startIndex, to: bytes.endIndex - 1, by: 2).map { index in
                let pair = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
                return isBig ? pair.0 << 8 | pair.1 : pair.1 << 8 | pair.0
            }
            return String(decoding: units, as: UTF16.self)
        }
    }
}
