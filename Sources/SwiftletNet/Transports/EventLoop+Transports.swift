public import SwiftletLoop

/// asyncio's ways to begin with call-backs. Each begins a fiber on the loop, which calls the protocol until the end.
extension EventLoop {
    /// Connects, and has a protocol called for what comes. asyncio's `create_connection`.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Parameters:
    ///   - host: a name, or an address in numbers, without brackets.
    ///   - port: from 1 to 65535.
    ///   - timeout: for looking up the name and connecting together; `nil` waits as long as the kernel does.
    ///   - localHost: the address of this machine to connect from; `nil` leaves it to the kernel.
    ///   - throwsAllErrors: when no address of the host accepts, throw `ConnectFailures` with the error of each.
    ///   - makeProtocol: makes what is called; `connectionMade` comes before this returns.
    /// - Throws: `LoopError.wrongThread`; `ResolverError`; `SocketError`; `ConnectFailures`; `CancellationError`.
    public func createConnection<Owner: StreamProtocol>(
        to host: String, port: Int, timeout: Duration? = .seconds(30), from localHost: String? = nil,
        throwsAllErrors: Bool = false, _ makeProtocol: () throws -> Owner
    ) throws -> (transport: StreamTransport, protocol: Owner) {
        try requireOwnThread()
        let connection = try TCPConnection.connect(
            to: host, port: port, timeout: timeout, from: localHost, throwsAllErrors: throwsAllErrors)
        return try createConnection(over: connection, makeProtocol)
    }

    /// Connects from a task, and has a protocol called for what comes. asyncio's `create_connection`.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    public nonisolated(nonsending) func createConnection<Owner: StreamProtocol>(
        to host: String, port: Int, timeout: Duration? = .seconds(30), from localHost: String? = nil,
        throwsAllErrors: Bool = false, _ makeProtocol: () throws -> Owner
    ) async throws -> (transport: StreamTransport, protocol: Owner) {
        try requireOwnThread()
        let connection = try await TCPConnection.connect(
            to: host, port: port, timeout: timeout, from: localHost, throwsAllErrors: throwsAllErrors)
        return try createConnection(over: connection, makeProtocol)
    }

    /// Has a protocol called for what comes from a stream that is connected: TLS, a Unix socket. It is closed if that fails.
    ///
    /// - Throws: `LoopError.wrongThread`; what `makeProtocol` throws.
    public func createConnection<Owner: StreamProtocol>(
        over stream: any ByteStream, _ makeProtocol: () throws -> Owner
    ) throws -> (transport: StreamTransport, protocol: Owner) {
        do {
            try requireOwnThread()
            let owner = try makeProtocol()
            let transport = StreamTransport(stream, owner)
            owner.connectionMade(transport)
            SwiftletLoop.spawn(name: "transport-\(stream.peerName)") { try transport.run() }
            return (transport, owner)
        } catch {
            stream.close()
            throw error
        }
    }

    /// Serves, with a protocol of its own for each connection. asyncio's `create_server`.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name of one. `0.0.0.0` is all of IPv4, `::` all there are.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - limit: the most connections at a time; `nil` sets none.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - reusePort: lets other listeners have the same port; the kernel spreads connections over them.
    ///   - makeProtocol: makes what is called for a connection.
    /// - Returns: a server that has begun; `stop` ends it.
    /// - Throws: `LoopError.wrongThread`; `SocketError` that names a busy port; `ResolverError`.
    public func createServer(
        host: String = "127.0.0.1", port: Int = 0, limit: Int? = nil, backlog: Int = 4096, reusePort: Bool = false,
        _ makeProtocol: @escaping () throws -> any StreamProtocol
    ) throws -> TransportServer {
        try requireOwnThread()
        return try TransportServer { serve in
            StreamServer(host: host, port: port, limit: limit, backlog: backlog, reusePort: reusePort) { connection in
                try serve(connection, makeProtocol())
            }
        }
    }

    /// Serves at the path of a Unix socket, with a protocol of its own for each connection. asyncio's `create_unix_server`;
    /// its `create_unix_connection` is `createConnection(over: UnixConnection.connect(to: path))`.
    ///
    /// - Parameters:
    ///   - path: of at most 107 bytes; with `@` first, a name in the kernel's abstract namespace, which makes no file.
    ///   - limit: the most connections at a time; `nil` sets none.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - permissions: of the file, less the process's umask.
    ///   - makeProtocol: makes what is called for a connection.
    /// - Returns: a server that has begun; `stop` ends it.
    /// - Throws: `LoopError.wrongThread`; `SocketError`.
    public func createUnixServer(
        at path: String, limit: Int? = nil, backlog: Int = 4096, permissions: UInt32? = nil,
        _ makeProtocol: @escaping () throws -> any StreamProtocol
    ) throws -> TransportServer {
        try requireOwnThread()
        return try TransportServer { serve in
            UnixServer(path: path, limit: limit, backlog: backlog, permissions: permissions) { connection in
                try serve(connection, makeProtocol())
            }
        }
    }

    /// Has a protocol called for the datagrams that come to a socket: one that is bound (`UDPSocket(port:)`) or connected
    /// (`UDPSocket.connect`). asyncio's `create_datagram_endpoint`. The socket is closed if that fails.
    ///
    /// - Throws: `LoopError.wrongThread`; what `makeProtocol` throws.
    public func createDatagramEndpoint<Owner: DatagramProtocol>(
        over socket: UDPSocket, _ makeProtocol: () throws -> Owner
    ) throws -> (transport: DatagramTransport, protocol: Owner) {
        do {
            try requireOwnThread()
            let owner = try makeProtocol()
            let transport = DatagramTransport(socket, owner)
            owner.connectionMade(transport)
            SwiftletLoop.spawn(name: "datagrams-\(socket.port)") { try transport.run() }
            return (transport, owner)
        } catch {
            socket.close()
            throw error
        }
    }
}
