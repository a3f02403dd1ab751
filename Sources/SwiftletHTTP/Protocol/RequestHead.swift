package import HTTPTypes

/// The head of a request as it came over HTTP/1, with what it says about its body and its connection.
///
/// All of it has been checked. The fields are kept as bytes: most requests are answered without a look at them, and
/// `HTTPFields` costs several times what parsing does.
package struct RequestHead: Sendable, Hashable {
    package let method: HTTPRequest.Method

    /// `http` or `https`, only if the request line has a whole URL.
    package let scheme: String?

    /// From the URL of the request line or else from the Host field, which is not among the header fields any more.
    package let authority: String?

    /// The path with the query, or `*`; empty for CONNECT.
    package let path: String

    /// The field lines but for Host, each with its line ending.
    private let fieldLines: [UInt8]

    /// The version that the client speaks.
    package let version: HTTPVersion

    /// Where the request's body ends.
    package let framing: BodyFraming

    /// Whether the client expects to send another request on this connection.
    package let keepsAlive: Bool

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    package let expectsContinue: Bool

    init(
        method: HTTPRequest.Method, scheme: String?, authority: String?, path: String, fieldLines: [UInt8],
        version: HTTPVersion, framing: BodyFraming, keepsAlive: Bool, expectsContinue: Bool
    ) {
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.fieldLines = fieldLines
        self.version = version
        self.framing = framing
        self.keepsAlive = keepsAlive
        self.expectsContinue = expectsContinue
    }

    /// The fields, made anew at each call.
    package var headerFields: HTTPFields {
        var fields = HTTPFields()
        forEachLine { line, parts in
            // The parser has looked at all of it: nothing is refused any more.
            if let field = try? parts.field(in: line, kind: .fieldLine(number: 0)) { fields.append(field) }
        }
        return fields
    }

    /// The first value of a field that is UTF-8, without a look at the others.
    ///
    /// - Parameter name: in small letters.
    package func firstValue(_ name: StaticString) -> String? {
        var value: String?
        forEachLine { line, parts in
            if value == nil, line.extracting(parts.name).equalsIgnoringCase(name) {
                value = String(validating: line.extracting(parts.value))
            }
        }
        return value
    }

    private func forEachLine(_ body: (Span<UInt8>, FieldLine) -> Void) {
        var scanner = LineScanner()
        let bytes = fieldLines.span
        while let line = try? scanner.nextLine(in: bytes, limit: .max - 2, kind: .fieldLine(number: 0)) {
            let line = bytes.extracting(line)
            guard let parts = try? FieldLine(parsing: line, kind: .fieldLine(number: 0)) else { continue }
            body(line, parts)
        }
    }

    /// The request as `HTTPTypes` has it.
    package var request: HTTPRequest {
        HTTPRequest(
            method: method, scheme: scheme, authority: authority, path: path.isEmpty ? nil : path,
            headerFields: headerFields)
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
    private var requestLine: RequestLine?
    private var lineCount = 0
    private var host: String?
    private var fieldLines: [UInt8] = []
    /// What the fields say about the body and the connection.
    private var framing = FramingFields()
    private var expectsContinue = false
    private var skippedEmptyLine = false

    /// Makes a parser for one head.
    package init(limits: HTTPLimits = .default) {
        self.limits = limits
        scanner = LineScanner(budget: limits.headLength)
    }

    /// Parses on, and returns the head and its length, or `nil` if it is not complete yet.
    ///
    /// Each call takes all bytes from the head's first one on, so the bytes of earlier calls and what came since.
    /// Bytes behind the head are not looked at. Every byte is looked at once, so calling this often is cheap.
    package mutating func parse(
        _ bytes: Span<UInt8>
    ) throws(HTTPParseError) -> (head: RequestHead, byteCount: Int)? {
        while requestLine == nil {
            guard let line = try scanner.nextLine(in: bytes, limit: limits.startLineLength, kind: .requestLine)
            else { return nil }
            if line.isEmpty && !skippedEmptyLine {
                // RFC 9112, 2.2: some clients send a line ending too many after a body.
                skippedEmptyLine = true
            } else {
                requestLine = try RequestLine(parsing: bytes.extracting(line))
            }
        }
        while true {
            let kind = LineKind.fieldLine(number: lineCount + 1)
            guard let line = try scanner.nextLine(in: bytes, limit: limits.fieldLineLength, kind: kind) else {
                return nil
            }
            if line.isEmpty { return (try makeHead(requestLine.take()!), scanner.lineStart) }
            try takeField(bytes, line, kind: kind)
        }
    }

    private mutating func takeField(
        _ bytes: Span<UInt8>, _ range: Range<Int>, kind: LineKind
    ) throws(HTTPParseError) {
        // `HTTPFields` itself holds fewer than 65,535.
        let countLimit = min(limits.fieldCount, Int(UInt16.max) - 1)
        guard lineCount < countLimit else {
            throw HTTPParseError(.tooManyFields, "there are more than \(countLimit) field lines")
        }
        lineCount += 1
        let line = bytes.extracting(range)
        let parts = try FieldLine(parsing: line, kind: kind)
        let name = line.extracting(parts.name)
        // By length first: most names are none of these.
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"): return try setHost(line.extracting(parts.value))
        case 6 where name.equalsIgnoringCase("expect"):
            expectsContinue = expectsContinue || line.extracting(parts.value).equalsIgnoringCase("100-continue")
        default: try framing.note(name, line.extracting(parts.value))
        }
        bytes.extracting(range.lowerBound..<(range.upperBound + 2)).withUnsafeBufferPointer {
            fieldLines.append(contentsOf: $0)
        }
    }

    /// RFC 9112, 3.2: a request with two Host fields or an invalid one is refused. An empty one is valid: it is what a
    /// client sends when its URL has no authority.
    private mutating func setHost(_ value: Span<UInt8>) throws(HTTPParseError) {
        guard host == nil else { throw HTTPParseError(.invalidHost, "there is more than one Host field") }
        guard Authority.isValid(value) else {
            throw HTTPParseError(.invalidHost, "the Host field is not of the form host or host:port")
        }
        host = String(ascii: value)
    }

    private mutating func makeHead(_ line: consuming RequestLine) throws(HTTPParseError) -> RequestHead {
        guard host != nil || line.version < .http11 else {
            throw HTTPParseError(.invalidHost, "there is no Host field, which every HTTP/1.1 request has")
        }
        let (scheme, authority, path): (String?, String?, String) =
            switch line.target {
            case .origin(let path): (nil, host, path)
            // RFC 9112, 3.2.2: the URL's authority counts, not the Host field.
            case .absolute(let scheme, let authority, let path): (scheme, authority, path)
            case .authority(let authority): (nil, authority, "")
            case .asterisk: (nil, host, "*")
            }
        try framing.finish(line.version)
        let bodyFraming = try framing.ofRequest(line.method)
        return RequestHead(
            method: line.method, scheme: scheme, authority: authority, path: path, fieldLines: fieldLines,
            version: line.version, framing: bodyFraming, keepsAlive: framing.persists,
            expectsContinue: expectsContinue && line.version >= .http11 && bodyFraming != .none
                && bodyFraming != .length(0))
    }
}

