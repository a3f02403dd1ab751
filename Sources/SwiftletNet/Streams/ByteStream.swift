public import SwiftletLoop

/// A stream of bytes in both directions: a TCP connection, a Unix socket, TLS over either.
///
/// What is written on top of streams (buffers, HTTP, WebSocket) needs no more than this. The requirements are synchronous:
/// they park the calling fiber or task, and block a plain thread.
///
/// Thread rules: one reader and one writer at a time. Closing wakes who waits.
public protocol ByteStream: AnyObject, Sendable {
    /// The other side, as errors name it.
    var peerName: String { get }

    /// The other side's address.
    var remoteAddress: SocketAddress { get }

    /// How long a read may wait for the peer before it throws; `nil` is for ever.
    var readTimeout: Duration? { get set }

    /// How long a write may wait without the peer taking anything before it throws; `nil` is for ever.
    var writeTimeout: Duration? { get set }

    /// `close()` was called.
    var isClosed: Bool { get }

    /// Something can be read without waiting: bytes, the end, or an error. Nothing is taken.
    var hasInput: Bool { get }

    /// Waits until something can be read: bytes, the end, or an error. On a plain thread it may return at once.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    func waitForInput(until deadline: Deadline?) throws

    /// Reads what has come, at least one byte, into memory of the caller's.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Returns: how many bytes; 0 at the end of the stream, and for an empty buffer.
    /// - Throws: `SocketError`; `CancellationError`.
    func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int

    /// Writes all of the bytes in memory of the caller's, which stays as it is meanwhile.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline?) throws

    /// Writes all of two pieces of memory behind each other, with one call to the kernel where that is possible.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline?) throws

    /// Ends the stream in this direction; the peer reads its end. The other direction stays open.
    ///
    /// - Throws: `SocketError`; `CancellationError`.
    func closeWriting() throws

    /// Closes the stream and wakes whoever waits on it with an error. Closing twice does nothing.
    func close()

    /// Has a closure called when the peer ends its side, also while nobody reads: with false for an end, after which it may
    /// still read; with true when the connection is broken, after which nothing reaches it. On the calling loop's thread
    /// only, which it must not park; until the stream is closed.
    ///
    /// - Throws: `SocketError`.
    func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws
}

extension ByteStream {
    /// A stream that cannot tell does not.
    public func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws {}
}

extension ByteStream {
    /// Writes all of two arrays behind each other.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ first: [UInt8], _ second: [UInt8], until deadline: Deadline? = nil) throws {
        try first.withUnsafeBytes { first in
            try second.withUnsafeBytes { try write(first, $0, until: deadline) }
        }
    }

    /// Writes all of the bytes.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ bytes: [UInt8], until deadline: Deadline? = nil) throws {
        try bytes.withUnsafeBytes { try write($0, until: deadline) }
    }

    /// Writes all of a text, as UTF-8.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ text: String, until deadline: Deadline? = nil) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0), until: deadline) }
    }
}
