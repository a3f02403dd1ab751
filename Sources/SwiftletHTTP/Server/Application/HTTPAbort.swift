public import HTTPTypes

/// Thrown by a handler or a middleware to answer with a status: Flask's `abort`, aiohttp's HTTP exceptions.
///
/// ```swift
/// guard let user = users[id] else { throw HTTPAbort(.notFound, "there is no user \(id)") }
/// ```
/// The answer is the application's error page for that status; without one, the status and the reason as plain text.
public struct HTTPAbort: Error, Sendable, CustomStringConvertible {
    public var status: HTTPResponse.Status
    /// What the client is told besides; `nil` for no more than the status.
    public var reason: String?
    /// Further fields of the answer.
    public var headers: HTTPFields

    public init(_ status: HTTPResponse.Status, _ reason: String? = nil, headers: HTTPFields = [:]) {
        self.status = status
        self.reason = reason
        self.headers = headers
    }

    public var description: String {
        "\(status.code) \(status.reasonPhrase)" + (reason.map { ": \($0)" } ?? "")
    }

    /// The answer where no error page says otherwise.
    var response: HTTPServerResponse {
        var response = HTTPServerResponse.plain(status, reason)
        for field in headers { response.headers.append(field) }
        return response
    }
}
