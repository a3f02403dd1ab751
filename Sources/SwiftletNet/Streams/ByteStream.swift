public import SwiftletLoop

/// An end of a stream of bytes: what can be closed, and has a name that errors tell.
public protocol StreamEnd: AnyObject, Sendable {
    /// The other side, as errors name it.
    var peerName: String { get }

    /// `close()` was called.
    var isClosed: Bool { get }

    /// Closes the stream and wakes whoever waits on it with an error. Closing twice does nothing.
    func close()
}

/// Where bytes come from: a connection, a pipe, a file.
///
/// The requirements are synchronous: they park the calling fiber or task, and block a plain thread. What else there is to
/// read with, in both spellings, follows from them.
///
/// Thread rules: one reader at a time. Closing wakes it.
public protocol ByteSource: StreamEnd {
    /// How long a read may wait for the peer before it throws; `nil` is for ever.
    var readTimeout: Duration? { get set }

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

    /// Has a closure called when the peer ends its side, also while nobody reads: with false for an end, after which it may
    /// still read; with true when the connection is broken, after which nothing reaches it. On the calling loop's thread
    /// only, which it must not park; until the stream is closed.
    ///
    /// - Throws: `SocketError`.
    func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws
}

extension ByteSource {
    /// A stream that cannot tell does not.
    public func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws {}
}

/// Where bytes go to: a connection, a pipe, a file.
///
/// The requirements are synchronous: they park the calling fiber or task, and block a plain thread. What else there is to
/// write with, in both spellings, follows from them.
///
/// Thread rules: one writer at a time. Closing wakes it.
public protocol ByteSink: StreamEnd {
    /// How long a write may wait without the peer taking anything before it throws; `nil` is for ever.
    var writeTimeout: Duration? { get set }

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

    /// Writes all of several pieces of memory behind each other, with few calls to the kernel where that is possible.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    func write(contentsOf pieces: [UnsafeRawBufferPointer], until deadline: Deadline?) throws

    /// Writes a part of a file; `write(contentsOf:in:until:)` is what to call.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `FileError`; `CancellationError`.
    func copy(_ range: Range<Int64>, of file: File, until deadline: Deadline?) throws

    /// Ends the stream in this direction; the peer reads its end. The other direction stays open.
    ///
    /// - Throws: `SocketError`; `CancellationError`.
    func closeWriting() throws
}

/// A stream of bytes in both directions: a TCP connection, a Unix socket, TLS over either.
///
/// What is written on top of streams (buffers, HTTP, WebSocket) needs no more than this.
///
/// Thread rules: one reader and one writer at a time. Closing wakes who waits.
public protocol ByteStream: ByteSource, ByteSink {
    /// The other side's address.
    var remoteAddress: SocketAddress { get }
}

/// The nearer of a deadline and what a timeout that begins now allows.
@inline(__always)
func nearest(_ deadline: Deadline?, _ timeout: Duration?) -> Deadline? {
    guard let timeout else { return deadline }
    let limit = Deadline.after(timeout)
    return deadline.map { min($0, limit) } ?? limit
}
