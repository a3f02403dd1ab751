import FoundationEssentials
public import HTTPTypes
import Swiftlet

/// An answer, read to its end.
public struct HTTPClientResponse: Sendable, CustomStringConvertible {
    /// The status; `status.code` is the number.
    public var status: HTTPResponse.Status { head.status }
    private let head: ResponseHead
    /// The body, without the chunked coding and decompressed.
    public let bytes: [UInt8]
    /// The method of the request that is answered, which redirects may have changed.
    public let method: HTTPRequest.Method
    /// The URL that answered: the last one, after redirects.
    public let url: HTTPURL
    /// The redirects on the way here, without their bodies.
    public let history: [HTTPClientResponse]
    private let started: Deadline
    private let ended = Deadline.now

    init(
        head: ResponseHead, bytes: [UInt8], method: HTTPRequest.Method, url: HTTPURL, history: [HTTPClientResponse],
        started: Deadline
    ) {
        self.head = head
        self.bytes = bytes
        self.method = method
        self.url = url
        self.history = history
        self.started = started
    }

    /// From the call to the end of the body.
    public var elapsed: Duration { ended.remaining - started.remaining }

    /// The fields, as they came.
    ///
    /// Complexity: O(n) in their length at each look: most callers want the body, so they are taken apart only here.
    public var headers: HTTPFields { head.headerFields }

    /// The status is one of 200 to 299.
    public var isSuccessful: Bool { status.kind == .successful }

    /// The body as text: in the charset that Content-Type names if it is one of Unicode's or Latin 1, else as UTF-8. What
    /// is invalid is replaced.
    public var text: String { Charset(of: headers[.contentType]).decode(bytes) }

    /// The body as a value.
    ///
    /// - Parameters:
    ///   - type: of the value.
    ///   - checksContentType: refuses what is not declared as JSON, such as an error page.
    /// - Throws: `HTTPContentTypeError`; `DecodingError`.
    public func json<Value: Decodable>(
        _ type: Value.Type = Value.self, checksContentType: Bool = true
    ) throws -> Value {
        if checksContentType, !contentType.isJSON {
            throw HTTPContentTypeError(url: url.description, status: status.code, contentType: headers[.contentType])
        }
        return try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// Returns the response unless its status is one of 400 to 599.
    ///
    /// - Throws: `HTTPStatusError`.
    @discardableResult
    public func raiseForStatus() throws(HTTPStatusError) -> HTTPClientResponse {
        guard status.code < 400 else { throw HTTPStatusError(self) }
        return self
    }

    /// What Content-Type says; `application/octet-stream` if it is missing.
    public var contentType: MediaType { MediaType(headers[.contentType] ?? "application/octet-stream") }

    /// What the server set with this answer. The client's jar has what may be kept of it.
    public var cookies: [HTTPCookie] {
        headers[values: .setCookie].compactMap { HTTPCookie(parsing: $0, now: 0) }
    }

    public var description: String { "<Response [\(status.code)]>" }
}

/// An answer's status was one of 400 to 599, and the caller did not want that.
public struct HTTPStatusError: Error, Sendable, CustomStringConvertible {
    /// The answer, with its body.
    public let response: HTTPClientResponse

    init(_ response: HTTPClientResponse) { self.response = response }

    public var status: HTTPResponse.Status { response.status }

    public var description: String {
        let whose = response.status.code < 500 ? "the request's" : "the server's"
        return "\(response.method.rawValue) \(response.url) was answered \(response.status): \(whose) fault"
    }
}

/// An answer that should be JSON was declared as something else.
public struct HTTPContentTypeError: Error, Sendable, Hashable, CustomStringConvertible {
    public let url: String
    public let status: Int
    public let contentType: String?

    public var description: String {
        "the answer \(status) from \(url) is \(contentType ?? "of no declared type"), not JSON; "
            + "json(checksContentType: false) takes it anyway"
    }
}
