import SwiftletLoop

/// Writes for a `StreamProtocol`, and tells it what comes in. asyncio's `Transport`.
///
/// Thread rules: to be used on its loop's thread.
public final class StreamTransport: WriteTransport<[UInt8]> {
    /// What it writes to; its address and what else is known of the peer are asked there. asyncio's `get_extra_info`.
    public let stream: any ByteStream
    /// Until the end: it may keep the transport.
    private var owner: (any StreamProtocol)?
    private var endsWriting = false
    private let mayRead = Event(isSet: true)

    /// The most that is read for one call.
    private static let pieceSize = 64 * 1024

    init(_ stream: any ByteStream, _ owner: any StreamProtocol) {
        self.stream = stream
        self.owner = owner
    }

    /// Runs a protocol over a stream until the connection is lost; the stream is closed then.
    ///
    /// Cancellation: ends the connection at once; the protocol is told so.
    /// - Parameters:
    ///   - owner: what is called.
    ///   - stream: one that is connected: a `TCPConnection`, a `UnixConnection`, TLS over either.
    /// - Throws: `CancellationError`. Errors of the connection go to `connectionLost`.
    public static func run(_ owner: any StreamProtocol, over stream: any ByteStream) throws {
        let transport = StreamTransport(stream, owner)
        owner.connectionMade(transport)
        try transport.run()
    }

    // MARK: Reading

    /// The protocol is told what comes in.
    public var isReading: Bool { state == .open && mayRead.isSet }

    /// Has the kernel, and so the peer, keep what comes from now on. Does nothing when paused already.
    public func pauseReading() { if state == .open { mayRead.clear() } }

    /// Goes on after `pauseReading`. Does nothing otherwise.
    public func resumeReading() { mayRead.set() }

    override func receive() throws {
        while state == .open {
            let bytes: [UInt8]
            do {
                bytes = try stream.read(upTo: Self.pieceSize)
            } catch  where !error.endsFibers {
                // Closing wakes the read with an error that tells nothing new.
                if state == .open { end(error) }
                return
            }
            try mayRead.wait()
            guard state == .open else { return }
            if bytes.isEmpty {
                if owner?.endReceived() != true { close() }
                return
            }
            owner?.dataReceived(bytes)
            // A peer that never pauses must not keep the others from their turns.
            try yield()
        }
    }

    // MARK: Writing

    /// Writes bytes, later if need be; never waits. What comes after `close`, `finishWriting` or the connection's end is dropped.
    public func write(_ bytes: [UInt8]) { if state == .open, !endsWriting, !bytes.isEmpty { enqueue(bytes) } }

    /// Writes a text in UTF-8, later if need be; never waits.
    public func write(_ text: String) { write(Array(text.utf8)) }

    /// Ends the own direction when all is written; the peer may go on sending. asyncio's `write_eof`.
    public func finishWriting() {
        guard state == .open, !endsWriting else { return }
        endsWriting = true
        beginWriting()
    }

    override func write(now piece: [UInt8]) throws { try stream.write(piece) }
    override func byteCount(of piece: [UInt8]) -> Int { piece.count }
    override func wroteAll() throws { if endsWriting { try stream.closeWriting() } }
    override func tellPause() { owner?.pauseWriting() }
    override func tellResume() { owner?.resumeWriting() }

    override func tellEnd(_ error: (any Error)?) {
        owner?.connectionLost(error)
        owner = nil
    }

    override func stopReceiving() { mayRead.set() }
    override func closeDescriptor() { stream.close() }
}
