import SwiftletCoroutines
import SwiftletLoop

/// What stream and datagram transports have in common: what is given to them waits until a fiber has written it, and they
/// end when that is done. asyncio's `WriteTransport`.
///
/// States: open -> closing (nothing more is received; what waits is written) -> ended. An error, `abort` and the end of the
/// receiving fiber lead to ended at once. The receiving fiber makes the protocol's last call.
///
/// Thread rules: to be used on its loop's thread.
public class WriteTransport<Piece> {
    enum State { case open, closing, ended }

    private(set) final var state = State.open
    private final var failure: (any Error)?
    private final var waiting = WriteBuffer<Piece>()
    private final var writer: Fiber<Void>?
    private final let ended = Event()

    init() {}

    // MARK: What is special

    func write(now piece: Piece) throws { fatalError("WriteTransport.write is abstract") }
    func byteCount(of piece: Piece) -> Int { fatalError("WriteTransport.byteCount is abstract") }
    /// Tells the protocol what comes in, as long as the transport is open.
    func receive() throws { fatalError("WriteTransport.receive is abstract") }
    /// All is written.
    func wroteAll() throws {}
    func tellPause() {}
    func tellResume() {}
    /// Tells the protocol that it is over, and lets it go: it may keep the transport.
    func tellEnd(_ error: (any Error)?) {}
    /// Closing has begun: who waits to read on is woken.
    func stopReceiving() {}
    func closeDescriptor() {}

    // MARK: Running

    /// After `connectionMade`.
    final func run() throws {
        defer { tellEnd(failure) }
        do {
            try receive()
            try ended.wait()
        } catch {
            end(error)
        }
        // The writer uses the descriptor until it has seen that it is closed.
        try shielded { _ = try writer?.join() }
        if let failure, failure.endsFibers { throw failure }
    }

    // MARK: Writing

    /// How many bytes wait to be written.
    public final var writeBufferSize: Int { waiting.byteCount }

    /// When the protocol is told to pause and to go on.
    public final var writeBufferLimits: WriteBufferLimits {
        get { waiting.limits }
        set {
            waiting.limits = newValue
            applyLimits()
        }
    }

    final func enqueue(_ piece: Piece) {
        waiting.append(piece, byteCount: byteCount(of: piece))
        beginWriting()
        applyLimits()
    }

    final func beginWriting() { writer = writer ?? spawn(name: "transport-writer") { self.writeAll() } }

    private final func writeAll() {
        do {
            while state != .ended, !waiting.isEmpty {
                for piece in waiting.take() {
                    try write(now: piece)
                    guard state != .ended else { break }
                    waiting.wrote(byteCount: byteCount(of: piece))
                    if waiting.allowsMore() { tellResume() }
                }
            }
            if state == .open { try wroteAll() }
        } catch {
            end(error)
        }
        writer = nil
        if state == .closing { end(nil) }
    }

    private final func applyLimits() {
        if waiting.begsForPause() { tellPause() }
        if waiting.allowsMore() { tellResume() }
    }

    // MARK: Ending

    /// It was closed, or the connection is lost.
    public final var isClosing: Bool { state != .open }

    /// Receives nothing more, writes what waits, and closes. `connectionLost` tells when that is done.
    public final func close() {
        guard state == .open else { return }
        state = .closing
        if writer == nil { end(nil) }
        stopReceiving()
    }

    /// Closes at once; what waits is dropped.
    public final func abort() { end(nil) }

    final func end(_ error: (any Error)?) {
        guard state != .ended else { return }
        state = .ended
        failure = error
        waiting.discard()
        stopReceiving()
        ended.set()
        closeDescriptor()
    }
}

extension Error {
    /// The fiber is being ended from outside.
    var endsFibers: Bool { self is CancellationError || self is GreenletExit }
}
