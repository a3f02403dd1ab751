package import SwiftletLoop

/// Where connections come from, for what needs no more than streams of bytes (HTTP, WebSocket): this machine's network, or
/// one that a test simulates.
package enum StreamNetwork {
    /// The simulated host on which the current task or fiber runs, if it runs on one.
    @TaskLocal package static var simulatedHost: (any SimulatedStreamHost)?

    /// Begins to listen at an address and a port; at a port of the simulated host, whatever the address is.
    ///
    /// - Throws: `SocketError`, `ResolverError`.
    package static func listen(
        host: String, port: Int, backlog: Int, reusePort: Bool
    ) throws -> any StreamListener {
        if let simulatedHost { return try simulatedHost.listen(port: port, backlog: backlog) }
        return try TCPListener(host: host, port: port, backlog: backlog, reusePort: reusePort)
    }
}

/// A host of a network that is no kernel's.
package protocol SimulatedStreamHost: Sendable {
    /// - Throws: `SocketError`; `CancellationError`.
    func connect(to host: String, port: Int, until deadline: Deadline?) throws -> any ByteStream

    /// - Throws: `SocketError`.
    func listen(port: Int, backlog: Int) throws -> any StreamListener
}

/// Waits for connections of any network.
package protocol StreamListener: Sendable {
    /// With the port that was picked for port 0.
    var localAddress: SocketAddress { get }

    /// - Throws: `SocketError`, with `closed` once the listener is closed; `CancellationError`.
    func acceptStream() throws -> any ByteStream
    func close()
}

extension SocketListener: StreamListener {
    package func acceptStream() throws -> any ByteStream { try accept() }
}
