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
/// error of the handler is reported. A server that is being stopped may answer what it has received.
public final class DatagramServer: FiberServer, @unchecked Sendable {
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
        super.init(port: port, limit: limit, reusePort: reusePort) { port, reusePort in
            let socket = try UDPSocket(host: host, port: port, reusePort: reusePort)
            return ServerCrew.Intake(name: "datagram-server-\(socket.port)", port: socket.port) { crew in
                while true {
                    try crew.waitForPlace()
                    let datagram = try socket.receive()
                    try crew.handle { Self.conclude(datagram) { try handler(datagram, socket) } }
                }
            } whenStopped: {
                socket.close()
            }
        }
    }

    private static func conclude(_ datagram: Datagram, _ handler: () throws -> Void) {
        do {
            try handler()
        } catch  where error is CancellationError || error is GreenletExit {
            // The server is being stopped.
        } catch {
            Report(.handlerError, "the handler of a datagram from \(datagram.sender) threw \(error)").post()
        }
    }
}