extension FramingFields {
    /// RFC 9112, 6.3: without any framing field a request has no body.
    fileprivate func ofRequest(_ method: HTTPRequest.Method) throws(HTTPParseError) -> BodyFraming {
        if !isChunked, contentLength == nil { return .none }
        if method == .connect {
            // RFC 9110, 9.3.6: bytes after this head belong to the tunnel, so a body would be ambiguous.
            guard !isChunked && (contentLength ?? 0) == 0 else {
                throw HTTPParseError(.conflictingFraming, "a CONNECT request announces a body")
            }
            return .none
        }
        if isChunked { return .chunked }
        return contentLength.map { .length($0) } ?? .none
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
        guard line[methodEnd] == .space, let method = Self.method(line.extracting(0..<methodEnd)) else {
            throw HTTPParseError(.invalidMethod, "the method is not a token: it has \(line[methodEnd].quoted)")
        }
        let rest = line.extracting((methodEnd + 1)..<line.count)
        guard let targetEnd = rest.firstIndex(where: { $0 == .space }) else {
            throw HTTPParseError(.invalidStartLine, "the request line has no version of the form HTTP/1.1")
        }
        let version = try HTTPVersion(parsing: rest.extracting((targetEnd + 1)..<rest.count), in: .requestLine)
        let target = try RequestTarget(parsing: rest.extracting(0..<targetEnd), method: method)
        (self.method, self.target, self.version) = (method, target, version)
    }

    /// The common ones need no check for their characters.
    private static func method(_ bytes: Span<UInt8>) -> HTTPRequest.Method? {
        if bytes.equals("GET") { return .get }
        if bytes.equals("POST") { return .post }
        return HTTPRequest.Method(String(ascii: bytes))
    }
}
