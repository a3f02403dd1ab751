import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// Serves TCP connections, each in a fiber, and at most so many at a time. gevent's `StreamServer`.
///
/// ```swift
/// let server = StreamServer(port: 9000, limit: 1000) { connection in
///     while case let bytes = try connection.read(upTo: 4096), !bytes.isEmpty { try connection.write(bytes) }
/// }
/// try server.run()
/// ```
/// While the limit is reached nobody is accepted: clients wait in the kernel's queue. A connection is closed when its handler
/// ends. An error of the handler is reported, unless the peer just went away. For more control there is
/// `TCPListener.serve`.
///
/// States: idle -> serving -> stopped; a server is started once.
///
/// Thread rules: it serves on the loop of the thread that starts it; `stop` may be called from any thread.
public final class StreamServer: @unchecked Sendable {
    private let host: String
    private let configuredPort: Int
    private let backlog: Int
    private let reusePort: Bool
    private let limit: Int?
    private let handler: (TCPConnection) throws -> Void
    private let serving = Locked<Serving?>(nil)

    private struct Serving {
        let listener: TCPListener
        let crew: ServerCrew
    }

    /// Makes a server that listens from `start` or `run` on.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name of one. `0.0.0.0` is all of IPv4, `::` all there are.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - limit: the most connections at a time; `nil` sets none.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - reusePort: lets other listeners have the same port.
    ///   - handler: plain synchronous code, in a fiber for each connection.
    public init(
        host: String = "127.0.0.1", port: Int = 0, limit: Int? = nil, backlog: Int = 4096, reusePort: Bool = false,
        _ handler: @escaping (TCPConnection) throws -> Void
    ) {
        self.host = host
        configuredPort = port
        self.limit = limit
        self.backlog = backlog
        self.reusePort = reusePort
        self.handler = handler
    }

    /// The port that it listens at; before `start` the one asked for.
    public var port: Int { serving.withLock { $0?.listener.port } ?? configuredPort }

    /// It has been started.
    public var isStarted: Bool { serving.withLock { $0 != nil } }

    /// How many connections are served at present. On the server's own loop.
    public var connectionCount: Int { serving.withLock { $0?.crew.count } ?? 0 }

    /// The limit is reached. On the server's own loop.
    public var isFull: Bool { limit.map { connectionCount >= $0 } ?? false }

    /// Begins to listen and to serve; returns at once.
    ///
    /// - Throws: `SocketError` that names a busy port; `ResolverError`; `ServerError.alreadyStarted`.
    public func start() throws {
        try serving.withLock { serving in
            guard serving == nil else { throw ServerError.alreadyStarted }
            _ = try EventLoop.current
            let listener = try TCPListener(host: host, port: configuredPort, backlog: backlog, reusePort: reusePort)
            let handler = handler
            let crew = ServerCrew(name: "stream-server-\(listener.port)", limit: limit)
            crew.begin { crew in
                while true {
                    try crew.waitForPlace()
                    let connection = try listener.accept()
                    try crew.handle {
                        TCPListener.conclude(connection) { try handler(connection) }
                    }
                }
            } whenStopping: {
                listener.close()
            }
            serving = Serving(listener: listener, crew: crew)
        }
    }

    /// Serves until `stop`. gevent's `serve_forever`.
    ///
    /// Cancellation: stops the server at once.
    /// - Throws: what `start` throws; `SocketError` when accepting becomes impossible; `CancellationError`.
    public func run() throws {
        if !isStarted { try start() }
        try serving.withLock { $0 }?.crew.waitUntilStopped()
    }

    /// Stops listening and waits for the handlers; those that have not ended in time are killed.
    ///
    /// Cancellation: kills the handlers at once.
    /// - Parameter timeout: how long handlers may go on.
    /// - Throws: `CancellationError`.
    public func stop(timeout: Duration = .seconds(1)) throws {
        try serving.withLock { $0 }?.crew.stop(timeout: timeout)
    }

    /// Stops listening and waits for the handlers, from a task; those that have not ended in time are killed.
    ///
    /// Cancellation: kills the handlers at once.
    public func stop(timeout: Duration = .seconds(1)) async throws {
        try await parkInTask { try self.serving.withLock { $0 }?.crew.stop(timeout: timeout) }
    }
}
