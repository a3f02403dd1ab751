public import HTTPTypes

/// A request to send: method, URL, header fields, body.
public struct HTTPClientRequest: Sendable, Hashable {
    /// GET by default.
    public var method: HTTPRequest.Method
    public var url: HTTPURL
    /// Fields to send. Host and Content-Length are the client's to write; User-Agent and Accept have defaults.
    public var headers: HTTPFields
    /// The body; `nil` is none.
    public var body: [UInt8]?
    /// How long the whole request may take, queueing and connecting included; `nil` leaves it to the client.
    public var timeout: Duration?

    public init(
        method: HTTPRequest.Method = .get, url: HTTPURL, headers: HTTPFields = [:], body: [UInt8]? = nil,
        timeout: Duration? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
    }

    /// Doing it twice is the same as doing it once (RFC 9110, 9.2.2), so it may be sent again unasked.
    var isIdempotent: Bool {
        switch method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }

    /// Its head as bytes.
    func serializedHead(userAgent: String) throws(HTTPSerializationError) -> [UInt8] {
        var fields = headers
        fields[.contentLength] = nil
        if let body {
            fields[.contentLength] = String(body.count)
        } else if [.post, .put, .patch].contains(method) {
            // RFC 9110, 8.6: these have a meaning for a body, so its absence is said.
            fields[.contentLength] = "0"
        }
        if fields[.userAgent] == nil { fields[.userAgent] = userAgent }
        if fields[.accept] == nil { fields[.accept] = "*/*" }
        let request = HTTPRequest(
            method: method, scheme: url.scheme.rawValue, authority: url.authority, path: url.requestTarget,
            headerFields: fields)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        try bytes.appendHead(of: request)
        return bytes
    }
}
