import SwiftletLoop

/// Serves connections of processes of this machine at the path of a Unix socket, each in a fiber, and at most so many at a
/// time: what `StreamServer` is for TCP.
///
/// The file is made when it starts, and removed when it stops. Its `port` is 0.
public final class UnixServer: FiberServer, @unchecked Sendable {
    /// Where it serves.
    public let path: String

    /// Makes a server that listens from `start` or `run` on.
    ///
    /// - Parameters:
    ///   - path: of at most 107 bytes; with `@` first, a name in the kernel's abstract namespace, which makes no file.
    ///   - limit: the most connections at a time; `nil` sets none.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - permissions: of the file, less the process's umask.
    ///   - handler: plain synchronous code, in a fiber for each connection.
    public init(
        path: String, limit: Int? = nil, backlog: Int = 4096, permissions: UInt32? = nil,
        _ handler: @escaping (UnixConnection) throws -> Void
    ) {
        self.path = path
        super.init(port: 0, limit: limit, reusePort: false) { _, _ in
            let listener = try UnixListener(path: path, backlog: backlog, permissions: permissions)
            return .accepting(at: listener, name: "unix-server-\(path)", port: 0, handler)
        }
    }

    /// How many connections are served at present. On the server's own loop.
    public var connectionCount: Int { handlerCount }
}

extension ServerCrew.Intake {
    /// Takes the connections of a listener in.
    static func accepting<Connection: StreamSocket>(
        at listener: SocketListener<Connection>, name: String, port: Int,
        _ handler: @escaping (Connection) throws -> Void
    ) -> ServerCrew.Intake {
        ServerCrew.Intake(name: name, port: port) { crew in
            while true {
                try crew.waitForPlace()
                let connection = try listener.accept()
                try crew.handle {
                    conclude(connection) { try handler(connection) }
                }
            }
        } whenStopping: {
            listener.close()
        }
    }
}
