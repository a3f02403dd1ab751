public import SwiftletLoop

/// A stream whose reads and writes are both buffered. asyncio's `StreamReader` and `StreamWriter` in one.
///
/// ```swift
/// let stream = BufferedStream(try UnixConnection.connect(to: "/run/service.socket"))
/// try stream.write("status\n")
/// try stream.flush()
/// print(try stream.readLine() ?? "nothing")
/// ```
/// One that reads and one that writes may use it side by side.
public final class BufferedStream: BufferedReader, ByteStream, @unchecked Sendable {
    private let stream: any ByteStream
    private let output: BufferedWriter

    /// Buffers a stream, which nobody else uses meanwhile.
    ///
    /// - Parameters:
    ///   - stream: such as a `TCPConnection`.
    ///   - capacity: how many bytes of writes are collected at most.
    public init(_ stream: some ByteStream, capacity: Int = 16 * 1024) {
        self.stream = stream
        output = BufferedWriter(stream, capacity: capacity)
        super.init(stream)
    }

    public var remoteAddress: SocketAddress { stream.remoteAddress }

    public func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws { try stream.observeEnd(observer) }

    /// Gives up buffering, to go on with the stream below: to begin TLS on it, say, or another protocol.
    ///
    /// Whoever begins TLS must refuse what was read ahead: it came in the clear, and somebody else may have sent it.
    ///
    /// Cancellation: ends the wait to write out what was collected.
    /// - Returns: the stream below, and what was taken from it and has not been read.
    /// - Throws: `SocketError`; `CancellationError`.
    public func unwrap(until deadline: Deadline? = nil) throws -> (stream: any ByteStream, readAhead: [UInt8]) {
        try output.flush(until: deadline)
        return (stream, takeBuffered())
    }

    /// Writes out what has been collected.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func flush(until deadline: Deadline? = nil) throws { try output.flush(until: deadline) }

    /// Writes out what has been collected, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func flush(until deadline: Deadline? = nil) async throws { try await output.flush(until: deadline) }

    /// How long a write may wait without the peer taking anything before it throws; `nil` is for ever.
    public var writeTimeout: Duration? {
        get { output.writeTimeout }
        set { output.writeTimeout = newValue }
    }

    public func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
        try output.write(bytes, until: deadline)
    }

    public func write(contentsOf pieces: [UnsafeRawBufferPointer], until deadline: Deadline? = nil) throws {
        try output.write(contentsOf: pieces, until: deadline)
    }

    public func copy(_ range: Range<Int64>, of file: File, until deadline: Deadline? = nil) throws {
        try output.copy(range, of: file, until: deadline)
    }

    public func closeWriting() throws { try output.closeWriting() }
}
