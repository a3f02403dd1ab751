import HTTPTypes
import Swiftlet

/// Field lines that the client adds to a request of its caller's.
struct RequestAdditions {
    /// The Cookie field's value, from the jar.
    var cookies: String?
    /// The Authorization field's value.
    var authorization: String?
    /// The Proxy-Authorization field's value.
    var proxyAuthorization: String?
}

extension [UInt8] {
    /// Writes down a request's head.
    ///
    /// Nothing in it can break out of its line: names and values are what `HTTPTypes` lets through, which has no line
    /// endings; the URL's parts were encoded when it was parsed; what comes from elsewhere is checked.
    ///
    /// - Throws: `HTTPRequestFault`.
    mutating func appendHead(
        of request: HTTPClientRequest, _ additions: RequestAdditions, client: HTTPClient,
        isProxied: Bool, version: HTTPVersion = .http11
    ) throws {
        append(request.method.rawValue)
        append(.space)
        if isProxied {
            append("http://")
            appendAuthority(of: request.url)
        }
        append(request.url.path)
        if let query = request.url.query {
            append(UInt8(ascii: "?"))
            append(query)
        }
        append(version == .http10 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ")
        appendAuthority(of: request.url)
        append("\r\n")
        // It would be closed otherwise. Not to a proxy: old ones pass it on unread (RFC 9112, C.2.2).
        if version == .http10, !isProxied, request.headers[.connection] == nil { append("Connection: keep-alive\r\n") }
        var defaults = DefaultFields(except: client.configuration.omittedHeaders)
        if request.headers.isEmpty, let lines = client.defaultLines {
            append(contentsOf: lines)
        } else {
            try appendFields(of: request, &defaults)
            try appendDefaults(defaults, client.configuration)
        }
        if let body = request.body {
            if let coding = body.coding { try appendField("Content-Encoding: ", coding.name) }
            if defaults.needsContentType, let type = body.contentType { try appendField("Content-Type: ", type) }
            if let length = body.length {
                try appendField("Content-Length: ", String(length))
            } else if version == .http10 {
                throw HTTPRequestFault.bodyHasNoLength
            } else {
                append("Transfer-Encoding: chunked\r\n")
            }
            if request.expectsContinue, version != .http10 { append("Expect: 100-continue\r\n") }
        } else if request.method != .get, [.post, .put, .patch].contains(request.method) {
            // RFC 9110, 8.6: these have a meaning for a body, so its absence is said.
            append("Content-Length: 0\r\n")
        }
        if let cookies = additions.cookies { defaults.cookies.append(cookies) }
        // RFC 6265, 5.4: one field, whatever HTTPTypes makes of it.
        if !defaults.cookies.isEmpty { try appendField("Cookie: ", defaults.cookies.joined(separator: "; ")) }
        if let authorization = additions.authorization, defaults.needsAuthorization {
            try appendField("Authorization: ", authorization)
        }
        if isProxied, let authorization = additions.proxyAuthorization {
            try appendField("Proxy-Authorization: ", authorization)
        }
        append("\r\n")
    }

    private mutating func appendFields(
        of request: HTTPClientRequest, _ defaults: inout DefaultFields
    ) throws(HTTPRequestFault) {
        for field in request.headers {
            switch field.name {
            case .contentLength, .transferEncoding, .expect: continue
            case .cookie:
                defaults.cookies.append(field.value)
                continue
            case .userAgent: defaults.needsUserAgent = false
            case .accept: defaults.needsAccept = false
            case .acceptEncoding: defaults.needsEncoding = false
            case .contentType: defaults.needsContentType = false
            case .authorization: defaults.needsAuthorization = false
            default: if field.name.canonicalName == "host" { throw .hasHostField }
            }
            appendField(field)
        }
    }

    /// Writes the fields that are sent unless the request has them.
    mutating func appendDefaults(_ configuration: HTTPClient.Configuration) throws(HTTPRequestFault) {
        try appendDefaults(DefaultFields(except: configuration.omittedHeaders), configuration)
    }

    private mutating func appendDefaults(
        _ defaults: DefaultFields, _ configuration: HTTPClient.Configuration
    ) throws(HTTPRequestFault) {
        if defaults.needsUserAgent { try appendField("User-Agent: ", configuration.userAgent) }
        if defaults.needsAccept { append("Accept: */*\r\n") }
        if defaults.needsEncoding, configuration.decodesContent {
            try appendField("Accept-Encoding: ", ContentDecoder.accepted)
        }
    }

    private mutating func appendAuthority(of url: HTTPURL) {
        if url.host.utf8.span.firstIndex(where: { $0 == .colon }) != nil {
            append(UInt8(ascii: "["))
            append(url.host)
            append(UInt8(ascii: "]"))
        } else {
            append(url.host)
        }
        guard url.port != url.scheme.defaultPort else { return }
        append(.colon)
        appendDecimal(url.port)
    }

    private mutating func append(_ text: String) { append(contentsOf: text.utf8) }

    private mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func appendField(_ name: StaticString, _ value: String) throws(HTTPRequestFault) {
        guard value.utf8.allSatisfy(\.isFieldValueCharacter) else { throw .invalidFieldValue("\(name)") }
        append(name)
        append(value)
        append("\r\n")
    }
}

/// What of a head the request has not said itself.
private struct DefaultFields {
    var needsUserAgent = true
    var needsAccept = true
    var needsEncoding = true
    var needsContentType = true
    var needsAuthorization = true
    var cookies: [String] = []

    init(except omitted: Set<HTTPField.Name>) {
        guard !omitted.isEmpty else { return }
        needsUserAgent = !omitted.contains(.userAgent)
        needsAccept = !omitted.contains(.accept)
        needsEncoding = !omitted.contains(.acceptEncoding)
        needsContentType = !omitted.contains(.contentType)
    }
}
