import Swiftlet

/// Sends the pieces of a request's body while they are made.
///
/// A write waits until the connection takes it, so a fast producer never gets ahead of a slow server.
///
/// Thread rules: valid while the function runs that got it, for one writer at a time.
public final class HTTPBodyWriter: @unchecked Sendable {
    private let connection: ClientConnection
    private let limits: HTTPLimits
    private let deadline: Deadline?
    private let notify: ((Int) -> Void)?
    /// What may still come of an announced length; `nil` sends chunks.
    private var remaining: Int?
    private var isOpen = true
    /// What is written goes through it.
    private var compressor: Compressor?
    /// The server wants no more of it.
    private(set) var isRefused = false
    /// How many bytes of the body have been sent.
    public private(set) var sentBytes = 0

    init(
        _ connection: ClientConnection, length: Int?, limits: HTTPLimits, until deadline: Deadline?,
        notify: ((Int) -> Void)?
    ) {
        self.connection = connection
        self.limits = limits
        self.deadline = deadline
        self.notify = notify
        remaining = length
    }

    /// Sends bytes.
    ///
    /// Cancellation: ends the wait and the request.
    /// - Throws: `HTTPBodyLengthError`; what the connection throws, which ends the request.
    public func write(_ bytes: [UInt8]) throws { try send(bytes) }

    /// Sends text as UTF-8.
    ///
    /// Cancellation: ends the wait and the request.
    /// - Throws: `HTTPBodyLengthError`; what the connection throws, which ends the request.
    public func write(_ text: String) throws { try send(Array(text.utf8)) }

    /// Sends bytes, from a task.
    ///
    /// Cancellation: ends the wait and the request.
    /// - Throws: `HTTPBodyLengthError`; what the connection throws, which ends the request.
    public func write(_ bytes: [UInt8]) async throws {
        try await parkInTask { try self.send(bytes) }
    }

    /// Compresses what the body writes, and ends the coded data behind it.
    func compress(_ compressor: Compressor, _ body: () throws -> Void) throws {
        self.compressor = compressor
        try body()
        self.compressor = nil
        var rest: [UInt8] = []
        try compressor.finish(into: &rest)
        try send(rest)
    }

    private func send(_ bytes: [UInt8]) throws {
        guard let compressor else { return try transmit(bytes) }
        var coded: [UInt8] = []
        try compressor.encode(bytes, into: &coded)
        try transmit(coded)
    }

    private func transmit(_ bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { return }
        guard isOpen else { throw HTTPBodyLengthError.written(afterEnd: sentBytes) }
        if sentBytes > 0, try connection.isRefused(limits: limits, until: deadline) {
            isRefused = true
            throw RequestRefused()
        }
        if let remaining {
            guard bytes.count <= remaining else {
                throw HTTPBodyLengthError.tooLong(announced: sentBytes + remaining)
            }
            self.remaining = remaining - bytes.count
            try connection.socket.write(bytes, until: deadline)
        } else {
            var line: [UInt8] = []
            line.appendChunkSizeLine(bytes.count)
            try connection.socket.write(line, bytes + [.carriageReturn, .lineFeed], until: deadline)
        }
        sentBytes += bytes.count
        notify?(bytes.count)
    }

    /// Ends the body.
    func finish() throws {
        isOpen = false
        guard let remaining else { return try connection.socket.write("0\r\n\r\n", until: deadline) }
        guard remaining == 0 else {
            throw HTTPBodyLengthError.tooShort(announced: sentBytes + remaining, sent: sentBytes)
        }
    }

    /// The function that wrote has ended otherwise.
    func abandon() { isOpen = false }
}

/// A body that is not as long as was announced. The connection is closed, so that the server does not take the next
/// request for a part of it.
public enum HTTPBodyLengthError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooLong(announced: Int)
    case tooShort(announced: Int, sent: Int)
    case written(afterEnd: Int)

    public var description: String {
        switch self {
        case .tooLong(let announced): "the body is longer than the \(announced) bytes that were announced"
        case .tooShort(let announced, let sent): "the body ended after \(sent) of \(announced) announced bytes"
        case .written(let count): "the body was written to after its end, which came after \(count) bytes"
        }
    }
}
