/// An absolute `http` or `https` URL, taken apart and ready to be requested.
///
/// It is strict about where a request goes (scheme, host, port) and lenient about what it asks for: characters that may
/// not stand in a path or a query are percent-encoded, and existing escapes are left alone, as browsers do.
///
///     let url = try HTTPURL("https://example.com/a b?q=ü")
///     url.requestTarget   // "/a%20b?q=%C3%BC"
public struct HTTPURL: Sendable, Hashable, CustomStringConvertible {
    /// The protocols that a URL can ask for.
    public enum Scheme: String, Sendable, Hashable {
        /// HTTP over a plain connection.
        case http
        /// HTTP over a connection secured by TLS.
        case https

        /// The port that is meant when a URL names none.
        public var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            }
        }
    }

    /// The user name and the password that a URL may carry in front of its host.
    public struct Credentials: Sendable, Hashable {
        /// The user name, with escapes resolved.
        public let user: String
        /// The password, with escapes resolved; empty if there was none.
        public let password: String
    }

    /// In one object, since a URL goes through many hands.
    private final class Parts: Sendable, Hashable {
        let scheme: Scheme
        let host: String
        let port: Int
        let path: String
        let query: String?
        let fragment: String?
        let credentials: Credentials?

        init(
            _ scheme: Scheme, host: String, port: Int, path: String, query: String?, fragment: String?,
            _ credentials: Credentials?
        ) {
            self.scheme = scheme
            self.host = host
            self.port = port
            self.path = path
            self.query = query
            self.fragment = fragment
            self.credentials = credentials
        }

        static func == (left: Parts, right: Parts) -> Bool {
            left === right
                || left.scheme == right.scheme && left.host == right.host && left.port == right.port
                    && left.path == right.path && left.query == right.query && left.fragment == right.fragment
                    && left.credentials == right.credentials
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(host)
            hasher.combine(port)
            hasher.combine(path)
            hasher.combine(query)
        }
    }

    private let parts: Parts

    /// The protocol to speak.
    public var scheme: Scheme { parts.scheme }

    /// The host in small letters: a name, an IPv4 address, or an IPv6 address without brackets.
    public var host: String { parts.host }

    /// The port to connect to.
    public var port: Int { parts.port }

    /// The path, encoded and without `.` and `..` segments. It begins with a slash.
    public var path: String { parts.path }

    /// What stands after the question mark, encoded; `nil` if there is none.
    public var query: String? { parts.query }

    /// What stands after the number sign, encoded; `nil` if there is none. It is never sent.
    public var fragment: String? { parts.fragment }

    /// What stood in front of the host. It is never part of ``authority`` and never printed.
    public var credentials: Credentials? { parts.credentials }

    /// Parses a URL.
    ///
    /// Blanks and line endings around it are ignored, as they come with reading URLs out of files.
    public init(_ text: String) throws(HTTPURLError) {
        if let url = HTTPURL(plain: text.utf8.span) {
            self = url
            return
        }
        let reference = URLReference(parsing: text)
        guard let scheme = reference.scheme else {
            throw HTTPURLError(.missingScheme, "the URL has no scheme; begin it with https:// or http://")
        }
        guard let knownScheme = Scheme(rawValue: scheme.lowercased()) else {
            // "localhost:8080/path" reads as a scheme, but nobody means that.
            if reference.authority == nil, reference.path.utf8.first?.isDigit == true {
                throw HTTPURLError(.missingScheme, "the URL has no scheme; begin it with https:// or http://")
            }
            throw HTTPURLError(.unsupportedScheme, "the scheme \(scheme) is not supported, only http and https are")
        }
        guard let authority = reference.authority else {
            throw HTTPURLError(.missingHost, "the URL has no host; two slashes and a host follow the scheme")
        }
        try self.init(scheme: knownScheme, authority: authority, reference: reference)
    }

    /// The host, and the port unless it is the scheme's own: what a Host field holds.
    public var authority: String {
        let host = bracketedHost
        return port == scheme.defaultPort ? host : "\(host):\(port)"
    }

    /// The path and the query: what a request line asks for.
    public var requestTarget: String {
        query.map { "\(path)?\($0)" } ?? path
    }

    /// The URL as text, normalised and without credentials.
    public var description: String {
        let url = "\(scheme.rawValue)://\(authority)\(requestTarget)"
        return fragment.map { "\(url)#\($0)" } ?? url
    }

    /// Whether both URLs have the same scheme, host and port (RFC 9110, 4.3.1 and 4.3.2), so that what is secret to one
    /// is not revealed by sending it to the other.
    public func hasSameOrigin(as other: HTTPURL) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    /// The URL that a reference found at this URL means, such as a `Location` field (RFC 3986, 5.2).
    ///
    /// Credentials stay only if the reference does not name a host.
    public func resolving(_ reference: String) throws(HTTPURLError) -> HTTPURL {
        var parsed = URLReference(parsing: reference)
        if parsed.scheme != nil { return try HTTPURL(reference) }
        if let authority = parsed.authority {
            return try HTTPURL(scheme: scheme, authority: authority, reference: parsed)
        }
        if parsed.path.isEmpty {
            parsed.path = path[...]
            parsed.query = parsed.query ?? query.map { $0[...] }
        } else if parsed.path.utf8.first != UInt8(ascii: "/"), let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
            parsed.path = path[...slash] + parsed.path
        }
        return HTTPURL(scheme: scheme, host: host, port: port, credentials: credentials, reference: parsed)
    }

    private var bracketedHost: String {
        host.utf8.contains(.colon) ? "[\(host)]" : host
    }

    /// The common case: everything is written as it is sent, so nothing needs to be escaped, resolved or made small.
    private init?(plain bytes: Span<UInt8>) {
        let scheme: Scheme = bytes.starts(with: "http://") ? .http : .https
        guard scheme == .http || bytes.starts(with: "https://") else { return nil }
        let hostStart = scheme == .http ? 7 : 8
        var index = hostStart
        while index < bytes.count, bytes[index].isPlainHostCharacter { index += 1 }
        guard index > hostStart else { return nil }
        let host = hostStart..<index
        var port = scheme.defaultPort
        if index < bytes.count, bytes[index] == .colon {
            index += 1
            let start = index
            port = 0
            while index < bytes.count, index - start < 5, bytes[index].isDigit {
                port = port * 10 + Int(bytes[index] - .zero)
                index += 1
            }
            guard port > 0, port <= 65535 else { return nil }
        }
        let pathStart = index
        while index < bytes.count, bytes[index].isPathCharacter {
            // A segment that begins with a point may be one of those that mean another directory.
            if bytes[index] == .point, bytes[index - 1] == UInt8(ascii: "/") { return nil }
            index += 1
        }
        let path = pathStart..<index
        guard path.isEmpty || bytes[pathStart] == UInt8(ascii: "/") else { return nil }
        var query: Range<Int>?
        if index < bytes.count, bytes[index] == UInt8(ascii: "?") {
            index += 1
            let start = index
            while index < bytes.count, bytes[index].isQueryCharacter { index += 1 }
            query = start..<index
        }
        guard index == bytes.count else { return nil }
        parts = Parts(
            scheme, host: String(ascii: bytes.extracting(host)), port: port,
            path: path.isEmpty ? "/" : String(ascii: bytes.extracting(path)),
            query: query.map { String(ascii: bytes.extracting($0)) }, fragment: nil, nil)
    }

    private init(scheme: Scheme, authority: Substring, reference: URLReference) throws(HTTPURLError) {
        var hostAndPort = authority
        var credentials: Credentials?
        if let at = authority.utf8.lastIndex(of: UInt8(ascii: "@")) {
            credentials = try Credentials(parsing: authority[..<at])
            hostAndPort = authority[authority.utf8.index(after: at)...]
        }
        let parsed: Authority
        do {
            parsed = try Authority(parsing: hostAndPort.utf8.span)
        } catch .invalidPort {
            throw HTTPURLError(.invalidPort, "the port is not a number from 1 to 65535")
        } catch {
            throw Self.hostFault(hostAndPort)
        }
        guard !parsed.host.isEmpty else { throw HTTPURLError(.missingHost, "the URL has no host") }
        // RFC 3986 allows more in a name, but no resolver does.
        guard parsed.isIPv6 || parsed.host.utf8.allSatisfy(\.isUnreserved) else { throw Self.hostFault(hostAndPort) }
        guard parsed.port != 0 else {
            throw HTTPURLError(.invalidPort, "the port is not a number from 1 to 65535")
        }
        self.init(
            scheme: scheme, host: parsed.host.lowercased(), port: parsed.port ?? scheme.defaultPort,
            credentials: credentials, reference: reference)
    }

    private init(scheme: Scheme, host: String, port: Int, credentials: Credentials?, reference: URLReference) {
        parts = Parts(
            scheme, host: host, port: port,
            path: PercentEncoding.encode(URLReference.removingDotSegments(reference.path)) { $0.isPathCharacter },
            query: reference.query.map { PercentEncoding.encode($0) { $0.isQueryCharacter } },
            fragment: reference.fragment.map { PercentEncoding.encode($0) { $0.isQueryCharacter } }, credentials)
    }

    private static func hostFault(_ host: Substring) -> HTTPURLError {
        guard host.utf8.allSatisfy({ $0 < 0x80 }) else {
            return HTTPURLError(.invalidHost, "the host has letters beyond ASCII; write it in its xn-- form")
        }
        if host.utf8.first == UInt8(ascii: "[") {
            return HTTPURLError(.invalidHost, "the host is not an IPv6 address in brackets")
        }
        return HTTPURLError(.invalidHost, "the host has characters other than letters, digits, '-', '.', '_' and '~'")
    }
}

extension HTTPURL.Credentials {
    /// Splits `user:password`. Anything odd in it is refused rather than guessed at: parsers disagree about such URLs,
    /// and an attacker can use that to send a request to another host than the one that was checked.
    fileprivate init(parsing text: Substring) throws(HTTPURLError) {
        guard
            text.utf8.allSatisfy({
                $0.isUnreserved || $0.isSubcomponentDelimiter || $0 == UInt8(ascii: "%") || $0 == .colon
            })
        else {
            throw HTTPURLError(
                .invalidCredentials, "the user name or the password has characters that must be percent-encoded")
        }
        let colon = text.utf8.firstIndex(of: .colon) ?? text.endIndex
        user = PercentEncoding.decode(text[..<colon])
        password = PercentEncoding.decode(text[colon...].dropFirst())
    }
}

extension UInt8 {
    /// A small letter, a digit, or what else a host's name has.
    fileprivate var isPlainHostCharacter: Bool {
        self &- 0x61 < 26 || isDigit || self == .point || self == UInt8(ascii: "-") || self == UInt8(ascii: "_")
            || self == UInt8(ascii: "~")
    }
}
