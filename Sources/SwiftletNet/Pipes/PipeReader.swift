import CSwiftlet
public import SwiftletLoop

/// The end of a pipe that is read from. Its stream ends when the last writer has closed.
///
/// Thread rules: it may be used from any loop or thread, by one reader at a time. It is closed by `close()` or with the last
/// reference; closing wakes who waits on a loop.
public final class PipeReader: ByteSource, @unchecked Sendable {
    let descriptor: Descriptor
    public let peerName: String
    // Set before use by the one who made it, or between its operations.
    private var storedTimeout: Duration?

    /// Takes over a descriptor that does not block.
    init(owning number: CInt, peerName: String) {
        descriptor = Descriptor(owning: number)
        self.peerName = peerName
    }

    /// How long a read may wait for the writer before it throws; `nil`, the default, is for ever.
    public var readTimeout: Duration? {
        get { storedTimeout }
        set { storedTimeout = newValue }
    }

    /// `close()` was called.
    public var isClosed: Bool { descriptor.isClosed }

    /// Something can be read at once: bytes, the end, or an error.
    public var hasInput: Bool { swiftlet_wait_ready(descriptor.number, false, 0) != 0 }

    /// Waits until something can be read: bytes, the end, or an error. On a plain thread it returns at once.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    public func waitForInput(until deadline: Deadline? = nil) throws {
        try descriptor.waitForInput(until: deadline, timeout: storedTimeout, peer: peerName)
    }

    /// Reads what has come, at least one byte, into memory of the caller's.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Returns: how many bytes; 0 at the end of the stream, and for an empty buffer.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline? = nil) throws -> Int {
        guard buffer.count > 0 else { return 0 }
        return try descriptor.readSome(buffer.count, until: deadline, timeout: storedTimeout, peer: peerName) {
            swiftlet_pipe_read($0, buffer.baseAddress, buffer.count)
        }
    }

    /// Closes this end and wakes its reader with an error. Writers get `EPIPE` from then on. Closing twice does nothing.
    public func close() { descriptor.close() }
}
