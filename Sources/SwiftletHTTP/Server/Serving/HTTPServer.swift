public import Swiftlet
import SwiftletCoroutines
import SwiftletNet

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
public final class HTTPServer: HTTPRouting, @unchecked Sendable {
    public let configuration: Configuration
    /// Its routes, middlewares and hooks.
    public let application: HTTPApplication
    private let running = Locked<Running?>(nil)

    /// One run, from `start` to the end of `stop`.
    private struct Running {
        let listeners: [any StreamListener]
        let workers: [ServerWorker]
        let parts: [HTTPApplication.Part]
        let stopped: Waiter<Void>

        var address: SocketAddress { listeners[0].localAddress }
    }

    /// Makes a server. It listens from `start` or `run` on.
    ///
    /// - Parameters:
    ///   - configuration: where to listen, and how long and how much clients may.
    ///   - application: what it serves; by default an empty one, to which the server's own `get`, `use` and so on add.
    public init(_ configuration: Configuration = Configuration(), application: HTTPApplication = HTTPApplication()) {
        self.configuration = configuration
        self.application = application
    }

    /// The port that it listens at; before `start` the configured one, and 0 for a Unix socket.
    public var port: Int { address?.port ?? configuration.port }

    /// Where it listens, with the port that was picked for port 0; `nil` while it does not.
    public var address: SocketAddress? { running.withLock { $0?.address } }

    // MARK: Running

    /// Begins to listen and to serve; returns at once. Connections that come now are not refused any more.
    ///
    /// - Parameter group: loops to serve on, each with a listener of its own at the same place; by default the calling
    ///   thread's loop.
    /// - Throws: `SocketError` that names a busy port or path; `ResolverError`; `HTTPRouteError`; `TLSError`; what an `onStart` hook throws;
    ///   `HTTPServerError.alreadyStarted`.
    public func start(on group: EventLoopGroup? = nil) throws { _ = try begin(on: group) }

    private func begin(on group: EventLoopGroup?) throws -> Running {
        guard running.withLock({ $0 == nil }) else { throw HTTPServerError.alreadyStarted }
        let router = try Router(application)
        #if TLS
            var configuration = configuration
            if configuration.tls?.applicationProtocols.isEmpty == true {
                configuration.tls?.applicationProtocols = ["http/1.1"]
            }
            try configuration.tls?.prepare()
        #endif
        let scheme = configuration.isSecure ? "https" : "http"
        let loops = try group?.loops ?? [EventLoop.current]
        let listeners = try ServerListener.open(configuration, count: loops.count)
        do {
            let parts = application.parts(at: "", inside: [], middlewares: [])
            for hook in parts.flatMap(\.contents.startHooks) { try onLoop(loops[0]) { try hook.run() } }
            let run = Running(
                listeners: listeners,
                workers: loops.map { [configuration] in
                    ServerWorker(loop: $0, router: router, configuration: configuration, scheme: scheme)
                },
                parts: parts, stopped: Waiter())
            running.withLock { $0 = run }
            serve(run)
            return run
        } catch {
            for listener in listeners { listener.close() }
            throw error
        }
    }

    private func serve(_ run: Running) {
        for (worker, listener) in zip(run.workers, run.listeners) {
            worker.loop.spawn(name: "http-server-\(run.address)") {
                do {
                    try worker.accept(from: listener)
                } catch {
                    Report(.handlerError, "the HTTP server at \(run.address) stopped accepting: \(error)").post()
                    run.stopped.resume(throwing: error)
                }
            }
        }
        let first = run.workers[0]
        for work in run.parts.flatMap(\.contents.backgroundWork) {
            first.loop.spawn { first.spawnBackground(name: work.name) { try work.hook.run() } }
        }
    }

    /// Runs something on a loop, if this is another one or a plain thread.
    private func onLoop(_ loop: EventLoop, _ body: @escaping @Sendable () throws -> Void) throws {
        if loop.isCurrent { try body() } else { try loop.spawn(body).get() }
    }

    /// Runs something beside the server, in a fiber of its first loop: what a handler begins and does not wait for. It is
    /// cancelled when the server stops and no request is under way any more. Does nothing when the server does not run.
    ///
    /// - Parameters:
    ///   - name: how reports call it.
    ///   - body: what runs. Its error is reported.
    public func spawnBackground(name: String, _ body: @escaping @Sendable () throws -> Void) {
        guard let worker = running.withLock({ $0?.workers[0] }) else { return }
        worker.loop.spawn { worker.spawnBackground(name: name, body) }
    }

    /// Runs async code beside the server, in a task on its first loop.
    public func spawnBackground(name: String, _ body: @escaping @Sendable () async throws -> Void) {
        let work: @Sendable () throws -> Void = { try blockOn { try await body() } }
        spawnBackground(name: name, work)
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

    /// Waits until a server that was started has stopped; returns at once if it does not run.
    ///
    /// Cancellation: ends the wait; the server goes on.
    /// - Throws: `SocketError` when accepting becomes impossible; `CancellationError`.
    public func waitUntilStopped() throws { _ = try running.withLock { $0?.stopped }?.wait() }

    /// Waits until a server that was started has stopped, from a task.
    ///
    /// Cancellation: ends the wait; the server goes on.
    /// - Throws: `SocketError` when accepting becomes impossible; `CancellationError`.
    public func waitUntilStopped() async throws { try await parkInTask { try self.waitUntilStopped() } }

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
    public func stop(grace: Duration? = nil) async throws {
        try await parkInTask { try self.end(grace: grace) }
    }

    private func end(grace: Duration?) throws {
        guard let run = running.withLock({ $0 }) else { return }
        let deadline = Deadline.after(grace ?? configuration.grace)
        for listener in run.listeners { listener.close() }
        runHooks(run.parts.flatMap(\.contents.stopHooks), of: run)
        let endings = run.workers.map { worker in
            worker.loop.spawn(name: "http-server-stop") { try worker.stop(until: deadline) }
        }
        let late = try endings.flatMap { try $0.get() }
        if !late.isEmpty {
            let further = late.count > 20 ? ", and \(late.count - 20) more" : ""
            Report(
                .cancelledRequests,
                "the HTTP server at \(run.address) was stopped while these requests were under way, and cancelled them: "
                    + late.prefix(20).joined(separator: ", ") + further
            ).post()
        }
        for worker in run.workers { try worker.loop.spawn { try worker.stopBackground() }.join() }
        runHooks(run.parts.flatMap(\.contents.cleanupHooks).reversed(), of: run)
        running.withLock { if $0?.stopped === run.stopped { $0 = nil } }
        run.stopped.resume(returning: ())
    }

    /// One that fails keeps none of the others from running.
    private func runHooks(_ hooks: [Hook], of run: Running) {
        for hook in hooks {
            do {
                try onLoop(run.workers[0].loop) { try hook.run() }
            } catch {
                Report(.handlerError, "a hook of the HTTP server at \(run.address) threw \(error)").post()
            }
        }
    }
}

/// A server was used in a way it cannot be.
public enum HTTPServerError: Error, Sendable, Hashable, CustomStringConvertible {
    case alreadyStarted

    public var description: String { "the server has been started: stop it first, or make another" }
}
