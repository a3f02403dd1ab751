import Glibc
import Swiftlet
import SwiftletNet

/// What a server listens at: a port, or a Unix socket.
enum ServerListener: Sendable {
    case tcp(TCPListener)
    case unix(UnixListener)

    /// One for each of several loops, all at the place that is configured.
    ///
    /// Ports are listened at once a loop, and the kernel spreads connections over them. There is nothing like that for Unix
    /// sockets: their loops share one queue, as they do where the socket was handed over.
    ///
    /// - Throws: `SocketError`; `ResolverError`.
    static func open(_ configuration: HTTPServer.Configuration, count: Int) throws -> [ServerListener] {
        var listeners: [ServerListener] = []
        do {
            for _ in 0..<count { listeners.append(try open(configuration, count, after: listeners.last)) }
            return listeners
        } catch {
            for listener in listeners { listener.close() }
            throw error
        }
    }

    private static func open(_ configuration: HTTPServer.Configuration, _ count: Int, after previous: ServerListener?)
        throws -> ServerListener
    {
        if let number = configuration.inheritedSocket {
            return isUnix(number) ? .unix(try UnixListener(sharing: number)) : .tcp(try TCPListener(sharing: number))
        }
        if case .unix(let listener)? = previous { return .unix(try UnixListener(sharing: listener)) }
        if let path = configuration.unixSocket {
            return .unix(
                try UnixListener(
                    path: path, backlog: configuration.backlog, permissions: configuration.unixSocketPermissions))
        }
        return .tcp(
            try TCPListener(
                host: configuration.host, port: previous?.address.port ?? configuration.port,
                backlog: configuration.backlog, reusePort: configuration.reusePort || count > 1))
    }

    private static func isUnix(_ number: CInt) -> Bool {
        var domain: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX
    }

    var address: SocketAddress {
        switch self {
        case .tcp(let listener): listener.localAddress
        case .unix(let listener): listener.localAddress
        }
    }

    func accept() throws -> any ByteStream {
        switch self {
        case .tcp(let listener): try listener.accept()
        case .unix(let listener): try listener.accept()
        }
    }

    /// A file that was made is removed.
    func close() {
        switch self {
        case .tcp(let listener): listener.close()
        case .unix(let listener): listener.close()
        }
    }
}
