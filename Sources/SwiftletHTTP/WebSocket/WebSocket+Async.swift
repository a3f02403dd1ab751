import Swiftlet
import SwiftletLoop

// The async spelling: thin doors to the same synchronous code. Cancellation is that of the synchronous spelling.

extension WebSocket {
    /// Waits for the next message, from a task.
    ///
    /// Cancellation: ends the wait; nothing of a message is lost.
    /// - Returns: `nil` when the peer has said goodbye (1000, 1001, or no code).
    /// - Throws: what the synchronous spelling throws.
    public func receive() async throws -> Message? { try await parkInTask { try self.reader.receive() } }

    /// Waits for the next part of a message, from a task.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Throws: what the synchronous spelling throws.
    public func receivePart() async throws -> MessagePart? {
        try await parkInTask { try self.reader.receivePart() }
    }

    /// Sends a text, from a task.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ text: String) async throws { try await parkInTask { try self.transmit(text) } }

    /// Sends a binary message, from a task.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ bytes: [UInt8]) async throws { try await parkInTask { try self.transmit(bytes) } }

    /// Sends a message that was received, or made, from a task.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ message: Message) async throws { try await parkInTask { try self.transmit(message) } }

    /// Sends a message in parts, from a task.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`; what the body throws.
    public nonisolated(nonsending) func sendMessage<Value>(
        _ kind: Kind, _ body: nonisolated(nonsending) (MessageWriter) async throws -> Value
    ) async throws -> Value {
        try await turn.withLock { () async throws -> Value in
            let message = makeMessage(kind)
            do {
                let value = try await body(message)
                try await message.end()
                return value
            } catch {
                abandon(message, error)
                throw error
            }
        }
    }

    /// Asks the peer for a sign of life and waits for it, from a task. Somebody has to be receiving meanwhile.
    ///
    /// - Throws: what the synchronous spelling throws.
    @discardableResult
    public func ping(timeout: Duration = .seconds(20)) async throws -> Duration {
        try await parkInTask { try self.reader.ping(timeout: timeout) }
    }

    /// Says goodbye and waits for the peer's goodbye, from a task.
    ///
    /// Cancellation: closes the connection at once.
    /// - Throws: what the synchronous spelling throws.
    public func close(_ code: CloseCode = .normal, reason: String = "") async throws {
        try await parkInTask { try self.reader.close(code, reason) }
    }
}

extension MessageWriter {
    /// Sends a part, from a task.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ part: String) async throws { try await parkInTask { try self.transmit(Array(part.utf8)) } }

    /// Sends a part, from a task. Characters of a text may be cut anywhere.
    ///
    /// - Throws: `WebSocketError.cannotSend` if a text is not UTF-8; `.closed`; `SocketError`; `CancellationError`.
    public func send(_ part: [UInt8]) async throws { try await parkInTask { try self.transmit(part) } }

    func end() async throws { try await parkInTask { try self.finish() } }
}

extension WebSocket: Sequence, AsyncSequence {
    public typealias Element = Message

    /// Receives messages until the socket is closed, however that came about: `closeCode` tells.
    public struct Iterator: IteratorProtocol {
        let socket: WebSocket

        /// The next message, waited for. `nil` at the end, and when the wait was cancelled: then every later wait of the
        /// caller throws, and `checkCancellation()` tells.
        public mutating func next() -> Message? {
            do {
                return try socket.reader.receive()
            } catch {
                return nil
            }
        }
    }

    /// Receives messages in a task.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let socket: WebSocket

        /// The next message, waited for; `nil` when the peer has said goodbye.
        ///
        /// - Throws: what `receive()` throws.
        public mutating func next() async throws -> Message? { try await socket.receive() }
    }

    public func makeIterator() -> Iterator { Iterator(socket: self) }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(socket: self) }
}
