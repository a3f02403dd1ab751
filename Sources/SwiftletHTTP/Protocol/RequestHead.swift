package import HTTPTypes

/// The head of a request as it came over HTTP/1, with what it says about its body and its connection.
package struct RequestHead: Sendable, Hashable {
    /// The request. Its authority comes from the URL of the request line or else from the Host field, which is not
    /// among the header fields any more. Its scheme is set only if the request line has a whole URL.
    package var request: HTTPRequest

    /// The version that the client speaks.
    package var version: HTTPVersion

    /// Where the request's body ends.
    package var framing: BodyFraming

    /// Whether the client expects to send another request on this connection.
    package var keepsAlive: Bool

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    package var expectsContinue: Bool {
        version >= .http11 && framing != .none && framing != .length(0)
            && request.headerFields[.expect]?.lowercased() == "100-continue"
    }
}

/// Parses a request head out of a buffer that fills up.
///
///     var parser = RequestHeadParser()
///     while true {
///         if let (head, byteCount) = try parser.parse(buffer.span) { … }
///         // read more bytes to the buffer's end
///     }
package struct RequestHeadParser {
    private let limits: HTTPLimits
    private var scanner: LineScanner
    private var section: FieldSection
    private var requestLine: RequestLine?
    private var host: String?
    private var skippedEmptyLine = false

    /// Makes a parser for one head.
    package init(limits: HTTPLimits = .default) {
        self.limits = limits
        scanner = LineScanner(budget: limits.headLength)
        section = FieldSection(countLimit: limits.fieldCount)
    }

    /// Parses on, and returns the head and its length, or `nil` if it is not complete yet.
    ///
    /// Each call takes all bytes from the head's first one on, so the bytes of earlier calls and what came since.
    /// Bytes behind the head are not looked at. Every byte is looked at once, so calling this often is cheap.
    package mutating func parse(
        _ bytes: Span<UInt8>
    ) throws(HTTPParseError) -> (head: RequestHead, byteCount: Int)? {
        while true {
            guard let requestLine else {
                guard
                    let line = try scanner.nextLine(in: bytes, limit: limits.startLineLength, kind: .requestLine)
                else { return nil }
                if line.isEmpty && !skippedEmptyLine {
                    // RFC 9112, 2.2: some clients send a line ending too many after a body.
                    skippedEmptyLine = true
                } else {
                    self.requestLine = try RequestLine(parsing: bytes.extracting(line))
                }
                continue
            }
            let kind = LineKind.fieldLine(number: section.lineCount + 1)
            guard let line = try scanner.nextLine(in: bytes, limit: limits.fieldLineLength, kind: kind) else {
                return nil
            }
            guard !line.isEmpty else { return (try makeHead(requestLine), scanner.lineStart) }
            let field = try section.parse(bytes.extracting(line), kind: kind)
            if field.name.canonicalName == "host" {
                try setHost(field)
            } else {
                section.append(field)
            }
        }
    }

    /// RFC 9112, 3.2: a request with two Host fields or an invalid one is refused. An empty one is valid: it is what a
    /// client sends when its URL has no authority.
    private mutating func setHost(_ field: HTTPField) throws(HTTPParseError) {
        guard host == nil else { throw HTTPParseError(.invalidHost, "there is more than one Host field") }
        guard (try? Authority(parsing: field.value.utf8.span)) != nil else {
            throw HTTPParseError(.invalidHost, "the Host field is not of the form host or host:port")
        }
        host = field.value
    }

    private func makeHead(_ line: RequestLine) throws(HTTPParseError) -> RequestHead {
        guard host != nil || line.version < .http11 else {
            throw HTTPParseError(.invalidHost, "there is no Host field, which every HTTP/1.1 request has")
        }
        let (scheme, authority, path): (String?, String?, String?) =
            switch line.target {
            case .origin(let path): (nil, host, path)
            // RFC 9112, 3.2.2: the URL's authority counts, not the Host field.
            case .absolute(let scheme, let authority, let path): (scheme, authority, path)
            case .authority(let authority): (nil, authority, nil)
            case .asterisk: (nil, host, "*")
            }
        let request = HTTPRequest(
            method: line.method, scheme: scheme, authority: authority, path: path, headerFields: section.fields)
        let fields = try FramingFields(section.fields, version: line.version)
        return RequestHead(
            request: request, version: line.version, framing: try framing(fields, method: line.method),
            keepsAlive: fields.persists)
    }

    /// RFC 9112, 6.3: without any framing field a request has no body.
    private func framing(
        _ fields: FramingFields, method: HTTPRequest.Method
    ) throws(HTTPParseError) -> BodyFraming {
        if method == .connect {
            // RFC 9110, 9.3.6: bytes after this head belong to the tunnel, so a body would be ambiguous.
            guard !fields.isChunked && (fields.contentLength ?? 0) == 0 else {
                throw HTTPParseError(.conflictingFraming, "a CONNECT request announces a body")
            }
            return .none
        }
        if fields.isChunked { return .chunked }
        return fields.contentLength.map { .length($0) } ?? .none
    }
}

/// The first line of a request: method, target, version, with one space between them (RFC 9112, 3).
private struct RequestLine {
    var method: HTTPRequest.Method
    var target: RequestTarget
    var version: HTTPVersion

    init(parsing line: Span<UInt8>) throws(HTTPParseError) {
        guard let methodEnd = line.firstIndex(where: { !$0.isTokenCharacter }) else {
            throw HTTPParseError(.invalidStartLine, "the request line has no request target")
        }
        guard line[methodEnd] == .space, let method = HTTPRequest.Method(String(ascii: line.extracting(0..<methodEnd)))
        else {
            throw HTTPParseError(.invalidMethod, "the method is not a token: it has \(line[methodEnd].quoted)")
        }
        let rest = line.extracting((methodEnd + 1)..<line.count)
        guard let targetEnd = rest.firstIndex(where: { $0 == .space }) else {
            throw HTTPParseError(.invalidStartLine, "the request line has no version of the form HTTP/1.1")
        }
        self.method = method
        version = try HTTPVersion(parsing: rest.extracting((targetEnd + 1)..<rest.count), in: .requestLine)
        target = try RequestTarget(parsing: rest.extracting(0..<targetEnd), method: method)
    }
}
