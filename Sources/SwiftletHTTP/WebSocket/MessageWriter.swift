/// Sends the parts of one message. Handed out by `WebSocket.sendMessage(_:_:)`; used by one stack at a time.
public final class MessageWriter: @unchecked Sendable {
    private let kind: WebSocket.Kind
    private let writer: FrameWriter
    private let deflater: MessageDeflater?
    private var text = UTF8Validator()
    private(set) var hasBegun = false
    private var hasEnded = false

    init(_ kind: WebSocket.Kind, _ writer: FrameWriter, _ deflater: MessageDeflater?) {
        self.kind = kind
        self.writer = writer
        self.deflater = deflater
    }

    /// Sends a part.
    ///
    /// Cancellation: closes the connection.
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ part: String) throws {
        var part = part
        try part.withUTF8 { try send($0, isFinal: false) }
    }

    /// Sends a part. Characters of a text may be cut anywhere.
    ///
    /// Cancellation: closes the connection.
    /// - Throws: `WebSocketError.cannotSend` if a text is not UTF-8; `.closed`; `SocketError`; `CancellationError`.
    public func send(_ part: [UInt8]) throws { try transmit(part) }

    func transmit(_ part: [UInt8]) throws { try part.withUnsafeBufferPointer { try send($0, isFinal: false) } }

    func finish() throws {
        guard text.isComplete else { throw WebSocketError.cannotSend("the text ends within a character") }
        try send(UnsafeBufferPointer(start: nil, count: 0), isFinal: true)
        hasEnded = true
    }

    private func send(_ part: UnsafeBufferPointer<UInt8>, isFinal: Bool) throws {
        guard !hasEnded else { throw WebSocketError.cannotSend("it has ended: send its parts within sendMessage") }
        guard isFinal || !part.isEmpty else { return }
        if kind == .text, !text.take(part.span) { throw WebSocketError.cannotSend("the text is not UTF-8") }
        let opcode: Opcode = hasBegun ? .continuation : kind == .text ? .text : .binary
        guard let deflater, hasBegun || !part.isEmpty else {
            hasBegun = true
            return try writer.send(opcode, part, isFinal: isFinal)
        }
        let isFirst = !hasBegun
        hasBegun = true
        let compressed = try deflater.encode(part.span, isLast: isFinal)
        try compressed.withUnsafeBufferPointer {
            try writer.send(opcode, $0, isFinal: isFinal, isCompressed: isFirst)
        }
    }
}

extension WebSocket {
    /// A part of a message, as much as has come.
    public struct MessagePart: Sendable, Hashable {
        public var kind: Kind
        /// Of a text the UTF-8, in which a character may be cut.
        public var bytes: [UInt8]
        /// The message ends with it.
        public var isLast: Bool
    }
}
