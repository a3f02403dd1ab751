import FoundationEssentials
public import HTTPTypes
import Swiftlet

/// An answer whose body is still coming.
///
/// Reading the body to its end gives the connection back to its client. `close()` before that, which `withResponse` does,
/// closes the connection, unless so little is left that it can be read away.
///
/// Thread rules: used by one stack at a time.
public final class HTTPResponseStream: @unchecked Sendable {
    public let status: HTTPResponse.Status
    public let headers: HTTPFields
    /// The method of the request that is answered, which redirects may have changed.
    public let method: HTTPRequest.Method
    /// The URL that answered: the last one, after redirects.
    public let url: HTTPURL
    /// The redirects on the way here, without their bodies.
    public let history: [HTTPClientResponse]
    /// The body, piece by piece as it comes.
    public let body: HTTPResponseBody
    private let head: ResponseHead?
    private let started: Deadline

    init(_ exchange: Exchange, _ journey: borrowing RequestJourney) throws {
        head = exchange.head
        status = head?.status ?? .ok
        headers = head?.headerFields ?? [:]
        method = exchange.request.method
        url = exchange.request.url
        history = journey.history
        started = journey.started
        do {
            body = HTTPResponseBody(exchange, try exchange.makeDecompressor(limit: nil))
        } catch {
            throw exchange.fail(error)
        }
    }

    /// The status is one of 200 to 299.
    public var isSuccessful: Bool { status.kind == .successful }

    /// Reads all of the body that has not been read, up to the client's `limits.bodyLength`.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func collect() throws -> HTTPClientResponse {
        let bytes = try body.collect()
        guard let head else { throw HTTPRequestFault.responseIsClosed }
        return HTTPClientResponse(
            head: head, bytes: bytes, method: method, url: url, history: history,
            started: started)
    }

    /// Reads all of the body that has not been read, from a task.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func collect() async throws -> HTTPClientResponse {
        try await parkInTask { try self.collect() }
    }

    /// The parts of a multipart answer, while they come.
    ///
    /// - Parameter partLimit: the most parts.
    /// - Throws: `HTTPParseError` for an answer that has no parts.
    public func multipart(partLimit: Int = 1000) throws(HTTPParseError) -> MultipartReader {
        let body = body
        return try MultipartReader(contentType: headers[.contentType], partLimit: partLimit) { try body.next() }
    }

    /// Releases the connection. Closing twice does nothing.
    public func close() { body.close() }

    /// Throws unless the status is below 400.
    ///
    /// - Throws: `HTTPStatusError`, with as much of the body as has been asked for: none.
    public func raiseForStatus() throws(HTTPStatusError) {
        guard status.code >= 400, let head else { return }
        throw HTTPStatusError(
            HTTPClientResponse(
                head: head, bytes: [], method: method, url: url, history: history, started: started))
    }
}
