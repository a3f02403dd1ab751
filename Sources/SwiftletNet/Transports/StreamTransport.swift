import SwiftletCoroutines
import SwiftletLoop

/// Writes for a `StreamProtocol`, and tells it what comes in. asyncio's `Transport`.
///
/// States: open -> closing (nothing more is read; what waits is written) -> ended. An error, `abort` and the end of the fiber
/// lead to ended at once. The receiving fiber closes the stream and makes the last call.
///
/// Thread rules: to be used on its loop's thread.
public final class StreamTransport {
    private enum State { case open, closing, ended }

    /// What it writes to; its address and what else is known of the peer are asked there. asyncio's `get_extra_info`.
    public let stream: any ByteStream
    /// Until the end: it may keep the transport.
    private var owner: (any StreamProtocol)?
    private var state = State.open
    private var failure: (any Error)?
    private var waiting = WriteBuffer<[UInt8]>()
    private var endsWriting = false
    private var writer: Fiber<Void>?
    private let mayRead = Event(isSet: true)
    private let ended = Event()

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
        // The writer uses the stream until it has seen that it is closed.
        try shielded { _ = try writer?.join() }
        if let failure, failure.endsFibers { throw failure }
    }

    // MARK: Reading

    /// The protocol is told what comes in.
    public var isReading: Bool { state == .open && mayRead.isSet }

    /// Has the kernel, and so the peer, keep what comes from now on. Does nothing when paused already.
    public func pauseReading() { if state == .open { mayRead.clear() } }

    /// Goes on after `pauseReading`. Does nothing otherwise.
    public func resumeReading() { mayRead.set() }

    private func receive() throws {
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

    /// How much waits to be written.
    public var writeBufferSize: Int { waiting.byteCount }

    /// When the protocol is told to pause and to go on.
    public var writeBufferLimits: WriteBufferLimits {
        get { waiting.limits }
        set {
            waiting.limits = newValue
            applyLimits()
        }
    }

    /// Writes bytes, later if need be; never waits. What comes after `close`, `finishWriting` or the connection's end is dropped.
    public func write(_ bytes: [UInt8]) {
        guard state == .open, !endsWriting, !bytes.isEmpty else { return }
        waiting.append(bytes, byteCount: bytes.count)
        beginWriting()
        applyLimits()
    }

    /// Writes a text in UTF-8, later if need be; never waits.
    public func write(_ text: String) { write(Array(text.utf8)) }

    /// Ends the own direction when all is written; the peer may go on sending. asyncio's `write_eof`.
    public func finishWriting() {
        guard state == .open, !endsWriting else { return }
        endsWriting = true
        beginWriting()
    }

    private func beginWriting() { writer = writer ?? spawn(name: "transport-writer") { self.writeAll() } }

    private func writeAll() {
        do {
            while state != .ended, !waiting.isEmpty {
                for piece in waiting.take() {
                    try stream.write(piece)
                    guard state != .ended else { break }
                    waiting.wrote(byteCount: piece.count)
                    if waiting.allowsMore() { owner?.resumeWriting() }
                }
            }
            if endsWriting, state == .open { try stream.closeWriting() }
        } catch {
            end(error)
        }
        writer = nil
        if state == .closing { end(nil) }
    }

    private func applyLimits() {
        if waiting.begsForPause() { owner?.pauseWriting() }
        if waiting.allowsMore() { owner?.resumeWriting() }
    }

    // MARK: Ending

    /// It was closed, or the connection is lost.
    public var isClosing: Bool { state != .open }

    /// Reads nothing more, writes what waits, and closes the stream. `connectionLost` tells when that is done.
    public func close() {
        guard state == .open else { return }
        state = .closing
        if writer == nil { end(nil) }
        mayRead.set()
    }

    /// Closes the stream at once; what waits is dropped.
    public func abort() { end(nil) }

    private func end(_ error: (any Error)?) {
        guard state != .ended else { return }
        state = .ended
        failure = error
        waiting.discard()
        mayRead.set()
        ended.set()
        stream.close()
    }
}

extension Error {
    /// The fiber is being ended from outside.
    var endsFibers: Bool { self is CancellationError || self is GreenletExit }
}
