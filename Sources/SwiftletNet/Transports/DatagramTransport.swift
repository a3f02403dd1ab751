import SwiftletLoop

/// Sends for a `DatagramProtocol`, and tells it what comes in. asyncio's `DatagramTransport`.
///
/// Thread rules: to be used on its loop's thread.
public final class DatagramTransport: WriteTransport<OutgoingDatagram> {
    /// What it sends through; its addresses are asked there. asyncio's `get_extra_info`.
    public let socket: UDPSocket
    /// Until the end: it may keep the transport.
    private var owner: (any DatagramProtocol)?

    init(_ socket: UDPSocket, _ owner: any DatagramProtocol) {
        self.socket = socket
        self.owner = owner
    }

    /// Runs a protocol over a socket until it is closed.
    ///
    /// Cancellation: closes the socket at once; the protocol is told so.
    /// - Throws: `CancellationError`. Errors of single datagrams go to `errorReceived`.
    public static func run(_ owner: any DatagramProtocol, over socket: UDPSocket) throws {
        let transport = DatagramTransport(socket, owner)
        owner.connectionMade(transport)
        try transport.run()
    }

    override func receive() throws {
        while state == .open {
            do {
                let datagram = try socket.receive()
                if state == .open { owner?.datagramReceived(datagram) }
                // A peer that never pauses must not keep the others from their turns.
                try yield()
            } catch let error as SocketError {
                if socket.isClosed { return end(nil) }
                if state == .open { owner?.errorReceived(error) }
            }
        }
    }

    /// Sends one datagram, later if need be; never waits. What comes after `close` is dropped.
    ///
    /// - Parameters:
    ///   - bytes: at most 65507 over IPv4; more than about 1400 travel in pieces.
    ///   - address: whom to; by default the peer that the socket is connected to.
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) {
        if state == .open { enqueue(OutgoingDatagram(bytes: bytes, address: address)) }
    }

    /// Sends a text in UTF-8 as one datagram, later if need be; never waits.
    public func send(_ text: String, to address: SocketAddress? = nil) { send(Array(text.utf8), to: address) }

    override func write(now piece: OutgoingDatagram) throws {
        do {
            try socket.send(piece.bytes, to: piece.address)
        } catch let error as SocketError where state != .ended {
            owner?.errorReceived(error)
        }
    }

    override func byteCount(of piece: OutgoingDatagram) -> Int { piece.bytes.count }
    override func tellPause() { owner?.pauseWriting() }
    override func tellResume() { owner?.resumeWriting() }

    override func tellEnd(_ error: (any Error)?) {
        owner?.connectionLost(error)
        owner = nil
    }

    override func closeDescriptor() { socket.close() }
}

/// A datagram that waits to be sent.
public struct OutgoingDatagram: Sendable {
    let bytes: [UInt8]
    let address: SocketAddress?
}
