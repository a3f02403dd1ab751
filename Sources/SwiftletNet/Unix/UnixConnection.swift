import CSwiftlet
import Glibc
import SwiftletLoop

/// A connection between processes of this machine, over a Unix stream socket.
///
/// ```swift
/// let connection = try UnixConnection.connect(to: "/run/service.socket")
/// defer { connection.close() }
/// try connection.write("status\n")
/// ```
public final class UnixConnection: StreamSocket, @unchecked Sendable {
    /// Connects to a listener.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Parameters:
    ///   - path: the file of the socket, of at most 107 bytes; with `@` first, a name in the kernel's abstract namespace.
    ///   - timeout: for a listener whose queue is full; `nil` waits for ever.
    /// - Throws: `SocketError`; `CancellationError`.
    public static func connect(to path: String, timeout: Duration? = .seconds(30)) throws -> UnixConnection {
        try open(address(path, .connect), until: timeout.map { .after($0) })
    }

    /// Connects to a listener, from a task.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Throws: `SocketError`; `CancellationError`.
    public static func connect(to path: String, timeout: Duration? = .seconds(30)) async throws -> UnixConnection {
        try await parkInTask { try connect(to: path, timeout: timeout) }
    }

    /// Two sockets that are connected with each other, such as for a child process.
    ///
    /// - Throws: `SocketError`.
    public static func pair() throws -> (UnixConnection, UnixConnection) {
        var numbers: (CInt, CInt) = (-1, -1)
        let status = swiftlet_socket_make_pair(&numbers.0, &numbers.1)
        guard status == 0 else { throw SocketError(.connect, "a pair of sockets", .init(status: status)) }
        let unnamed = SocketAddress.local(of: numbers.0) ?? .unnamedUnix
        return (
            UnixConnection(owning: numbers.0, remoteAddress: unnamed),
            UnixConnection(owning: numbers.1, remoteAddress: unnamed)
        )
    }

    /// The process at the other side.
    public struct PeerCredentials: Sendable, Hashable {
        public let processID: CInt
        public let userID: UInt32
        public let groupID: UInt32
    }

    /// Who is at the other side: who connected, or who began to listen, as the kernel noted it at that time.
    ///
    /// - Throws: `SocketError`.
    public var peerCredentials: PeerCredentials {
        get throws {
            var (process, user, group): (CInt, UInt32, UInt32) = (0, 0, 0)
            let status = swiftlet_socket_peer_credentials(descriptor.number, &process, &user, &group)
            guard status == 0 else { throw SocketError(.read, peerName, .init(status: status)) }
            return PeerCredentials(processID: process, userID: user, groupID: group)
        }
    }

    static func address(_ path: String, _ operation: SocketError.Operation) throws -> SocketAddress {
        if let address = SocketAddress(unixPath: path) { return address }
        throw SocketError(operation, "unix:\(path)", .system(errno: path.isEmpty ? EINVAL : ENAMETOOLONG))
    }
}
