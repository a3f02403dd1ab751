import Glibc
import SwiftletLoop

/// Waits for TCP connections at an address and a port.
public typealias TCPListener = SocketListener<TCPConnection>

extension SocketListener where Connection == TCPConnection {
    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name of one. `0.0.0.0` is all of IPv4, `::` all there are.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - reusePort: lets other listeners have the same port; the kernel spreads connections over them.
    /// - Throws: `SocketError`, `ResolverError`.
    public convenience init(
        host: String = "127.0.0.1", port: Int = 0, backlog: Int = 4096, reusePort: Bool = false
    ) throws {
        guard let address = try Resolver.shared.addresses(of: host, port: port).first else {
            throw SocketError(.listen, "\(host):\(port)", .system(errno: EADDRNOTAVAIL))
        }
        try self.init(at: address, backlog: backlog, reusePort: reusePort)
    }

    /// The port that it listens at.
    public var port: Int { localAddress.port }
}
