import CSwiftlet
public import SwiftletLoop

/// Reads from a stream by lines and delimiters: takes what has come in large pieces, and hands it out in small ones.
///
/// ```swift
/// let input = BufferedReader(connection)
/// while let line = try input.readLine(), !line.isEmpty { print(line) }
/// ```
/// Every method has a limit: a peer that sends no delimiter costs no more memory than that. Who waits for input while nothing
/// is buffered holds no memory.
///
/// Thread rules: those of the stream; one reader at a time.
public class BufferedReader: ByteSource, @unchecked Sendable {
    private final let source: any ByteSource
    private final let input = InputBuffer()

    /// The longest line that is read where no limit is named.
    public static var defaultLimit: Int { 64 * 1024 }

    /// Reads from a stream, which nobody else reads from meanwhile.
    public init(_ source: some ByteSource) { self.source = source }

    /// What has been taken from the stream and not been read, which leaves nothing behind.
    public final func takeBuffered() -> [UInt8] {
        let bytes = Array(input.bytes)
        input.consume(bytes.count)
        return bytes
    }

    // MARK: Reading

    /// Reads up to and with a delimiter.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - delimiter: one byte or several; not none.
    ///   - limit: the most bytes, the delimiter included.
    ///   - deadline: when to give up; `readTimeout` counts as well.
    /// - Returns: the bytes, the delimiter included.
    /// - Throws: `SocketError`, with `missingDelimiter` when the stream ends before, and `limitExceeded`: what has come stays to be
    ///   read otherwise; `CancellationError`.
    public final func readUntil(
        _ delimiter: [UInt8], limit: Int = defaultLimit, until deadline: Deadline? = nil
    ) throws -> [UInt8] {
        guard let count = try waitFor(delimiter, limit: limit, until: deadline) else {
            throw SocketError(.read, peerName, .missingDelimiter(received: input.bytes.count))
        }
        return take(count)
    }

    /// Reads up to and with a delimiter, from a task.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Throws: `SocketError`, with `missingDelimiter` when the stream ends before, and `limitExceeded`; `CancellationError`.
    public final func readUntil(
        _ delimiter: [UInt8], limit: Int = defaultLimit, until deadline: Deadline? = nil
    ) async throws -> [UInt8] {
        try await parkInTask { try self.readUntil(delimiter, limit: limit, until: deadline) }
    }

    /// Reads a line, which ends with a line feed or with the stream. Python's `readline`, without the line's end.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - limit: the most bytes, the line's end included.
    ///   - deadline: when to give up; `readTimeout` counts as well.
    /// - Returns: the line as UTF-8 text, without the line feed and a carriage return before it; `nil` at the end of the stream.
    /// - Throws: `SocketError`, with `limitExceeded`: what has come stays to be read otherwise; `CancellationError`.
    public final func readLine(limit: Int = defaultLimit, until deadline: Deadline? = nil) throws -> String? {
        guard let count = try waitFor([UInt8(ascii: "\n")], limit: limit, until: deadline) else {
            let rest = takeBuffered()
            return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
        }
        var line = input.bytes[..<(count - 1)]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        defer { input.consume(count) }
        return String(decoding: line, as: UTF8.self)
    }

    /// Reads a line, from a task; `nil` at the end of the stream.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Throws: `SocketError`, with `limitExceeded`; `CancellationError`.
    public final func readLine(limit: Int = defaultLimit, until deadline: Deadline? = nil) async throws -> String? {
        try await parkInTask { try self.readLine(limit: limit, until: deadline) }
    }

    /// The lines up to the end of the stream.
    public final func lines(limit: Int = defaultLimit) -> Lines { Lines(self, limit: limit) }

    /// Shows the next bytes, which stay to be read.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Returns: so many bytes; fewer when the stream ends before.
    /// - Throws: `SocketError`; `CancellationError`.
    public final func peek(_ count: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
        while input.bytes.count < count, try fill(until: deadline) {}
        return Array(input.bytes.prefix(max(count, 0)))
    }

    /// Shows the next bytes, from a task; they stay to be read.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public final func peek(_ count: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.peek(count, until: deadline) }
    }

    /// Waits until the delimiter has come.
    ///
    /// - Returns: how many bytes there are, with the delimiter; `nil` when the stream ends before.
    private final func waitFor(_ delimiter: [UInt8], limit: Int, until deadline: Deadline?) throws -> Int? {
        // Each byte is looked at once, however many pieces the stream comes in.
        var searched = 0
        while true {
            let bytes = UnsafeRawBufferPointer(input.bytes)
            let isTooLong: Bool
            if let start = swiftlet_find(
                bytes.baseAddress.map { $0 + searched }, bytes.count - searched, delimiter, delimiter.count),
                let base = bytes.baseAddress
            {
                let count = start - base + delimiter.count
                if count <= limit { return count }
                isTooLong = true
            } else {
                isTooLong = bytes.count >= limit
            }
            if isTooLong { throw SocketError(.read, peerName, .limitExceeded(limit)) }
            searched = max(0, bytes.count - delimiter.count + 1)
            guard try fill(until: deadline) else { return nil }
        }
    }

    private final func fill(until deadline: Deadline?) throws -> Bool {
        try input.fill(from: source, until: deadline) > 0
    }

    private final func take(_ count: Int) -> [UInt8] {
        defer { input.consume(count) }
        return Array(input.bytes.prefix(count))
    }

    // MARK: As a stream

    public final var peerName: String { source.peerName }
    public final var isClosed: Bool { source.isClosed }
    public final func close() { source.close() }

    /// How long a read may wait for the peer before it throws; `nil` is for ever.
    public final var readTimeout: Duration? {
        get { source.readTimeout }
        set { source.readTimeout = newValue }
    }

    public final var hasInput: Bool { !input.isEmpty || source.hasInput }

    public final func waitForInput(until deadline: Deadline? = nil) throws {
        if input.isEmpty { try source.waitForInput(until: deadline) }
    }

    public final func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline? = nil) throws -> Int {
        // Past the buffer: a large piece need not be copied twice.
        if input.isEmpty { return try source.read(into: buffer, until: deadline) }
        let count = min(buffer.count, input.bytes.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(input.bytes)[..<count]))
        input.consume(count)
        return count
    }
}
