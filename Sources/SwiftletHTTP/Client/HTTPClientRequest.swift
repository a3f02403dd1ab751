public import HTTPTypes
import Swiftlet

/// A request to send: method, URL, header fields, body.
public struct HTTPClientRequest: Sendable {
    /// GET by default.
    public var method: HTTPRequest.Method
    public var url: HTTPURL
    /// Fields to send. Host, Content-Length, Transfer-Encoding and Expect are the client's to write; User-Agent, Accept
    /// and Accept-Encoding have defaults.
    public var headers: HTTPFields
    /// The body; `nil` is none.
    public var body: HTTPRequestBody?
    /// How long the whole request may take, queueing and connecting included.
    public var timeout = Setting<Duration?>.ofClient
    /// Who asks; `nil` leaves it to the URL's credentials, and those to the client.
    public var authentication: HTTPAuthentication?
    /// Redirects are followed; otherwise they are answers like others.
    public var followsRedirects = true
    /// Asks for the server's consent before it sends the body: a server that refuses need not read it.
    public var expectsContinue = false
    /// What it does otherwise than its client.
    var exceptions: Exceptions?

    /// Makes a request.
    ///
    /// - Parameters:
    ///   - method: GET unless something else is said.
    ///   - url: where it goes.
    ///   - headers: its own fields, besides those that the client adds.
    ///   - body: what it carries.
    ///   - timeout: how long all of it may take; `nil` leaves it to the client.
    public init(
        method: HTTPRequest.Method = .get, url: HTTPURL, headers: HTTPFields = [:], body: HTTPRequestBody? = nil,
        timeout: Duration? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        if let timeout { self.timeout = .own(timeout) }
    }

    /// A request whose body is bytes.
    public init(
        method: HTTPRequest.Method = .get, url: HTTPURL, headers: HTTPFields = [:], body: [UInt8],
        timeout: Duration? = nil
    ) {
        self.init(method: method, url: url, headers: headers, body: .bytes(body), timeout: timeout)
    }

    /// Doing it twice is the same as doing it once (RFC 9110, 9.2.2), so it may be sent again unasked.
    public var isIdempotent: Bool {
        switch method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }

    /// It can be sent once more without being made anew.
    public var isRepeatable: Bool { body?.isRepeatable ?? true }
}
