import HTTPTypes

/// What a request line asks for, in one of its four forms (RFC 9112, 3.2).
enum RequestTarget: Hashable {
    /// A path with an optional query: what clients send to a server.
    case origin(path: String)
    /// A whole URL: what clients send to a proxy, and what every server has to understand.
    case absolute(scheme: String, authority: String, path: String)
    /// A host and a port: where CONNECT wants its tunnel to end.
    case authority(String)
    /// `*`: the server itself, for OPTIONS.
    case asterisk
}

extension RequestTarget {
    /// Parses a target and checks that its form goes with the method.
    init(parsing bytes: Span<UInt8>, method: HTTPRequest.Method) throws(HTTPParseError) {
        if let index = bytes.firstIndex(where: { !$0.isTargetCharacter }) {
            throw Self.fault("has \(bytes[index].quoted)")
        }
        guard !bytes.isEmpty else { throw Self.fault("is empty") }

        if method == .connect {
            guard let authority = try? Authority(parsing: bytes), !authority.host.isEmpty, authority.port != nil else {
                throw Self.fault("of CONNECT is not of the form host:port")
            }
            self = .authority(String(ascii: bytes))
        } else if bytes[0] == UInt8(ascii: "/") {
            self = .origin(path: String(ascii: bytes))
        } else if bytes.equals("*") {
            guard method == .options else { throw Self.fault("is *, which only OPTIONS may ask for") }
            self = .asterisk
        } else {
            try self.init(parsingAbsolute: bytes, method: method)
        }
    }

    /// Parses `http://authority/path?query`. An empty path means `/`, or for OPTIONS the server itself (3.2.4).
    private init(parsingAbsolute bytes: Span<UInt8>, method: HTTPRequest.Method) throws(HTTPParseError) {
        guard let colon = bytes.firstIndex(where: { $0 == .colon }),
            bytes.extracting(colon..<bytes.count).starts(with: "://")
        else { throw Self.fault("begins neither with a slash nor with a scheme") }
        let scheme = String(ascii: bytes.extracting(0..<colon)).lowercased()
        guard scheme == "http" || scheme == "https" else { throw Self.fault("is not an http or https URL") }

        let rest = bytes.extracting((colon + 3)..<bytes.count)
        let authorityEnd = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.count
        let authority = rest.extracting(0..<authorityEnd)
        // This also refuses userinfo, as RFC 9110, 4.2.4 wants: '@' is no character of a host.
        guard let parsed = try? Authority(parsing: authority), !parsed.host.isEmpty else {
            throw Self.fault("has no valid host in its URL")
        }
        var path = String(ascii: rest.extracting(authorityEnd..<rest.count))
        if path.isEmpty && method == .options {
            path = "*"
        } else if path.utf8.first != UInt8(ascii: "/") {
            path = "/" + path
        }
        self = .absolute(scheme: scheme, authority: String(ascii: authority), path: path)
    }

    private static func fault(_ problem: String) -> HTTPParseError {
        HTTPParseError(.invalidTarget, "the request target \(problem)")
    }
}
