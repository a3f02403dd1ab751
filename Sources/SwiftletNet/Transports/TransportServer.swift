/// Serves with a protocol of its own for each connection. asyncio's `Server`; made by `createServer` and `createUnixServer`.
///
/// Thread rules: it belongs to its loop's thread; only `stop` may be called from any.
public final class TransportServer: @unchecked Sendable {
    /// Those that are open, by their identity.
    private var transports: [ObjectIdentifier: StreamTransport] = [:]
    private var server: FiberServer!

    init(_ make: (_ serve: @escaping (any ByteStream, any StreamProtocol) throws -> Void) -> FiberServer) throws {
        // Not by reference: the server has the handler, and this has the server.
        server = make { [weak self] stream, owner in
            let transport = StreamTransport(stream, owner)
            self?.transports[ObjectIdentifier(transport)] = transport
            defer { self?.transports[ObjectIdentifier(transport)] = nil }
            owner.connectionMade(transport)
            try transport.run()
        }
        try server.start()
    }

    /// The port that it serves at; 0 for a Unix socket.
    public var port: Int { server.port }

    /// How many connections are open.
    public var connectionCount: Int { transports.count }

    /// Takes nothing more in and waits for the connections; those that are left then are ended.
    ///
    /// Cancellation: ends the connections at once.
    /// - Parameter timeout: how long connections may go on.
    /// - Throws: `CancellationError`.
    public func stop(timeout: Duration = .seconds(1)) throws { try server.stop(timeout: timeout) }

    /// Takes nothing more in and waits for the connections, from a task; those that are left then are ended.
    ///
    /// Cancellation: ends the connections at once.
    public func stop(timeout: Duration = .seconds(1)) async throws { try await server.stop(timeout: timeout) }

    /// Closes all connections, each when what waits is written; further ones are accepted. asyncio's `close_clients`.
    public func closeConnections() { for transport in transports.values { transport.close() } }

    /// Ends all connections at once; what waits to be written is dropped. asyncio's `abort_clients`.
    public func abortConnections() { for transport in transports.values { transport.abort() } }
}
