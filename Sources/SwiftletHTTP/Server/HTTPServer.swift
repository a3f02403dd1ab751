public import HTTPTypes
public import Swiftlet
import SwiftletCoroutines

/// Answers HTTP requests: each connection in a fiber of its own, each request by the handler of its path.
///
/// ```swift
/// let server = HTTPServer()
/// server.get("/") { request in "<h1>Hello, \(request.remoteAddress.host)</h1>" }
/// server.get("/slow") { _ in
///     try sleep(.seconds(3))      // parks this connection only
///     return "done"
/// }
/// try server.run()
/// ```
///
/// Thread rules: routes are added before the start; handlers run on the loops that serve. `stop` may be called from
/// anywhere except a handler.
public final class HTTPServer: @unchecked Sendable {
    /// How a server behaves.
    public struct Configuration: Sendable {
        /// Where to listen: an address of this machine; `0.0.0.0` is all of IPv4, `::` all there are.
        public var host = "127.0.0.1"
        /// The port; 0 picks a free one.
        public var port = 8080
        /// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
        public var backlog = 65535
        /// Lets other processes serve the same port.
        public var reusePort = false
        /// What a request may have. Bodies end at 16 MiB by default.
        public var limits: HTTPLimits
        /// How long a connection may be without a request.
        public var idleTimeout = Duration.seconds(75)
        /// How long a request's head may take from its first byte to its last.
        public var headTimeout = Duration.seconds(10)
        /// How long a client may be silent in the middle of a body.
        public var bodyTimeout = Duration.seconds(30)
        /// How long a client may take nothing of a response.
        public var writeTimeout = Duration.seconds(30)
        /// How long `stop` waits for requests under way.
        public var grace = Duration.seconds(10)
        /// Called for each response, on the loop that wrote it. It must not block.
        public var accessLog: (@Sendable (HTTPAccess) -> Void)?

        public init() {
            limits = HTTPLimits()
            limits.bodyLength = 16 << 20
        }
    }

    public let configuration: Configuration
    private var router = Router()
    private let running = Locked<Running?>(nil)

    /// One run, from `start` to the end of `stop`.
    private struct Running {
        let port: Int
        let workers: [ServerWorker]
        let stopped: Waiter<Void>
    }

    /// Makes a server without routes. It listens from `start` or `run` on.
    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    /// The port that it listens at; before `start` the configured one.
    public var port: Int { running.withLock { $0?.port } ?? configuration.port }

    // MARK: Routes

    /// Adds a handler for a path.
    ///
    /// The path matches exactly, with escapes resolved and without the query. One that ends with a slash is like a
    /// directory: a request without the slash is redirected to it (308). A known path with another method is answered by
    /// 405, an unknown path by 404. HEAD is answered by the handler of GET, without the body.
    ///
    /// - Parameters:
    ///   - path: begins with a slash.
    ///   - methods: those that the handler answers. Of two handlers for the same, the later counts.
    ///   - handler: plain synchronous code, in the connection's fiber. An error that it throws is reported and answered
    ///     by 500.
    public func route(
        _ path: String, methods: [HTTPRequest.Method] = [.get],
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        router.add(path, methods, .synchronous(handler))
    }

    /// Adds an async handler for a path: it runs in a task on the connection's loop.
    public func route(
        _ path: String, methods: [HTTPRequest.Method] = [.get],
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        router.add(path, methods, .asynchronous(handler))
    }

    /// Adds a handler for GET and HEAD.
    public func get(_ path: String, handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse) {
        route(path, handler: handler)
    }

