package import HTTPTypes

/// The head of a response as it came over HTTP/1, with what it says about its body and its connection.
///
/// The field lines are checked, and taken apart only when somebody asks for them.
package struct ResponseHead: Sendable, Hashable {
    /// Fields of which a client has to know without taking all apart.
    struct Notes: OptionSet, Sendable, Hashable {
        let rawValue: UInt8

        static let setCookie = Notes(rawValue: 1)
        static let contentEncoding = Notes(rawValue: 2)
    }

    /// The status.
    package let status: HTTPResponse.Status

    /// The version that the server speaks.
    package let version: HTTPVersion

    /// The field lines as they came, each with its line ending.
    let fieldLines: [UInt8]

    /// What the fields say about the body and the connection.
    private let framing: FramingFields

    /// Which of the fields a client has to know of are there.
    let notes: Notes

    fileprivate init(
        status: HTTPResponse.Status, version: HTTPVersion, fieldLines: [UInt8], framing: FramingFields, notes: Notes
    ) {
        self.status = status
        self.version = version
        self.fieldLines = fieldLines
        self.framing = framing
        self.notes = notes
    }

    /// The fields. Complexity: O(n), at each call.
    package var headerFields: HTTPFields { FieldSection.fields(ofChecked: fieldLines.span) }

    /// The response. Complexity: O(n), at each call.
    package var response: HTTPResponse { HTTPResponse(status: status, headerFields: headerFields) }

    /// The value of Content-Length.
    var contentLength: Int? { framing.contentLength }

    /// Whether Transfer-Encoding is chunked.
    var isChunked: Bool { framing.isChunked }

    /// Whether the server leaves the connection open.
    var persists: Bool { framing.persists }

    /// The server says so, whatever its version.
    var asksToPersist: Bool { framing.asksToPersist }

    /// Whether another response to the same request follows (RFC 9110, 15.2). After `101 Switching Protocols` it is
    /// another protocol that follows.
    package var isInterim: Bool {
        status.kind == .informational && status.code != 101
    }

    /// Where the response's body ends (RFC 9112, 6.3). This depends on the request, too.
    ///
    /// - Parameter method: The method of the request that is answered.
    package func framing(forRequestMethod method: HTTPRequest.Method) -> BodyFraming {
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
        status.code == 101 || (method == .connect && status.kind == .successful)
    }
}

/// Parses a response head out of a buffer that fills up, in the same manner as ``RequestHeadParser``.
package struct ResponseHeadParser {
    private let limits: HTTPLimits
    private var scanner: LineScanner
    private var section: FieldSection
    private var statusLine: StatusLine?
    private var fieldsStart = 0
    private var framing = FramingFields()
    private var notes: ResponseHead.Notes = []

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
                fieldsStart = scanner.lineStart
                continue
            }
            let kind = LineKind.fieldLine(number: section.lineCount + 1)
            guard let line = try scanner.nextLine(in: bytes, limit: limits.fieldLineLength, kind: kind) else {
                return nil
            }
            guard !line.isEmpty else {
                try framing.finish(statusLine.version)
                let head = ResponseHead(
                    status: statusLine.status, version: statusLine.version,
                    fieldLines: Array(copying: bytes.extracting(fieldsStart..<line.lowerBound)), framing: framing,
                    notes: notes)
                return (head, scanner.lineStart)
            }
            try note(bytes.extracting(line), kind: kind)
        }
    }

    private mutating func note(_ line: Span<UInt8>, kind: LineKind) throws(HTTPParseError) {
        let parts = try section.check(line, kind: kind)
        let name = line.extracting(parts.name)
        try framing.note(name, line.extracting(parts.value))
        switch name.count {
        case 10 where name.equalsIgnoringCase("set-cookie"): notes.insert(.setCookie)
        case 16 where name.equalsIgnoringCase("content-encoding"): notes.insert(.contentEncoding)
        default: break
        }
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
        // By far the most frequent one need not be made anew.
        status = code == 200 && phrase.equals("OK") ? .ok : .init(code: code, reasonPhrase: String(latin1: phrase))
    }
}
