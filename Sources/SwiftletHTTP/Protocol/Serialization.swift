package import HTTPTypes

/// How a client names what it wants (RFC 9112, 3.2).
package enum RequestTargetForm: Sendable, Hashable {
    /// By path: to the server itself.
    case origin
    /// By whole URL: to a proxy.
    case absolute
}

extension [UInt8] {
    /// Appends a request head, with the request's authority as its Host field.
    ///
    /// The header fields are written as they are, so the caller sets those that announce the body. If the request is
    /// refused, nothing is appended. `HTTPTypes` keeps line endings out of methods, names and values; the parts that
    /// it does not restrict that far are checked here, as a line ending in any of them would let whoever chose that
    /// part write fields, or a whole request, of their own.
    package mutating func appendHead(
        of request: HTTPRequest, version: HTTPVersion = .http11, form: RequestTargetForm = .origin
    ) throws(HTTPSerializationError) {
        guard let authority = request.authority, let parsed = try? Authority(parsing: authority.utf8.span) else {
            throw HTTPSerializationError(
                .invalidAuthority, "set the request's authority to a host, or a host and a port")
        }
        let isConnect = request.method == .connect
        if isConnect {
            guard !parsed.host.isEmpty && parsed.port != nil else {
                throw HTTPSerializationError(.invalidAuthority, "a CONNECT request needs a host and a port")
            }
        } else {
            try Self.checkPath(request)
        }
        let writesURL = form == .absolute && !isConnect
        if writesURL {
            guard let scheme = request.scheme, scheme == "http" || scheme == "https" else {
                throw HTTPSerializationError(.invalidScheme, "a request to a proxy needs the scheme http or https")
            }
            guard !parsed.host.isEmpty else {
                throw HTTPSerializationError(.invalidAuthority, "a request to a proxy needs a host")
            }
        }
        guard !request.headerFields.contains(where: { $0.name.canonicalName == "host" }) else {
            throw HTTPSerializationError(
                .invalidAuthority, "set the request's authority instead of a Host field, which is written from it")
        }

        append(contentsOf: request.method.rawValue.utf8)
        append(.space)
        if isConnect {
            append(contentsOf: authority.utf8)
        } else {
            if writesURL, let scheme = request.scheme {
                append(contentsOf: scheme.utf8)
                append(contentsOf: "://".utf8)
                append(contentsOf: authority.utf8)
            }
            // RFC 9112, 3.2.4: a whole URL asks for the server itself by having no path.
            if let path = request.path, !(writesURL && path == "*") {
                append(contentsOf: path.utf8)
            }
        }
        append(contentsOf: version == .http11 ? " HTTP/1.1\r\nHost: ".utf8 : " HTTP/1.0\r\nHost: ".utf8)
        append(contentsOf: authority.utf8)
        append(contentsOf: "\r\n".utf8)
        appendFields(request.headerFields)
        append(contentsOf: "\r\n".utf8)
    }

    /// Appends a response head.
    ///
    /// The header fields are written as they are, so the caller sets those that announce the body. If the response is
    /// refused, nothing is appended.
    package mutating func appendHead(
        of response: HTTPResponse, version: HTTPVersion = .http11
    ) throws(HTTPSerializationError) {
        try appendStatusLine(response.status, version: version)
        appendFields(response.headerFields)
        append(contentsOf: "\r\n".utf8)
    }

    /// Appends the first line of a response, with its line ending.
    mutating func appendStatusLine(
        _ status: HTTPResponse.Status, version: HTTPVersion
    ) throws(HTTPSerializationError) {
        guard (100...999).contains(status.code) else {
            throw HTTPSerializationError(.invalidStatus, "the status code \(status.code) does not have three digits")
        }
        append(contentsOf: version == .http11 ? "HTTP/1.1 ".utf8 : "HTTP/1.0 ".utf8)
        append(.zero + UInt8(status.code / 100))
        append(.zero + UInt8(status.code / 10 % 10))
        append(.zero + UInt8(status.code % 10))
        append(.space)
        for scalar in status.reasonPhrase.unicodeScalars {
            // The phrase travels as ISO Latin 1, and nobody reads it: a space will do for all else.
            append(UInt8(exactly: scalar.value) ?? .space)
        }
        append(contentsOf: "\r\n".utf8)
    }

    /// Appends one chunk of a chunked body. Without data nothing is appended, since an empty chunk ends the body.
    package mutating func appendChunk(_ data: Span<UInt8>) {
        guard !data.isEmpty else { return }
        appendChunkSizeLine(data.count)
        data.withUnsafeBufferPointer { append(contentsOf: $0) }
        append(contentsOf: "\r\n".utf8)
    }

    /// Appends the line that announces a chunk, for a caller that sends the data itself and `\r\n` behind it.
    package mutating func appendChunkSizeLine(_ byteCount: Int) {
        append(contentsOf: String(byteCount, radix: 16).utf8)
        append(contentsOf: "\r\n".utf8)
    }

    /// Appends the end of a chunked body, with fields that trail it.
    package mutating func appendLastChunk(trailers: HTTPFields = [:]) {
        append(contentsOf: "0\r\n".utf8)
        appendFields(trailers)
        append(contentsOf: "\r\n".utf8)
    }

    private mutating func appendFields(_ fields: HTTPFields) {
        for field in fields { appendField(field) }
    }

    /// Appends a field line with its line ending.
    mutating func appendField(_ field: HTTPField) {
        append(contentsOf: field.name.rawName.utf8)
        append(contentsOf: ": ".utf8)
        field.withUnsafeBytesOfValue { append(contentsOf: $0) }
        append(contentsOf: "\r\n".utf8)
    }

    /// Appends a number that is not negative.
    mutating func appendDecimal(_ number: Int) {
        if number >= 10 { appendDecimal(number / 10) }
        append(.zero + UInt8(number % 10))
    }

    private static func checkPath(_ request: HTTPRequest) throws(HTTPSerializationError) {
        guard let path = request.path, let first = path.utf8.first else {
            throw HTTPSerializationError(.invalidPath, "set the request's path, at least to \"/\"")
        }
        guard first == UInt8(ascii: "/") || (path == "*" && request.method == .options) else {
            throw HTTPSerializationError(.invalidPath, "the request's path does not begin with a slash")
        }
        if let byte = path.utf8.first(where: { !$0.isTargetCharacter }) {
            throw HTTPSerializationError(.invalidPath, "the request's path has \(byte.quoted); percent-encode it")
        }
    }
}
