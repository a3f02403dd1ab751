public import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import SwiftletLoop
import Synchronization

/// Sends HTTP requests over connections that it keeps and reuses: a session.
///
/// ```swift
/// let pages = try HTTPClient.with { client in
///     try urls.map { url in spawn { try client.get(url).text } }.map { try $0.get() }
/// }
/// ```
///
/// It follows redirects, keeps cookies, and decodes compressed bodies. It may be used from any number of fibers, tasks and
/// threads at once; a connection is cheapest where it was opened.
///
/// The Python counterparts are aiohttp's `ClientSession` and the `Session` of requests.
public final class HTTPClient: Sendable {
    public let configuration: Configuration
    /// Its cookies; `nil` if it keeps none.
    public let cookies: CookieJar?
    let pool: ConnectionPool
    /// Whose connections it uses, if they are not its own.
    private let lender: HTTPClient?
    private let wasClosed = Atomic(false)
    let digests = DigestChallenges()
    /// The fields of requests that set none themselves, written down; `nil` if they cannot be.
    let defaultLines: [UInt8]?
    private let lastNumber = Atomic<UInt64>(0)
    /// Where it was made, while somebody inspects the process.
    private let origin = DescriptorOrigins.here

    /// Makes a client that has no connections yet. `close()` it, or use `with`.
    public convenience init(_ configuration: Configuration = Configuration()) { self.init(configuration, lender: nil) }

    /// Makes a client with cookies, header fields, time limits and so on of its own, over the connections of another one: their
    /// number is limited together, and each may use what the other has kept. How many there may be, for how long they are kept
    /// and how they are made (`unixSocket`, `resolver`, `localHost`, `connect`, `tls`) is the other's to say. To close this
    /// client leaves the connections alone; to close the other one ends both. aiohttp's
    /// `ClientSession(connector=…, connector_owner=False)`.
    public convenience init(_ configuration: Configuration = Configuration(), connectionsOf other: HTTPClient) {
        var configuration = configuration
        configuration.takeConnections(of: other.configuration)
        self.init(configuration, lender: other.lender ?? other)
    }

    private init(_ configuration: Configuration, lender: HTTPClient?) {
        self.configuration = configuration
        self.lender = lender
        cookies =
            switch configuration.cookies {
            case .own: CookieJar()
            case .jar(let jar): jar
            case .none: nil
            }
        var lines: [UInt8] = []
        defaultLines = (try? lines.appendDefaults(configuration)).map { lines }
        pool =
            lender?.pool
            ?? ConnectionPool(
                limit: configuration.connectionLimit, hostLimit: configuration.hostConnectionLimit,
                idleTimeout: configuration.idleTimeout)
        guard lender == nil else { return }
        Inspection.register(pool) { [pool] in pool.metrics }
    }

    deinit {
        guard lender == nil else { return }
        Inspection.forget(pool)
        let idle = pool.statistics.idleConnections
        if pool.close(), idle > 0 {
            Report(
                .unclosedClient,
                "an HTTPClient was dropped with \(idle) open connections: use HTTPClient.with, or close() it"
                    + (origin.isEmpty ? "" : ". It was made here:\n")
                    + origin.map { "    " + Inspection.name(of: $0) }.joined(separator: "\n")
            ).post()
        }
    }

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
    /// while it closes many, whatever was cancelled. A client that uses another one's connections leaves them to that,
    /// and requests that wait for one of those go on too.
    public func close() {
        wasClosed.store(true, ordering: .releasing)
        if lender == nil { pool.close(isPatient: true) }
    }

    /// `close()` was called, of this client or of the one whose connections it uses.
    public var isClosed: Bool { wasClosed.load(ordering: .acquiring) || lender?.isClosed == true }

    /// What it has done, and how it stands, together with those that use the same connections.
    public var statistics: HTTPClientStatistics { pool.statistics }

    func nextNumber() -> UInt64 { lastNumber.add(1, ordering: .relaxed).newValue }

    // MARK: Sending

    /// Sends a request and reads its answer.
    ///
    /// A GET or another idempotent request whose kept connection turns out to have been closed is sent once more, on a
    /// new one.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public func send(_ request: HTTPClientRequest) throws -> HTTPClientResponse { try perform(request) }

