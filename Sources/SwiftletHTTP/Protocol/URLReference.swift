/// A URL or a relative reference, split into its five parts and not interpreted yet (RFC 3986, appendix B).
struct URLReference {
    var scheme: Substring?
    var authority: Substring?
    var path: Substring
    var query: Substring?
    var fragment: Substring?

    /// Splits a text. Every text has a split; which of the parts are there and valid is for the caller to judge.
    init(parsing text: String) {
        // All searches go by bytes: a combining character behind a delimiter must not hide it.
        var rest = text[...]
        while let first = rest.utf8.first, first.isWhitespace { rest = Substring(rest.utf8.dropFirst()) }
        while let last = rest.utf8.last, last.isWhitespace { rest = Substring(rest.utf8.dropLast()) }

        if let sign = rest.utf8.firstIndex(of: UInt8(ascii: "#")) {
            fragment = rest[rest.utf8.index(after: sign)...]
            rest = rest[..<sign]
        }
        if let mark = rest.utf8.firstIndex(of: UInt8(ascii: "?")) {
            query = rest[rest.utf8.index(after: mark)...]
            rest = rest[..<mark]
        }
        if let colon = rest.utf8.firstIndex(of: .colon), Self.isScheme(rest[..<colon]) {
            scheme = rest[..<colon]
            rest = rest[rest.utf8.index(after: colon)...]
        }
        if rest.utf8.starts(with: "//".utf8) {
            rest = Substring(rest.utf8.dropFirst(2))
            let end = rest.utf8.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            authority = rest[..<end]
            rest = rest[end...]
        }
        path = rest
    }

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, first.isLetter else { return false }
        return text.utf8.allSatisfy {
            $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") || $0 == .point
        }
    }

    /// The path without its `.` and `..` segments (RFC 3986, 5.2.4), beginning with a slash.
    static func removingDotSegments(_ path: Substring) -> Substring {
        guard path.utf8.first != UInt8(ascii: "/") || path.utf8.contains(.point) else { return path }
        let inner = path.utf8.first == UInt8(ascii: "/") ? path.utf8.dropFirst() : path.utf8
        var kept: [Substring] = []
        var endsInDirectory = false
        for segment in inner.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            endsInDirectory = segment.elementsEqual(".".utf8) || segment.elementsEqual("..".utf8)
            if !endsInDirectory {
                kept.append(Substring(segment))
            } else if segment.count == 2 {
                _ = kept.popLast()
            }
        }
        if endsInDirectory { kept.append("") }
        return "/" + kept.joined(separator: "/")
    }
}
