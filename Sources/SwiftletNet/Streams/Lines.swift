/// The lines of a stream: a `for` loop parks where it waits for the next one; in a task, `for try await` too.
///
/// A `for` loop cannot throw where it waits: an error, such as `CancellationError`, ends it and is kept in `failure`. Use
/// `next()` where it should be thrown. One at a time may ask.
public final class Lines: Sequence, AsyncSequence, @unchecked Sendable {
    public typealias Element = String

    private let reader: BufferedReader
    private let limit: Int
    /// What ended a `for` loop early.
    public private(set) var failure: (any Error)?

    init(_ reader: BufferedReader, limit: Int) {
        self.reader = reader
        self.limit = limit
    }

    /// Waits for the next line.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Returns: `nil` at the end of the stream.
    /// - Throws: `SocketError`; `CancellationError`.
    public func next() throws -> String? { try reader.readLine(limit: limit) }

    public struct Iterator: IteratorProtocol {
        fileprivate let lines: Lines

        public mutating func next() -> String? {
            do {
                return try lines.next()
            } catch {
                lines.failure = error
                return nil
            }
        }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let lines: Lines

        public mutating func next() async throws -> String? { try await lines.reader.readLine(limit: lines.limit) }
    }

    public func makeIterator() -> Iterator { Iterator(lines: self) }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(lines: self) }
}
