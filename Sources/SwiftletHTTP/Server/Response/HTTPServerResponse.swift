public import HTTPTypes

/// A handler's answer. A string literal is one, too.
///
/// The server itself writes Content-Length, Transfer-Encoding, Date and Connection, and ignores what a handler sets for
/// them, apart from `Connection: close`, which closes the connection behind the response.
public struct HTTPServerResponse: Sendable, ExpressibleByStringInterpolation {
    public var status: HTTPResponse.Status
    public var headers: HTTPFields
    public var body: Body
    /// Written as Content-Type, unless `headers` has that field.
    public var contentType: String?
    /// What happens to the connection behind a 101.
    var takeOver: (@Sendable (HTTPServerUpgrade) throws -> Void)?

    /// An answer of bytes.
    ///
    /// - Parameters:
    ///   - status: 200 by default.
    ///   - headers: further fields. Content-Length is the server's to write.
    ///   - bytes: the body.
    ///   - contentType: the Content-Type field; `nil` leaves it out, and so does an empty body.
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(), bytes: [UInt8] = [],
        contentType: String? = "application/octet-stream"
    ) {
        self.init(
            Body(bytes), status: status, headers: headers, contentType: bytes.isEmpty ? nil : contentType)
    }

    /// An answer of text, in UTF-8; HTML unless said otherwise.
    public init(
        _ text: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(),
        contentType: String = "text/html; charset=utf-8"
    ) {
        // Not by way of the one below: the optimizer would copy what that one has made.
        self.status = status
        self.headers = headers
        body = Body(text)
        self.contentType = contentType
    }

    /// An answer with any body.
    public init(
        _ body: Body, status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(),
        contentType: String? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.contentType = contentType
    }

    public init(stringLiteral text: String) {
        status = .ok
        headers = HTTPFields()
        body = Body(text)
        contentType = "text/html; charset=utf-8"
    }

    /// The same with one more field.
    public func adding(_ name: HTTPField.Name, _ value: String) -> HTTPServerResponse {
        var response = self
        response.headers.append(HTTPField(name: name, value: value))
        return response
    }

    /// Has the client keep a cookie.
    public mutating func setCookie(_ cookie: HTTPCookie) {
        headers.append(HTTPField(name: .setCookie, value: cookie.setCookieField))
    }

    /// Has the client forget a cookie.
    ///
    /// - Parameters:
    ///   - name: the cookie's.
    ///   - path: where it was set for.
    public mutating func deleteCookie(_ name: String, path: String? = "/") {
        guard var cookie = HTTPCookie(name, "") else { return }
        cookie.path = path
        cookie.expires = 0
        setCookie(cookie)
    }

    // MARK: Kinds of answers

    /// An answer that plain synchronous code writes piece by piece, in the connection's fiber: in chunks, or for an
    /// HTTP/1.0 client until the connection ends.
    ///
    /// ```swift
    /// return .stream(contentType: "text/csv") { body in
    ///     for row in rows { try body.write(row.csv) }     // waits for a client that does not read
    /// }
    /// ```
    /// - Parameters:
    ///   - status: 200 by default.
    ///   - headers: further fields.
    ///   - length: exactly so many bytes are going to be written; `nil` if that is not known.
    ///   - contentType: the Content-Type field.
    ///   - write: writes the body. An error cuts the answer off in a way that the client notices.
    public static func stream(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(), length: Int? = nil,
        contentType: String? = "application/octet-stream",
        _ write: @escaping @Sendable (Writer) throws -> Void
    ) -> HTTPServerResponse {
        HTTPServerResponse(.stream(length: length, write), status: status, headers: headers, contentType: contentType)
    }

    /// An answer that async code writes piece by piece, in a task on the connection's loop.
    public static func stream(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(), length: Int? = nil,
        contentType: String? = "application/octet-stream",
        _ write: @escaping @Sendable (Writer) async throws -> Void
    ) -> HTTPServerResponse {
        HTTPServerResponse(.stream(length: length, write), status: status, headers: headers, contentType: contentType)
    }

    /// Sends the client elsewhere.
    ///
    /// - Parameters:
    ///   - path: a path of this server, or a whole URL. What cannot stand in one is escaped.
    ///   - query: is put behind it.
    ///   - status: 303 makes a GET of any method; 307 and 308 keep it, the latter for good.
    public static func redirect(
        to path: String, query: String? = nil, status: HTTPResponse.Status = .permanentRedirect
    ) -> HTTPServerResponse {
        var response = plain(status)
        var target = PercentEncoding.encode(path[...]) { $0.isQueryCharacter || $0 == UInt8(ascii: "#") }
        // Browsers take "//host/" and "/\host/" for another server.
        if target.hasPrefix("//") { target = "/" + target.drop { $0 == "/" } }
        response.headers[.location] = query.map { "\(target)?\($0)" } ?? target
        return response
    }

    /// What the server answers on its own: the status as plain text.
    static func plain(_ status: HTTPResponse.Status, _ detail: String? = nil) -> HTTPServerResponse {
        let text = "\(status.code) \(status.reasonPhrase)\(detail.map { ": \($0)" } ?? "")\n"
        return HTTPServerResponse(text, status: status, contentType: "text/plain; charset=utf-8")
    }
}
