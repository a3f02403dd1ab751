public import HTTPTypes
import Swiftlet

/// Sends HTTP requests over connections that it keeps and reuses: a session.
///
/// ```swift
/// let pages = try HTTPClient.with { client in
///     try urls.map { url in spawn { try client.get(url).text } }.map { try $0.get() }
/// }
/// ```
///
/// It may be used from any number of fibers, tasks and threads at once; a connection is cheapest where it was opened.
/// Redirects are not followed: they are answers like others.
public final class HTTPClient: Sendable {
    /// How a client behaves.
    public struct Configuration: Sendable {
        /// What relative URLs are relative to.
        public var baseURL: HTTPURL?
        /// Connections at once, to all hosts together; further requests queue in order.
        public var connectionLimit = 100
        /// How long a connection may wait for another request before it is closed at the client's next use.
        public var idleTimeout = Duration.seconds(15)
        /// How long a whole request may take, queueing and connecting included; `nil` is for ever.
        public var timeout: Duration? = .seconds(300)
        /// How long looking up the host and connecting may take together.
        public var connectTimeout: Duration? = .seconds(30)
        /// How long the server may be silent while a request is written or its answer is read.
        public var readTimeout: Duration? = .seconds(60)
        /// What an answer may have. Bodies end at 100 MiB by default.
        public var limits: HTTPLimits
        /// Fields of every request that does not set them itself.
        public var headers: HTTPFields = [:]
        /// The User-Agent field of requests that do not set it.
        public var userAgent = "Swiftlet"

        public init() {
            limits = HTTPLimits()
            limits.bodyLength = 100 << 20
        }
    }

    public let configuration: Configuration
    let pool: ConnectionPool

    /// Makes a client that has no connections yet. `close()` it, or use `with`.
    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        pool = ConnectionPool(limit: configuration.connectionLimit, idleTimeout: configuration.idleTimeout)
    }

    deinit { pool.close() }

    /// Runs the body with a client that is closed afterwards.
    ///
    /// - Throws: what the body throws.
    public static func with<Value>(
        _ configuration: Configuration = Configuration(), _ body: (HTTPClient) throws -> Value
    ) rethrows -> Value {
        let client = HTTPClient(configuration)
        defer { client.close() }
        return try body(client)
    }

    /// Closes the kept connections and refuses further requests. Requests under way go on. On a loop it lets others run
    /// while it closes many, whatever was cancelled.
    public func close() { pool.close(isPatient: true) }

    // MARK: Requests

    /// Asks for a URL.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Parameters:
    ///   - url: absolute, or relative to the base URL.
    ///   - headers: further fields.
    ///   - timeout: for the whole request; `nil` takes the client's.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public func get(_ url: String, headers: HTTPFields = [:], timeout: Duration? = nil) throws -> HTTPClientResponse {
        try perform(try request(url, headers, timeout))
    }

    /// Sends a request and reads its answer.
    ///
    /// A GET or another idempotent request whose kept connection turns out to have been closed is sent once more, on a
    /// new one.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func send(_ request: HTTPClientRequest) throws -> HTTPClientResponse { try perform(request) }

    func request(_ url: String, _ headers: HTTPFields, _ timeout: Duration?) throws -> HTTPClientRequest {
        if configuration.baseURL == nil, url.isEmpty || "/?#".contains(url[url.startIndex]), !url.hasPrefix("//") {
            throw HTTPClientError(
                method: .get, url: url, phase: .request, attempt: 1, connectionAge: nil,
                cause: HTTPRequestFault.hasNoBaseURL)
        }
        let target = try configuration.baseURL?.resolving(url) ?? HTTPURL(url)
        return HTTPClientRequest(url: target, headers: headers, timeout: timeout)
    }

    func perform(_ request: HTTPClientRequest) throws -> HTTPClientResponse {
        var attempt = RequestAttempt(completed(request), client: self)
        return try attempt.perform()
    }

    /// The request with the client's own fields, where it does not set them.
    func completed(_ original: HTTPClientRequest) -> HTTPClientRequest {
        var request = original
        for field in configuration.headers where original.headers[field.name] == nil { request.headers.append(field) }
        return request
    }
}
