package import HTTPTypes

/// The head of a response as it came over HTTP/1, with what it says about its body and its connection.
package struct ResponseHead: Sendable, Hashable {
    /// The response.
    package var response: HTTPResponse

    /// The version that the server speaks.
    package var version: HTTPVersion

    /// The value of Content-Length.
    let contentLength: Int?

    /// Whether Transfer-Encoding is chunked.
    let isChunked: Bool

    /// Whether the server leaves the connection open.
    let persists: Bool

    /// Whether another response to the same request follows (RFC 9110, 15.2). After `101 Switching Protocols` it is
    /// another protocol that follows.
    package var isInterim: Bool {
        response.status.kind == .informational && response.status.code != 101
    }

    /// Where the response's body ends (RFC 9112, 6.3). This depends on the request, too.
    ///
    /// - Parameter method: The method of the request that is answered.
    package func framing(forRequestMethod method: HTTPRequest.Method) -> BodyFraming {
        let status = response.status
        if method == .head || status.kind == .informational || status.code == 204 || status.code == 304 {
            return .none
        }
        if endsProtocol(forRequestMethod: method) { return .none }
        if isChunked { return .chunked }
        return contentLength.map { .length($0) } ?? .untilClose
    }

    /// Whether the connection can carry another request after this response's body.
    ///
    /// - Parameter method: The method of the request that is answered.
    package func keepsAlive(forRequestMethod method: HTTPRequest.Method) -> Bool {
        persists && !endsProtocol(forRequestMethod: method) && framing(forRequestMethod: method) != .untilClose
    }

    /// Whether the bytes behind this head are no HTTP any more: a tunnel (RFC 9110, 9.3.6) or an upgrade (7.8).
    ///
    /// - Parameter method: The method of the request that is answered.
    package func endsProtocol(forRequestMethod method: HTTPRequest.Method) -> Bool {
        response.status.code == 101 || (method == .connect && response.status.kind == .successful)
    }
}

/// Parses a response head out of a buffer that fills up, in the same manner as ``RequestHeadParser``.
package struct ResponseHeadParser {
    private let limits: HTTPLimits
    private var scanner: LineScanner
    private var section: FieldSection
    private var statusLine: StatusLine?

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
    ) throws(HTTPParseError) -> (head: ResponseHead, byteCount: Int)? {
        while true {
            guard let statusLine else {
                guard let line = try scanner.nextLine(in: bytes, limit: limits.startLineLength, kind: .statusLine)
                else { return nil }
                self.statusLine = try StatusLine(parsing: bytes.extracting(line))
                continue
            }
            let kind = LineKind.fieldLine(number: section.lineCount + 1)
            guard let line = try scanner.nextLine(in: bytes, limit: limits.fieldLineLength, kind: kind) else {
                return nil
            }
            guard !line.isEmpty else { return (try makeHead(statusLine), scanner.lineStart) }
            section.append(try section.parse(bytes.extracting(line), kind: kind))
        }
    }

    private func makeHead(_ line: StatusLine) throws(HTTPParseError) -> ResponseHead {
        let fields = try FramingFields(section.fields, version: line.version)
        return ResponseHead(
            response: HTTPResponse(status: line.status, headerFields: section.fields), version: line.version,
            contentLength: fields.contentLength, isChunked: fields.isChunked, persists: fields.persists)
    }
}

/// The first line of a response: version, status code, reason phrase (RFC 9112, 4).
private struct StatusLine {
    var version: HTTPVersion
    var status: HTTPResponse.Status

    init(parsing line: Span<UInt8>) throws(HTTPParseError) {
        let versionEnd = line.firstIndex { $0 == .space } ?? line.count
        version = try HTTPVersion(parsing: line.extracting(0..<versionEnd), in: .statusLine)

        let codeStart = versionEnd + 1
        guard codeStart + 3 <= line.count,
            line[codeStart].isDigit, line[codeStart + 1].isDigit, line[codeStart + 2].isDigit,
            line[codeStart] != .zero
        else { throw HTTPParseError(.invalidStartLine, "the status code is not a number of three digits") }
        let code = (0..<3).reduce(0) { $0 * 10 + Int(line[codeStart + $1] - .zero) }

        // The space before an empty phrase is required, but many servers leave it out and nothing depends on it.
        let rest = line.extracting((codeStart + 3)..<line.count)
        guard rest.isEmpty || rest[0] == .space else {
            throw HTTPParseError(.invalidStartLine, "the status code is not followed by a space")
        }
        let phrase = rest.extracting(min(1, rest.count)..<rest.count)
        if let index = phrase.firstIndex(where: { !$0.isFieldValueCharacter }) {
            throw HTTPParseError(.invalidStartLine, "the reason phrase has \(phrase[index].quoted)")
        }
        status = HTTPResponse.Status(code: code, reasonPhrase: String(latin1: phrase))
    }
}
