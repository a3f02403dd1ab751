import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// Serves UDP datagrams, each in a fiber, and at most so many at a time. gevent's `DatagramServer`.
///
/// ```swift
/// let server = DatagramServer(port: 9000) { datagram, socket in
///     try socket.send("Received \(datagram.bytes.count) bytes", to: datagram.sender)
/// }
/// try server.run()
/// ```
/// While the limit is reached nothing is received: datagrams wait in the kernel's queue, which drops what does not fit. An
/// error of the handler is reported.
///
/// States: idle -> serving -> stopped; a server is started once.
///
/// Thread rules: it serves on the loop of the thread that starts it; `stop` may be called from any thread.
public final class DatagramServer: @unchecked Sendable {
    private let host: String
    private let configuredPort: Int
    private let reusePort: Bool
    private let limit: Int?
    private let handler: (Datagram, UDPSocket) throws -> Void
    private let serving = Locked<Serving?>(nil)

    private struct Serving {
        let socket: UDPSocket
        let crew: ServerCrew
    }

    /// Makes a server that receives from `start` or `run` on.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name of one. `0.0.0.0` is all of IPv4, `::` all there are.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - limit: the most handlers at a time; `nil` sets none.
    ///   - reusePort: lets other sockets have the same port.
    ///   - handler: plain synchronous code, in a fiber for each datagram; it gets the socket to answer through.
    public init(
        host: String = "127.0.0.1", port: Int = 0, limit: Int? = nil, reusePort: Bool = false,
        _ handler: @escaping (Datagram, UDPSocket) throws -> Void
    ) {
        self.host = host
        configuredPort = port
        self.limit = limit
        self.reusePort = reusePort
        self.handler = handler
    }

    /// The port that it receives at; before `start` the one asked for.
    public var port: Int { serving.withLock { $0?.socket.port } ?? configuredPort }

    /// It has been started.
    public var isStarted: Bool { serving.withLock { $0 != nil } }

    /// Begins to receive and to serve; returns at once.
    ///
    /// - Throws: `SocketError` that names a busy port; `ResolverError`; `ServerError.alreadyStarted`.
    public func start() throws {
        try serving.withLock { serving in
            guard serving == nil else { throw ServerError.alreadyStarted }
            _ = try EventLoop.current
            let socket = try UDPSocket(host: host, port: configuredPort, reusePort: reusePort)
            let handler = handler
            let crew = ServerCrew(name: "datagram-server-\(socket.port)", limit: limit)
            crew.begin { crew in
                while true {
                    try crew.waitForPlace()
                    let datagram = try socket.receive()
                    try crew.handle {
                        do {
                            try handler(datagram, socket)
                        } catch is CancellationError {
                            // The server is being stopped.
                        } catch let error where !(error is GreenletExit) {
                            Report(.handlerError, "the handler of a datagram from \(datagram.sender) threw \(error)")
                                .post()
                        }
                    }
                }
            } whenStopped: {
                socket.close()
            }
            serving = Serving(socket: socket, crew: crew)
        }
    }

    /// Serves until `stop`. gevent's `serve_forever`.
    ///
    /// Cancellation: stops the server at once.
    /// - Throws: what `start` throws; `SocketError` when receiving becomes impossible; `CancellationError`.
    public func run() throws {
        if !isStarted { try start() }
        try serving.withLock { $0 }?.crew.waitUntilStopped()
    }

    /// Stops receiving and waits for the handlers; those that have not ended in time are killed. They may answer until then.
    ///
    /// Cancellation: kills the handlers at once.
    /// - Parameter timeout: how long handlers may go on.
    /// - Throws: `CancellationError`.
    public func stop(timeout: Duration = .seconds(1)) throws {
        try serving.withLock { $0 }?.crew.stop(timeout: timeout)
    }

    /// Stops receiving and waits for the handlers, from a task; those that have not ended in time are killed.
    ///
    /// Cancellation: kills the handlers at once.
    public func stop(timeout: Duration = .seconds(1)) async throws {
        try await parkInTask { try self.serving.withLock { $0 }?.crew.stop(timeout: timeout) }
    }
}
