public import SwiftletLoop

/// Collects small writes into large ones. What is collected goes out when there is enough of it, and with `flush()`.
///
/// ```swift
/// let output = BufferedWriter(connection)
/// for line in lines { try output.write(line + "\n") }
/// try output.flush()
/// ```
/// After an error nobody knows how much has gone out: what was collected is dropped, and the stream should be closed.
/// `close()` does not flush: use `closeWriting()`, or `flush()` before.
///
/// Thread rules: those of the stream; one writer at a time.
public final class BufferedWriter: ByteSink, @unchecked Sendable {
    private let sink: any ByteSink
    private let capacity: Int
    private var collected: [UInt8] = []

    /// Writes to a stream, which nobody else writes to meanwhile.
    ///
    /// - Parameters:
    ///   - sink: the stream.
    ///   - capacity: how many bytes are collected at most.
    public init(_ sink: some ByteSink, capacity: Int = 16 * 1024) {
        self.sink = sink
        self.capacity = max(capacity, 0)
    }

    /// Bytes that wait for more, or for `flush()`.
    public var bufferedCount: Int { collected.count }

    /// Writes out what has been collected.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func flush(until deadline: Deadline? = nil) throws {
        guard !collected.isEmpty else { return }
        defer { collected.removeAll(keepingCapacity: true) }
        try sink.write(collected, until: deadline)
    }

    /// Writes out what has been collected, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func flush(until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.flush(until: deadline) }
    }

    // MARK: As a stream

    public var peerName: String { sink.peerName }
    public var isClosed: Bool { sink.isClosed }
    public func close() { sink.close() }

    /// How long a write may wait without the peer taking anything before it throws; `nil` is for ever.
    public var writeTimeout: Duration? {
        get { sink.writeTimeout }
        set { sink.writeTimeout = newValue }
    }

    public func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
        try write(contentsOf: [bytes], until: deadline)
    }

    public func write(contentsOf pieces: [UnsafeRawBufferPointer], until deadline: Deadline? = nil) throws {
        let size = pieces.reduce(0) { $0 + $1.count }
        if collected.count + size <= capacity {
            if collected.isEmpty { collected.reserveCapacity(capacity) }
            for piece in pieces { collected.append(contentsOf: piece) }
            return
        }
        // All of it in one call, without copying what is large.
        defer { collected.removeAll(keepingCapacity: true) }
        try collected.withUnsafeBytes { try sink.write(contentsOf: [$0] + pieces, until: deadline) }
    }

    public func copy(_ range: Range<Int64>, of file: File, until deadline: Deadline? = nil) throws {
        try flush(until: deadline)
        try sink.copy(range, of: file, until: deadline)
    }

    /// Writes out what has been collected, and ends the stream in this direction.
    ///
    /// - Throws: `SocketError`; `CancellationError`.
    public func closeWriting() throws {
        try flush()
        try sink.closeWriting()
    }
}
