import Swiftlet

extension HTTPResponseBody {
    /// Everything has been taken.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`: it may have to wait in order to know.
    public func hasEnded() throws -> Bool {
        guard let piece = try take() else { return true }
        putBack(piece, from: 0)
        return false
    }

    /// Whether everything has been taken, from a task.
    ///
    /// Cancellation: ends the response and closes its connection.
    public func hasEnded() async throws -> Bool { try await parkInTask { try self.hasEnded() } }

    /// Reads exactly so many bytes.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Throws: `HTTPBodyEndedError` when the body ends before; `HTTPClientError`; `CancellationError`.
    public func readExactly(_ count: Int) throws -> [UInt8] {
        let bytes = try read(count)
        guard bytes.count == count else { throw HTTPBodyEndedError(receivedBytes: bytes.count) }
        return bytes
    }

    /// Reads exactly so many bytes, from a task.
    ///
    /// Cancellation: ends the response and closes its connection.
    public func readExactly(_ count: Int) async throws -> [UInt8] {
        try await parkInTask { try self.readExactly(count) }
    }

    /// Reads up to a delimiter and past it.
    ///
    /// Cancellation: ends the response and closes its connection.
    /// - Parameters:
    ///   - delimiter: at least one byte.
    ///   - limit: the most bytes to accept before it.
    /// - Returns: what stands before the delimiter.
    /// - Throws: `HTTPBodyEndedError` when the body ends without it; `HTTPLineTooLongError`; `HTTPClientError`;
    ///   `CancellationError`.
    public func read(until delimiter: [UInt8], limit: Int = 64 * 1024) throws -> [UInt8] {
        precondition(!delimiter.isEmpty, "a delimiter has at least one byte")
        var bytes: [UInt8] = []
        while let piece = try take() {
            // The delimiter may have begun in what came before.
            let start = Swift.max(0, bytes.count - delimiter.count + 1)
            bytes += piece
            if let found = bytes[start...].firstRange(of: delimiter) {
                guard found.lowerBound <= limit else { break }
                if found.upperBound < bytes.count { putBack(bytes, from: found.upperBound) }
                return Array(bytes[..<found.lowerBound])
            }
            if bytes.count > limit + delimiter.count { break }
        }
        throw bytes.count > limit ? HTTPLineTooLongError(limit: limit) : HTTPBodyEndedError(receivedBytes: bytes.count)
    }

    /// Reads up to a delimiter and past it, from a task.
    ///
    /// Cancellation: ends the response and closes its connection.
    public func read(until delimiter: [UInt8], limit: Int = 64 * 1024) async throws -> [UInt8] {
        try await parkInTask { try self.read(until: delimiter, limit: limit) }
    }
}

/// A response's body ended before what was asked for had come. What had come of it is lost.
public struct HTTPBodyEndedError: Error, Sendable, Hashable, CustomStringConvertible {
    /// How many bytes had come.
    public let receivedBytes: Int

    public var description: String {
        "the body ended \(receivedBytes) bytes after the reader began, before all that it asked for had come"
    }
}