    /// Adds an async handler for GET and HEAD.
    public func get(
        _ path: String, handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, handler: handler)
    }

    /// Adds a handler for POST.
    public func post(_ path: String, handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse) {
        route(path, methods: [.post], handler: handler)
    }

    /// Adds an async handler for POST.
    public func post(
        _ path: String, handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, methods: [.post], handler: handler)
    }

    /// Sets the handler of all paths that no route has, whatever the method.
    public func fallback(_ handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse) {
        router.fallback = .synchronous(handler)
    }

    /// Sets the async handler of all paths that no route has, whatever the method.
    public func fallback(_ handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse) {
        router.fallback = .asynchronous(handler)
    }

    // MARK: Running

    /// Begins to listen and to serve; returns at once. Connections that come now are not refused any more.
    ///
    /// - Parameter group: loops to serve on, each with a listener of its own at the same port; by default the calling
    ///   thread's loop.
    /// - Throws: `SocketError` that names a busy port; `ResolverError`; `HTTPServerError.alreadyStarted`.
    public func start(on group: EventLoopGroup? = nil) throws { _ = try begin(on: group) }

    private func begin(on group: EventLoopGroup?) throws -> Running {
        guard running.withLock({ $0 == nil }) else { throw HTTPServerError.alreadyStarted }
        let loops = try group?.loops ?? [EventLoop.current]
        var port = configuration.port
        let listeners = try loops.map { _ in
            let listener = try TCPListener(
                host: configuration.host, port: port, backlog: configuration.backlog,
                reusePort: configuration.reusePort || loops.count > 1)
            port = listener.port
            return listener
        }
        let workers = zip(loops, listeners).map {
            ServerWorker(loop: $0, listener: $1, router: router, configuration: configuration)
        }
        let run = Running(port: port, workers: workers, stopped: Waiter())
        running.withLock { $0 = run }
        for worker in workers {
            worker.loop.spawn(name: "http-server-\(port)") {
                do {
                    try worker.accept()
                } catch {
                    Report(.handlerError, "the HTTP server on port \(run.port) stopped accepting: \(error)").post()
                    run.stopped.resume(throwing: error)
                }
            }
        }
        return run
    }

    /// Serves until `stop`.
    ///
    /// Cancellation: stops the server without grace.
    /// - Throws: what `start` throws; `SocketError` when accepting becomes impossible; `CancellationError`.
    public func run(on group: EventLoopGroup? = nil) throws { try serve(on: group) }

    /// Serves until `stop`, from a task.
    ///
    /// Cancellation: stops the server without grace.
    /// - Throws: what `start` throws; `SocketError` when accepting becomes impossible; `CancellationError`.
    @concurrent
    public func run(on group: EventLoopGroup? = nil) async throws {
        try await parkInTask { try self.serve(on: group) }
    }

    private func serve(on group: EventLoopGroup?) throws {
        let run = try begin(on: group)
        do {
            _ = try run.stopped.wait()
        } catch {
            try shielded { try end(grace: .zero) }
            throw error
        }
    }

    /// Ends the server: no further connections, idle ones are closed, requests under way are finished, and what has not
    /// finished after the grace is cancelled. Returns when all of that is done. Not to be called by a handler, which
    /// would wait for itself.
    ///
    /// Cancellation: ends the wait; stopping goes on.
    /// - Parameter grace: `nil` takes the configured one.
    /// - Throws: `CancellationError`.
    public func stop(grace: Duration? = nil) throws { try end(grace: grace) }

    /// Ends the server, from a task.
    ///
    /// Cancellation: ends the wait; stopping goes on.
    /// - Throws: `CancellationError`.
    @concurrent
    public func stop(grace: Duration? = nil) async throws {
        try await parkInTask { try self.end(grace: grace) }
    }

    private func end(grace: Duration?) throws {
        guard let run = running.withLock({ $0 }) else { return }
        let grace = grace ?? configuration.grace
        let endings = run.workers.map { worker in
            worker.loop.spawn(name: "http-server-stop") { try worker.stop(grace: grace) }
        }
        for ending in endings { try ending.join() }
        running.withLock { if $0?.stopped === run.stopped { $0 = nil } }
        run.stopped.resume(returning: ())
    }
}

/// A server was used in a way it cannot be.
public enum HTTPServerError: Error, Sendable, Hashable, CustomStringConvertible {
    case alreadyStarted

    public var description: String { "the server has been started: stop it first, or make another" }
}
