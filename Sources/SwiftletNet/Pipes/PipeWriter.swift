import CSwiftlet
public import SwiftletLoop

/// The end of a pipe that is written to.
///
/// A write parks while the pipe is full (64 KB by default). When the reader has gone, a write throws `EPIPE`, a disconnection; the
/// signal SIGPIPE does not come.
///
/// Thread rules: it may be used from any loop or thread, by one writer at a time. It is closed by `close()` or with the last
/// reference; closing wakes who waits on a loop.
public final class PipeWriter: ByteSink, @unchecked Sendable {
    let descriptor: Descriptor
    public let peerName: String
    // Set before use by the one who made it, or between its operations.
    private var storedTimeout: Duration?

    /// Takes over a descriptor that does not block.
    init(owning number: CInt, peerName: String) {
        descriptor = Descriptor(owning: number)
        self.peerName = peerName
    }

    /// How long a write may wait without the reader taking anything before it throws; `nil`, the default, is for ever.
    public var writeTimeout: Duration? {
        get { storedTimeout }
        set { storedTimeout = newValue }
    }

    /// `close()` was called.
    public var isClosed: Bool { descriptor.isClosed }

    /// Writes all of the bytes in memory of the caller's, which stays as it is meanwhile.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
        try descriptor.writeAll(bytes.count, until: deadline, timeout: storedTimeout, peer: peerName) {
            number, written in
            swiftlet_pipe_write(number, bytes.baseAddress! + written, bytes.count - written)
        }
    }

    /// Closes this end: the reader reads the end of the stream.
    public func closeWriting() { close() }

    /// Closes this end and wakes its writer with an error. Closing twice does nothing.
    public func close() { descriptor.close() }
}
