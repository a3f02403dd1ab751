public import SwiftletLoop

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
public final class StreamServer: FiberServer, @unchecked Sendable {
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
        super.init(port: port, limit: limit, reusePort: reusePort) { port, reusePort in
            try Self.listen(host, port, backlog, reusePort, handler)
        }
    }

    /// Makes a server that listens on each loop of a group, from `start` or `run` on; the kernel spreads connections over them.
    ///
    /// - Parameters:
    ///   - group: the loops; connections stay on the one that accepted them.
    ///   - host: an address of this machine, or a name of one.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - limit: the most connections at a time, in equal parts for the loops; `nil` sets none.
    ///   - backlog: connections that may wait to be accepted on each loop.
    ///   - handler: plain synchronous code, in a fiber for each connection, on several threads.
    public init(
        on group: EventLoopGroup, host: String = "127.0.0.1", port: Int = 0, limit: Int? = nil, backlog: Int = 4096,
        _ handler: @escaping @Sendable (TCPConnection) throws -> Void
    ) {
        super.init(port: port, limit: limit, reusePort: true, group: group) { port, reusePort in
            try Self.listen(host, port, backlog, reusePort, handler)
        }
    }

    /// How many connections are served at present. On the server's own loop.
    public var connectionCount: Int { handlerCount }

    private static func listen(
        _ host: String, _ port: Int, _ backlog: Int, _ reusePort: Bool,
        _ handler: @escaping (TCPConnection) throws -> Void
    ) throws -> ServerCrew.Intake {
        let listener = try TCPListener(host: host, port: port, backlog: backlog, reusePort: reusePort)
        return .accepting(at: listener, name: "stream-server-\(listener.port)", port: listener.port, handler)
    }
}
