import SwiftletCoroutines
import SwiftletLoop

/// Sends for a `DatagramProtocol`, and tells it what comes in. asyncio's `DatagramTransport`.
///
/// States: open -> closing (nothing more is received; what waits is sent) -> ended, as for a `StreamTransport`.
///
/// Thread rules: to be used on its loop's thread.
public final class DatagramTransport {
    private enum State { case open, closing, ended }

    /// What it sends through; its addresses are asked there. asyncio's `get_extra_info`.
    public let socket: UDPSocket
    /// Until the end: it may keep the transport.
    private var owner: (any DatagramProtocol)?
    private var state = State.open
    private var failure: (any Error)?
    private var waiting = WriteBuffer<(bytes: [UInt8], address: SocketAddress?)>()
    private var sender: Fiber<Void>?
    private let ended = Event()

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

    /// After `connectionMade`.
    func run() throws {
        defer {
            owner?.connectionLost(failure)
            owner = nil
        }
        do {
            try receive()
            try ended.wait()
        } catch {
            end(error)
        }
        // The sender uses the socket until it has seen that it is closed.
        try shielded { _ = try sender?.join() }
        if let failure, failure.endsFibers { throw failure }
    }

    private func receive() throws {
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

    // MARK: Sending

    /// How many bytes wait to be sent.
    public var writeBufferSize: Int { waiting.byteCount }

    /// When the protocol is told to pause and to go on.
    public var writeBufferLimits: WriteBufferLimits {
        get { waiting.limits }
        set {
            waiting.limits = newValue
            applyLimits()
        }
    }

    /// Sends one datagram, later if need be; never waits. What comes after `close` is dropped.
    ///
    /// - Parameters:
    ///   - bytes: at most 65507 over IPv4; more than about 1400 travel in pieces.
    ///   - address: whom to; by default the peer that the socket is connected to.
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) {
        guard state == .open else { return }
        waiting.append((bytes, address), byteCount: bytes.count)
        sender = sender ?? spawn(name: "datagram-sender") { self.sendAll() }
        applyLimits()
    }

    /// Sends a text in UTF-8 as one datagram, later if need be; never waits.
    public func send(_ text: String, to address: SocketAddress? = nil) { send(Array(text.utf8), to: address) }

    private func sendAll() {
        do {
            while state != .ended, !waiting.isEmpty {
                for piece in waiting.take() {
                    do {
                        try socket.send(piece.bytes, to: piece.address)
                    } catch let error as SocketError where state != .ended {
                        owner?.errorReceived(error)
                    }
                    guard state != .ended else { break }
                    waiting.wrote(byteCount: piece.bytes.count)
                    if waiting.allowsMore() { owner?.resumeWriting() }
                }
            }
        } catch {
            end(error)
        }
        sender = nil
        if state == .closing { end(nil) }
    }

    private func applyLimits() {
        if waiting.begsForPause() { owner?.pauseWriting() }
        if waiting.allowsMore() { owner?.resumeWriting() }
    }

    // MARK: Ending

    /// It was closed.
    public var isClosing: Bool { state != .open }

    /// Receives nothing more, sends what waits, and closes the socket. `connectionLost` tells when that is done.
    public func close() {
        guard state == .open else { return }
        state = .closing
        if sender == nil { end(nil) }
    }

    /// Closes the socket at once; what waits is dropped.
    public func abort() { end(nil) }

    private func end(_ error: (any Error)?) {
        guard state != .ended else { return }
        state = .ended
        failure = error
        waiting.discard()
        ended.set()
        socket.close()
    }

}