    /// Sends a request and runs the body as soon as the answer's head has come. Afterwards the response is released.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`; what the body throws.
    public func withResponse<Value>(
        to request: HTTPClientRequest, _ body: (HTTPResponseStream) throws -> Value
    ) throws -> Value {
        let response = try open(request)
        defer { response.close() }
        return try body(response)
    }

    // Out of line: tasks wait in it too, and their frames are kept on the heap.
    @inline(never)
    func perform(_ request: HTTPClientRequest) throws -> HTTPClientResponse {
        guard request.middlewares(of: self).isEmpty else { return try performThroughMiddlewares(request) }
        var journey = RequestJourney(request, client: self)
        return try answer(of: try journey.open(), journey)
    }

    @inline(never)
    private func answer(of exchange: Exchange, _ journey: borrowing RequestJourney) throws -> HTTPClientResponse {
        let bytes = try exchange.collect()
        return try checked(try exchange.response(bytes, journey))
    }

    @inline(never)
    private func performThroughMiddlewares(_ request: HTTPClientRequest) throws -> HTTPClientResponse {
        let response = try open(request)
        defer { response.close() }
        return try checked(try response.collect())
    }

    private func checked(_ response: HTTPClientResponse) throws -> HTTPClientResponse {
        if configuration.throwsForStatus { try response.raiseForStatus() }
        return response
    }

    /// Sends a request and returns as soon as the answer's head has come, for what outlives a scope, such as a server's answer
    /// that passes the body on. `withResponse` is safer: this keeps a connection in use until the body has been read to its
    /// end, or the response is closed or dropped.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public func open(_ request: HTTPClientRequest) throws -> HTTPResponseStream {
        try open(completed(request), through: request.middlewares(of: self)[...])
    }

    /// Sends a request and returns as soon as the answer's head has come, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func open(_ request: HTTPClientRequest) async throws -> HTTPResponseStream {
        try await parkInTask { try self.open(self.completed(request), through: request.middlewares(of: self)[...]) }
    }

    private func open(
        _ request: HTTPClientRequest, through middlewares: ArraySlice<any HTTPClientMiddleware>
    ) throws -> HTTPResponseStream {
        if let first = middlewares.first {
            return try first.send(request) { try open($0, through: middlewares.dropFirst()) }
        }
        var journey = RequestJourney(request, client: self, isComplete: true)
        let exchange = try journey.open()
        return try HTTPResponseStream(exchange, journey)
    }

    // MARK: Making requests

    /// The request with the client's own fields, where it does not set them.
    func completed(_ request: HTTPClientRequest) -> HTTPClientRequest {
        guard !configuration.headers.isEmpty else { return request }
        var completed = request
        for field in configuration.headers where request.headers[field.name] == nil { completed.headers.append(field) }
        return completed
    }

    // Out of line, for the stack of who sends it.

    /// Makes a request to a URL, which may be relative to the base URL.
    ///
    /// - Throws: `HTTPURLError`; `HTTPClientError`, if there is no base URL.
    @inline(never)
    public func request(
        _ method: HTTPRequest.Method, _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:],
        headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientRequest {
        var target = try resolve(url, method)
        if !parameters.isEmpty { target = try target.appending(parameters) }
        return HTTPClientRequest(method: method, url: target, headers: headers, body: body, timeout: timeout)
    }

    private func resolve(_ url: String, _ method: HTTPRequest.Method) throws -> HTTPURL {
        if let base = configuration.baseURL { return try base.resolving(url) }
        switch url.utf8.first {
        case nil, UInt8(ascii: "?"), UInt8(ascii: "#"),
            UInt8(ascii: "/") where !url.hasPrefix("//"):
            throw HTTPClientError(
                method: method, url: url, phase: .request, attempt: 1, connectionAge: nil,
                cause: HTTPRequestFault.hasNoBaseURL)
        default: return try HTTPURL(url)
        }
    }
}

/// Runs the body with a client that is closed afterwards.
///
/// - Throws: what the body throws.
public func withHTTPClient<Value>(
    _ configuration: HTTPClient.Configuration = .init(), _ body: (HTTPClient) throws -> Value
) rethrows -> Value {
    try HTTPClient.with(configuration, body)
}
