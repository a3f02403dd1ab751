import Swiftlet

/// A response's body while it comes: pieces, lines, or so many bytes at a time.
///
/// ```swift
/// try client.withResponse(url) { response in
///     while let piece = try response.body.next() { … }        // in a fiber or on a thread
/// }
/// try await client.withResponse(url) { response in
///     for try await piece in response.body { … }              // in a task
/// }
/// ```
///
/// The server is read from only as fast as pieces are taken. Pieces are decompressed and without the chunked coding; their
/// borders mean nothing.
///
/// Thread rules: used by one stack at a time.
public final class HTTPResponseBody: AsyncSequence, @unchecked Sendable {
    private let exchange: Exchange
    private var decoder: ContentDecoder
    private let limit: Int?
    /// Read, but not taken yet.
    private var rest: [UInt8] = []
    private var restStart = 0
    private var isAtEnd = false
    /// How many bytes have come so far, as they were sent.
    public private(set) var receivedBytes = 0

    init(_ exchange: Exchange, _ decoder: ContentDecoder) {
        self.exchange = exchange
        self.exchange.isStreaming = true
        self.decoder = decoder
        limit = exchange.client.configuration.limits.bodyLength
    }

    /// The next piece, at least one byte; `nil` at the end.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func next() throws -> [UInt8]? { try take() }

    /// The next piece, from a task.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func next() async throws -> [UInt8]? { try await parkInTask { try self.take() } }

    /// Reads so many bytes, or less at the end of the body; none after that.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func read(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, let piece = try take() {
            let part = piece.prefix(count - bytes.count)
            bytes += part
            if part.count < piece.count { putBack(piece, from: part.count) }
        }
        return bytes
    }

    /// Reads so many bytes, or less at the end of the body, from a task.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func read(_ count: Int) async throws -> [UInt8] { try await parkInTask { try self.read(count) } }

    /// Reads a line, without its ending; `nil` at the end of the body.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Parameter limit: the longest line to accept, in bytes.
    /// - Throws: `HTTPLineTooLongError`; `HTTPClientError`; `CancellationError`.
    public func readLine(limit: Int = 64 * 1024) throws -> String? {
        var line: [UInt8] = []
        var isFirst = true
        while let piece = try take() {
            isFirst = false
            if let end = piece.firstIndex(of: .lineFeed) {
                line += piece[..<end]
                if end + 1 < piece.count { putBack(piece, from: end + 1) }
                guard line.count <= limit else { throw HTTPLineTooLongError(limit: limit) }
                if line.last == .carriageReturn { line.removeLast() }
                return String(decoding: line, as: UTF8.self)
            }
            line += piece
            guard line.count <= limit else { throw HTTPLineTooLongError(limit: limit) }
        }
        return isFirst ? nil : String(decoding: line, as: UTF8.self)
    }

    /// Reads a line, from a task; `nil` at the end of the body.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPLineTooLongError`; `HTTPClientError`; `CancellationError`.
    public func readLine(limit: Int = 64 * 1024) async throws -> String? {
        try await parkInTask { try self.readLine(limit: limit) }
    }

    /// Calls the function for each piece.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: what the function throws; `HTTPClientError`; `CancellationError`.
    public func forEach(_ body: ([UInt8]) throws -> Void) throws {
        while let piece = try take() { try body(piece) }
    }

    /// Reads all that is left.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Parameter limit: the most to accept; `nil` takes the client's `limits.bodyLength`.
    /// - Throws: `HTTPClientError`, whose cause is an `HTTPParseError` with `bodyTooLong` beyond the limit;
    ///   `CancellationError`.
    public func collect(limit: Int? = nil) throws -> [UInt8] {
        let limit = limit ?? self.limit
        var bytes: [UInt8] = []
        while let piece = try take() {
            bytes += piece
            if let limit, bytes.count > limit {
                throw fail(HTTPParseError(.bodyTooLong, "the body is longer than \(limit) bytes"))
            }
        }
        return bytes
    }

    /// Releases the connection.
    func close() {
        isAtEnd = true
        rest = []
        restStart = 0
        exchange.release()
    }

    func putBack(_ piece: [UInt8], from start: Int) {
        rest = piece
        restStart = start
    }

    func take() throws -> [UInt8]? {
        if restStart < rest.count {
            defer {
                rest = []
                restStart = 0
            }
            return restStart == 0 ? rest : Array(rest[restStart...])
        }
        guard !isAtEnd else { return nil }
        do {
            while true {
                let decoded = try decoder.decodeMore()
                if !decoded.isEmpty { return decoded }
                guard let piece = try exchange.nextPiece() else {
                    isAtEnd = true
                    try decoder.finish()
                    return nil
                }
                receivedBytes += piece.count
                if decoder.isEmpty { return piece }
                decoder.feed(piece)
            }
        } catch {
            isAtEnd = true
            throw fail(error)
        }
    }

    private func fail(_ error: any Error) -> any Error { error is HTTPClientError ? error : exchange.fail(error) }

    /// Takes the pieces, in a task.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: HTTPResponseBody

        public mutating func next() async throws -> [UInt8]? { try await body.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }
}

/// A line of a response's body is longer than the reader wanted to accept.
public struct HTTPLineTooLongError: Error, Sendable, Hashable, CustomStringConvertible {
    public let limit: Int

    public var description: String { "a line of the body is longer than \(limit) bytes: raise the limit of readLine" }
}
