import CSwiftlet
import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// Waits for connections: a `TCPListener` at an address and a port, a `UnixListener` at a path.
///
/// ```swift
/// let listener = try TCPListener(port: 8080)
/// try listener.serve { connection in            // a fiber for each connection
///     while case let bytes = try connection.read(upTo: 4096), !bytes.isEmpty { try connection.write(bytes) }
/// }
/// ```
///
/// Thread rules: it belongs to the loop that accepts. Several may listen at one port with `reusePort`, one a loop.
public final class SocketListener<Connection: StreamSocket>: Sendable {
    let descriptor: Descriptor
    /// Where it listens, with the port that was picked for port 0.
    public let localAddress: SocketAddress
    /// A Unix socket's file, which goes with the listener.
    private let file: SocketFile?
    // Only the one who accepts touches it.
    nonisolated(unsafe) private var shortage = Shortage()

    /// Begins to listen.
    ///
    /// - Parameter permissions: of a Unix socket's file.
    init(at address: SocketAddress, backlog: Int, reusePort: Bool = false, permissions: mode_t? = nil) throws {
        let number = swiftlet_socket_make(address.rawFamily)
        guard number >= 0 else { throw SocketError(.listen, address.description, .init(status: number)) }
        descriptor = Descriptor(owning: number)
        // Before it is bound: so that the file never has others (unix(7): those of the socket, less the umask).
        if let permissions { fchmod(number, permissions) }
        let status = address.withRaw {
            swiftlet_socket_listen(number, $0.baseAddress, CInt($0.count), CInt(clamping: backlog), reusePort)
        }
        localAddress = SocketAddress.local(of: number) ?? address
        file = status == 0 ? SocketFile(of: localAddress) : nil
        guard status == 0 else { throw SocketError(.listen, address.description, .init(status: status)) }
    }

    /// Listens at a socket that listens already: one that systemd or a parent process has handed over, or that of another
    /// listener, which shares it with another loop so. Whoever is first to accept gets a connection.
    ///
    /// The number stays the caller's; this listens by a copy of it. A Unix socket's file is left to who made it. The socket
    /// becomes non-blocking, for all who share it.
    ///
    /// - Throws: `SocketError` for what is no listening socket of this kind.
    public init(sharing number: CInt) throws {
        func fault(_ errno: CInt) -> SocketError {
            SocketError(.listen, "the socket with number \(number)", .system(errno: errno))
        }
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw fault(errno) }
        descriptor = Descriptor(owning: copy)
        file = nil
        let address = SocketAddress.local(of: copy)
        localAddress = address ?? .unnamedUnix
        var listens: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(copy, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 else { throw fault(errno) }
        guard let address, listens != 0, (address.family == .unix) == (Connection.self is UnixConnection.Type) else {
            throw fault(EINVAL)
        }
        guard fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK) == 0 else { throw fault(errno) }
    }

    /// Listens at the same place as another, for another loop.
    ///
    /// - Throws: `SocketError`, when that one is closed or the process has no numbers left.
    public convenience init(sharing other: SocketListener) throws { try self.init(sharing: other.descriptor.number) }

    deinit { file?.remove() }

    /// Waits for the next connection.
    ///
    /// When the process or the system is out of descriptors or memory, it reports that once and tries again after a pause
    /// that grows up to a second; connections wait meanwhile.
    ///
    /// Cancellation: ends the wait; no connection is lost.
    /// - Throws: `SocketError`, with `closed` once the listener is closed; `CancellationError`.
    public func accept(until deadline: Deadline? = nil) throws -> Connection {
        do {
            while true {
                try descriptor.waitUnlessReady(.reading, until: deadline)
                if let connection = try acceptNow(until: deadline) { return connection }
            }
        } catch {
            throw SocketError.translate(error, .accept, localAddress.description)
        }
    }

    /// Waits for the next connection, from a task.
    ///
    /// Cancellation: ends the wait; no connection is lost.
    /// - Throws: `SocketError`, with `closed` once the listener is closed; `CancellationError`.
    public func accept(until deadline: Deadline? = nil) async throws -> Connection {
        try await parkInTask { try self.accept(until: deadline) }
    }

    /// Stops listening and wakes acceptors. Connections that were accepted stay open. Closing twice does nothing.
    public func close() {
        file?.remove()
        descriptor.close()
    }

    /// `close()` was called.
    public var isClosed: Bool { descriptor.isClosed }

    private func acceptNow(until deadline: Deadline?) throws -> Connection? {
        try withUnsafeTemporaryAllocation(byteCount: SocketAddress.rawSize, alignment: 8) { raw in
            var length = CInt(SocketAddress.rawSize)
            let number = swiftlet_socket_accept(descriptor.number, raw.baseAddress, &length)
            if number >= 0 {
                shortage = Shortage()
                let address = SocketAddress(raw: UnsafeRawBufferPointer(rebasing: raw[..<Int(length)]))
                return Connection(owning: number, remoteAddress: address ?? localAddress)
            }
            switch -number {
            case EAGAIN: try descriptor.refused(.reading, until: deadline)
            // accept(2): errors of the connection that was about to be accepted; the next one may be well.
            case ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
                EPERM:
                break
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: try waitOutShortage(errno: -number, until: deadline)
            default: throw SocketError(.accept, localAddress.description, .init(status: number))
            }
            return nil
        }
    }

    private struct Shortage {
        var isReported = false
        var pause = Duration.milliseconds(5)
    }

    /// Nothing tells when a descriptor becomes free, so this tries again after a while.
    private func waitOutShortage(errno: CInt, until deadline: Deadline?) throws {
        if !shortage.isReported {
            shortage.isReported = true
            let error = SocketError(.accept, localAddress.description, .system(errno: errno))
            Report(.shortage, "\(error). Connections wait until some are closed.").post()
        }
        if let deadline, deadline < .now { throw DeadlineExceeded() }
        try sleep(until: nearest(deadline, shortage.pause)!)
        shortage.pause = min(shortage.pause * 2, .seconds(1))
    }
}
