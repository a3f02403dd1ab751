/// A cookie as a server sets it and a client keeps it (RFC 6265).
public struct HTTPCookie: Sendable, Hashable {
    /// When it is sent along with requests from other sites.
    public enum SameSite: String, Sendable, Hashable {
        case strict = "Strict"
        case lax = "Lax"
        case none = "None"
    }

    public var name: String
    public var value: String
    /// The host that gets it, or with `isHostOnly` off that and all below it. `nil` is the host that sets it.
    public var domain: String?
    /// Only the very host that set it gets it back.
    public var isHostOnly = true
    /// The path under which it is sent; `nil` is the directory of the one that sets it.
    public var path: String?
    /// When it ends, in seconds since 1970; `nil` is with the session.
    public var expires: Int64?
    /// Only over https.
    public var isSecure = false
    /// Not for scripts of a page.
    public var isHTTPOnly = false
    public var sameSite: SameSite?

    /// Makes a cookie.
    ///
    /// - Returns: `nil` for a name or value with characters that would break out of the field, such as `;` or line endings.
    public init?(_ name: String, _ value: String) {
        guard !name.isEmpty, Self.isName(name), Self.isValue(value) else { return nil }
        self.name = name
        self.value = value
    }

    /// Reads the value of a Set-Cookie field, as leniently as browsers do (RFC 6265, 5.2).
    ///
    /// - Parameters:
    ///   - field: the value of the field.
    ///   - now: seconds since 1970, from which Max-Age counts.
    /// - Returns: `nil` if it has no name, or control characters.
    public init?(parsing field: String, now: Int64) {
        var parts = field.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        let pair = parts.removeFirst()
        guard let sign = pair.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        name = Self.trimmed(pair[..<sign])
        value = Self.trimmed(pair[pair.index(after: sign)...])
        guard !name.isEmpty, Self.hasNoControls(name), Self.hasNoControls(value) else { return nil }
        var maxAge: Int64?
        for part in parts {
            let sign = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            let text = sign < part.endIndex ? Self.trimmed(part[part.index(after: sign)...]) : ""
            switch Self.trimmed(part[..<sign]).lowercased() {
            case "expires": if let date = CookieDate.seconds(text) { expires = date }
            case "max-age": if let age = Self.age(text) { maxAge = age }
            case "domain":
                let name = text.utf8.first == .point ? String(text.dropFirst()) : text
                if !name.isEmpty {
                    domain = name.lowercased()
                    isHostOnly = false
                }
            case "path": path = text.utf8.first == UInt8(ascii: "/") ? text : nil
            case "secure": isSecure = true
            case "httponly": isHTTPOnly = true
            case "samesite":
                sameSite = [SameSite.strict, .lax, .none].first { $0.rawValue.lowercased() == text.lowercased() }
            default: break
            }
        }
        if let maxAge {
            // 5.2.2: it outweighs Expires; zero and less mean at once.
            expires = maxAge <= 0 ? .min : now.addingReportingOverflow(maxAge).overflow ? .max : now + maxAge
        }
    }

    /// The value of a Set-Cookie field that sets it.
    public var setCookieField: String {
        var text = "\(name)=\(value)"
        if let domain, !isHostOnly { text += "; Domain=\(domain)" }
        if let path { text += "; Path=\(path)" }
        if let expires { text += "; Expires=\(CookieDate.text(expires))" }
        if isSecure { text += "; Secure" }
        if isHTTPOnly { text += "; HttpOnly" }
        if let sameSite { text += "; SameSite=\(sameSite.rawValue)" }
        return text
    }

    /// The cookies of a Cookie field, in order. What has no `=` is left out.
    public static func pairs(_ field: String) -> [(name: String, value: String)] {
        field.utf8.split(separator: UInt8(ascii: ";")).compactMap { pair in
            guard let sign = pair.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            return (trimmed(pair[..<sign]), trimmed(pair[pair.index(after: sign)...]))
        }
    }

    static func isName(_ text: String) -> Bool { text.utf8.allSatisfy(\.isTokenCharacter) }

    /// Wider than `cookie-octet` (4.1.1), as servers set such; but never what ends the cookie or the line.
    static func isValue(_ text: String) -> Bool { hasNoControls(text) && !text.utf8.contains(UInt8(ascii: ";")) }

    private static func hasNoControls(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == .tab }
    }

    private static func trimmed(_ text: Substring.UTF8View) -> String {
        var text = text
        while let first = text.first, first.isBlank { text = text.dropFirst() }
        while let last = text.last, last.isBlank { text = text.dropLast() }
        return String(Substring(text))
    }

    /// 5.2.2: digits, perhaps with a minus in front; anything else is ignored.
    private static func age(_ text: String) -> Int64? {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        guard !digits.isEmpty, digits.allSatisfy(\.isDigit) else { return nil }
        return Int64(text) ?? (digits.count < text.utf8.count ? .min : .max)
    }
}
