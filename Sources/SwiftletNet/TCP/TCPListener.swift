import CSwiftlet
import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// Waits for TCP connections at an address and a port.
///
/// ```swift
/// let listener = try TCPListener(port: 8080)
/// try listener.serve { connection in            // a fiber for each connection
///     while case let bytes = try connection.read(upTo: 4096), !bytes.isEmpty { try connection.write(bytes) }
/// }
/// ```
///
/// Thread rules: it belongs to the loop that accepts. Several may listen at one port with `reusePort`, one a loop.
public final class TCPListener: Sendable {
    let descriptor: Descriptor
    /// Where it listens, with the port that was picked for port 0.
    public let localAddress: SocketAddress
    // Only the one who accepts touches it.
    nonisolated(unsafe) private var hasReportedShortage = false

    /// The port that it listens at.
    public var port: Int { localAddress.port }

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name of one. `0.0.0.0` is all of IPv4, `::` all there are.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - reusePort: lets other listeners have the same port; the kernel spreads connections over them.
    /// - Throws: `SocketError`, `ResolverError`.
    public init(host: String = "127.0.0.1", port: Int = 0, backlog: Int = 4096, reusePort: Bool = false) throws {
        guard let address = try Resolver.resolve(host, port: port, until: nil).first else {
            throw SocketError(.listen, "\(host):\(port)", .system(errno: EADDRNOTAVAIL))
        }
        let number = swiftlet_socket_make(address.rawFamily)
        guard number >= 0 else { throw SocketError(.listen, address.description, .system(errno: -number)) }
        descriptor = Descriptor(owning: number)
        let status = address.withRaw {
            swiftlet_socket_listen(number, $0.baseAddress, CInt($0.count), CInt(clamping: backlog), reusePort)
        }
        localAddress = SocketAddress.local(of: number) ?? address
        guard status == 0 else { throw SocketError(.listen, address.description, .system(errno: -status)) }
    }

    /// Waits for the next connection.
    ///
    /// When the process or the system is out of descriptors or memory, it reports that once and tries again shortly
    /// after; connections wait meanwhile.
    ///
    /// Cancellation: ends the wait; no connection is lost.
    /// - Throws: `SocketError`, with `closed` once the listener is closed; `CancellationError`.
    public func accept(until deadline: Deadline? = nil) throws -> TCPConnection {
        try acceptNext(until: deadline)
    }

    /// Waits for the next connection, from a task.
    ///
    /// Cancellation: ends the wait; no connection is lost.
    /// - Throws: `SocketError`, with `closed` once the listener is closed; `CancellationError`.
    public func accept(until deadline: Deadline? = nil) async throws -> TCPConnection {
        try await parkInTask { try self.acceptNext(until: deadline) }
    }

    /// Runs the handler for each connection, in a fiber of its own, until the listener is closed. The connection is
    /// closed when its handler ends. An error of the handler is reported, unless the peer just went away.
    ///
    /// Cancellation: ends the wait for further connections; fibers that were started go on.
    /// - Throws: `SocketError`; `CancellationError`.
    public func serve(_ handler: @escaping (TCPConnection) throws -> Void) throws {
        // On a plain thread the loop must be there before the first wait, or that one would block it.
        _ = try EventLoop.current
        try acceptEach { connection in
            spawn {
                Self.conclude(connection) { try handler(connection) }
            }
        }
    }

    /// Runs the handler for each connection, in a task of its own on the calling loop, until the listener is closed.
    ///
    /// Cancellation: ends the wait for further connections; tasks that were started go on.
    /// - Throws: `SocketError`; `CancellationError`.
    public func serve(_ handler: @escaping @Sendable (TCPConnection) async throws -> Void) async throws {
        try await parkInTask {
            let loop = try EventLoop.current
            try self.acceptEach { connection in
                loop.makeTask {
                    do {
                        try await handler(connection)
                        connection.close()
                    } catch {
                        Self.conclude(connection) { throw error }
                    }
                }
            }
        }
    }

    /// Stops listening and wakes acceptors. Connections that were accepted stay open. Closing twice does nothing.
    public func close() { descriptor.close() }

    /// `close()` was called.
    public var isClosed: Bool { descriptor.isClosed }

    func acceptNext(until deadline: Deadline?) throws -> TCPConnection {
        do {
            while true {
                try descriptor.waitUnlessReady(.reading, until: deadline)
                if let connection = try acceptNow(until: deadline) { return connection }
            }
        } catch {
            throw SocketError.translate(error, .accept, localAddress.description)
        }
    }

    private func acceptNow(until deadline: Deadline?) throws -> TCPConnection? {
        try withUnsafeTemporaryAllocation(byteCount: SocketAddress.rawSize, alignment: 8) { raw in
            var length = CInt(SocketAddress.rawSize)
            let number = swiftlet_socket_accept(descriptor.number, raw.baseAddress, &length)
            if number >= 0 {
                hasReportedShortage = false
                let address = SocketAddress(raw: UnsafeRawBufferPointer(rebasing: raw[..<Int(length)]))
                return TCPConnection(owning: number, remoteAddress: address ?? localAddress)
            }
            switch -number {
            case EAGAIN: try descriptor.refused(.reading, until: deadline)
            // accept(2): errors of the connection that was about to be accepted; the next one may be well.
            case ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
                EPERM:
                break
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: try waitOutShortage(errno: -number, until: deadline)
            case EBADF: throw SocketError(.accept, localAddress.description, .closed)
            default: throw SocketError(.accept, localAddress.description, .system(errno: -number))
            }
            return nil
        }
    }

    /// Nothing tells when a descriptor becomes free, so this tries again after a while.
    private func waitOutShortage(errno: CInt, until deadline: Deadline?) throws {
        if !hasReportedShortage {
            hasReportedShortage = true
            let error = SocketError(.accept, localAddress.description, .system(errno: errno))
            Report(.shortage, "\(error). Connections wait until some are closed.").post()
        }
        if let deadline, deadline < .now { throw DeadlineExceeded() }
        try sleep(.milliseconds(20))
    }

    private func acceptEach(_ body: (TCPConnection) -> Void) throws {
        do {
            while true { body(try acceptNext(until: nil)) }
        } catch let error as SocketError where error.reason == .closed {
            return
        }
    }

    static func conclude(_ connection: TCPConnection, _ handler: () throws -> Void) {
        defer { connection.close() }
        do {
            try handler()
        } catch  where error is CancellationError || error is GreenletExit {
            // The server is being stopped.
        } catch let error as SocketError where error.isDisconnection {
            // Peers come and go.
        } catch {
            Report(.handlerError, "the handler of the connection from \(connection.remoteAddress) threw \(error)")
                .post()
        }
    }
}
