import Glibc
import Swiftlet
import SwiftletNet

/// What a server listens at: a port, a Unix socket, or a socket that was handed over.
enum ServerListener {
    /// One for each of several loops, all at the place that is configured.
    ///
    /// Ports are listened at once a loop, and the kernel spreads connections over them. There is nothing like that for Unix
    /// sockets: their loops share one queue, as they do where the socket was handed over.
    ///
    /// - Throws: `SocketError`; `ResolverError`.
    static func open(_ configuration: HTTPServer.Configuration, count: Int) throws -> [any StreamListener] {
        var listeners: [any StreamListener] = []
        do {
            for _ in 0..<count { listeners.append(try open(configuration, count, after: listeners.last)) }
            return listeners
        } catch {
            for listener in listeners { listener.close() }
            throw error
        }
    }

    private static func open(
        _ configuration: HTTPServer.Configuration, _ count: Int, after previous: (any StreamListener)?
    ) throws -> any StreamListener {
        if let number = configuration.inheritedSocket {
            return isUnix(number) ? try UnixListener(sharing: number) : try TCPListener(sharing: number)
        }
        if let previous = previous as? UnixListener { return try UnixListener(sharing: previous) }
        if let path = configuration.unixSocket {
            return try UnixListener(
                path: path, backlog: configuration.backlog, permissions: configuration.unixSocketPermissions)
        }
        return try StreamNetwork.listen(
            host: configuration.host, port: previous?.localAddress.port ?? configuration.port,
            backlog: configuration.backlog, reusePort: configuration.reusePort || count > 1)
    }

    private static func isUnix(_ number: CInt) -> Bool {
        var domain: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX
    }
}
