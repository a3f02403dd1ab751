/// A way to make a body smaller on its way: what Content-Encoding and Accept-Encoding name (RFC 9110, 8.4.1).
public struct ContentCoding: Sendable, Hashable, CustomStringConvertible {
    /// The name as messages spell it, in small letters.
    public let name: String

    /// No coding.
    public static let identity = ContentCoding("identity")
    /// RFC 1952. Needs the package trait `Zlib`, which is on by default.
    public static let gzip = ContentCoding("gzip")
    /// RFC 1950; on the way in also RFC 1951 alone, which some servers send. Needs the package trait `Zlib`.
    public static let deflate = ContentCoding("deflate")
    /// RFC 7932. Needs the package trait `Brotli`.
    public static let brotli = ContentCoding("br")
    /// RFC 8878. Needs the package trait `Zstd`.
    public static let zstd = ContentCoding("zstd")

    /// The codings that were built in, without `identity`; what saves most stands first.
    public static let supported: [ContentCoding] = {
        var codings: [ContentCoding] = []
        #if Zstd
            codings.append(.zstd)
        #endif
        #if Brotli
            codings.append(.brotli)
        #endif
        #if Zlib
            codings += [.gzip, .deflate]
        #endif
        return codings
    }()

    /// The coding of a name as a message gives it, known or not.
    public init(named name: some StringProtocol) {
        // RFC 9110, 8.4.1.3: an old name for the same.
        let name = name.lowercased()
        self.init(name == "x-gzip" ? "gzip" : name)
    }

    private init(_ name: String) { self.name = name }

    /// It can be coded and decoded here.
    public var isSupported: Bool { self == .identity || Self.supported.contains(self) }

    public var description: String { name }
}

extension ContentCoding {
    /// The codings of a Content-Encoding field, in the order in which they were applied, without `identity`.
    public static func list(_ field: String) -> [ContentCoding] {
        elements(field).map { ContentCoding(named: $0) }.filter { $0 != .identity }
    }

    /// What a client that takes all built-in codings says in Accept-Encoding.
    public static let acceptedField = supported.isEmpty ? "identity" : supported.map(\.name).joined(separator: ", ")

    /// The coding to answer with, by the client's Accept-Encoding field (RFC 9110, 12.5.3).
    ///
    /// - Parameters:
    ///   - field: the field's value; `nil` if there is none, which asks for no coding.
    ///   - offered: what the server has, the preferred one first.
    /// - Returns: the offered coding with the highest weight, among equals the one that is offered first; `identity` if
    ///   none is accepted.
    public static func negotiated(
        accepting field: String?, from offered: [ContentCoding] = ContentCoding.supported
    ) -> ContentCoding {
        guard let field else { return .identity }
        var weights: [ContentCoding: Int] = [:]
        for element in elements(field) {
            let parts = element.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
            let coding = ContentCoding(named: trimmed(parts[0]))
            weights[coding] = parts.count > 1 ? weight(trimmed(parts[1])) : 1000
        }
        let others = weights[ContentCoding("*")] ?? 0
        var best = (coding: ContentCoding.identity, weight: 0)
        for coding in offered where coding != .identity {
            let weight = weights[coding] ?? others
            if weight > best.weight { best = (coding, weight) }
        }
        // Who wants the body as it is more than any coding says so by name.
        return weights[.identity] ?? 0 > best.weight ? .identity : best.coding
    }

    /// The elements of a comma-separated list that are not empty.
    private static func elements(_ field: String) -> [Substring] {
        field.utf8.split(separator: UInt8(ascii: ",")).map { trimmed(Substring($0)) }.filter { !$0.isEmpty }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.utf8
        while let first = text.first, first.isBlank { text = text.dropFirst() }
        while let last = text.last, last.isBlank { text = text.dropLast() }
        return Substring(text)
    }

    /// The weight of `q=0.5` in thousandths. What is malformed weighs nothing, so that it is not chosen.
    private static func weight(_ text: Substring) -> Int {
        let bytes = Array(text.lowercased().utf8)
        guard bytes.count >= 3, bytes.count <= 7, bytes.starts(with: "q=".utf8),
            bytes[2] == .zero || bytes[2] == .zero + 1
        else { return 0 }
        var value = Int(bytes[2] - .zero)
        guard bytes.count == 3 || bytes[3] == .point else { return 0 }
        for index in 4..<7 {
            let digit = index < bytes.count ? bytes[index] : .zero
            guard digit.isDigit else { return 0 }
            value = value * 10 + Int(digit - .zero)
        }
        return min(value, 1000)
    }
}
