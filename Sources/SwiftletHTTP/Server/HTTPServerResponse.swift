public import HTTPTypes

/// A handler's answer. A string literal is one, too.
///
/// The server itself writes Content-Length, Transfer-Encoding, Date and Connection, and ignores what a handler sets for
/// them, apart from `Connection: close`, which closes the connection behind the response.
public struct HTTPServerResponse: Sendable, ExpressibleByStringInterpolation {
    public var status: HTTPResponse.Status
    public var headers: HTTPFields
    public var body: [UInt8]
    /// What happens to the connection behind a 101.
    var takeOver: (@Sendable (HTTPServerUpgrade) throws -> Void)?

    /// An answer of bytes.
    ///
    /// - Parameters:
    ///   - status: 200 by default.
    ///   - headers: further fields. Content-Length is the server's to write.
    ///   - bytes: the body.
    ///   - contentType: the Content-Type field; `nil` leaves it out.
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], bytes: [UInt8] = [],
        contentType: String? = "application/octet-stream"
    ) {
        self.status = status
        self.headers = headers
        body = bytes
        if let contentType, !bytes.isEmpty, headers[.contentType] == nil { self.headers[.contentType] = contentType }
    }

    /// An answer of text, in UTF-8; HTML unless said otherwise.
    public init(
        _ text: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:],
        contentType: String = "text/html; charset=utf-8"
    ) {
        self.init(status: status, headers: headers, bytes: Array(text.utf8), contentType: contentType)
        if text.isEmpty, headers[.contentType] == nil { self.headers[.contentType] = contentType }
    }

    public init(stringLiteral text: String) { self.init(text) }

    /// What the server answers on its own: the status as plain text.
    static func plain(_ status: HTTPResponse.Status, _ detail: String? = nil) -> HTTPServerResponse {
        let text = "\(status.code) \(status.reasonPhrase)\(detail.map { ": \($0)" } ?? "")\n"
        return HTTPServerResponse(text, status: status, contentType: "text/plain; charset=utf-8")
    }
}
