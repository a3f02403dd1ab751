public import HTTPTypes
public import Swiftlet
import SwiftletLoop

/// A WebSocket (RFC 6455): messages in both directions over one connection.
///
/// ```swift
/// try client.withWebSocket("ws://localhost:8080/chat") { socket in
///     try socket.send("hello")
///     while let message = try socket.receive() { print(message.text ?? "") }
/// }
/// ```
///
/// Pings are answered, and the peer's life is checked (``Configuration/heartbeat``), while somebody waits to receive. So
/// a side that only sends should have a fiber that receives.
///
/// Thread rules: from anywhere; sending and receiving do not wait for each other. Several senders take turns, message by
/// message, and so do several receivers.
///
/// States: open -> closed (the peer's close frame came, or the connection was given up).
public final class WebSocket: @unchecked Sendable {
    /// What the two sides speak on top; `nil` if they did not agree on anything.
    public let subprotocol: String?
    /// The request that opened it; `nil` on the client's side.
    public let request: HTTPServerRequest?
    /// The server's answer to the handshake; empty on the server's side.
    public let responseHeaders: HTTPFields
    /// Messages are compressed (permessage-deflate).
    public let isCompressed: Bool

    let configuration: Configuration
    let writer: FrameWriter
    let reader: FrameReader
    private let stream: any ByteStream
    private let deflater: MessageDeflater?
    private let sending = Lock()

    /// How a handshake ended.
    struct Agreement {
        var isServer: Bool
        var subprotocol: String?
        var deflate: PermessageDeflate?
        var request: HTTPServerRequest?
        var responseHeaders: HTTPFields = [:]
    }

    init(
        _ stream: any ByteStream, _ input: InputBuffer, _ agreement: Agreement, _ configuration: Configuration
    ) throws(CompressionError) {
        self.stream = stream
        self.configuration = configuration
        subprotocol = agreement.subprotocol
        request = agreement.request
        responseHeaders = agreement.responseHeaders
        isCompressed = agreement.deflate != nil
        stream.readTimeout = nil
        stream.writeTimeout = configuration.writeTimeout
        let direction = agreement.isServer ? agreement.deflate?.server : agreement.deflate?.client
        // zlib has no window of 8 bits. To send messages uncompressed is always allowed.
        if let direction, direction.windowBits > 8, let compression = configuration.compression {
            deflater = try MessageDeflater(direction, level: compression.level)
        } else {
            deflater = nil
        }
        let writer = FrameWriter(stream, masks: !agreement.isServer)
        self.writer = writer
        reader = FrameReader(
            stream, input, writer: writer, isServer: agreement.isServer, configuration,
            decoder: try FrameDecoder(
                isServer: agreement.isServer, frameLimit: configuration.frameLimit, deflate: agreement.deflate))
    }

    deinit { stream.close() }

    /// The peer's address.
    public var remoteAddress: SocketAddress { stream.remoteAddress }

    /// What the peer's close frame says, or that there was none; `nil` while the socket is open.
    public var closeCode: CloseCode? {
        switch reader.ending {
        case nil: nil
        case .closed(let code, _)?: code
        case _?: .abnormal
        }
    }

    // MARK: Receiving

    /// Waits for the next message.
    ///
    /// Cancellation: ends the wait; nothing of a message is lost.
    /// - Returns: `nil` when the peer has said goodbye (1000, 1001, or no code).
    /// - Throws: `WebSocketError.closed` when it closed for another reason; `.violation`, `.ended`, `.peerIsSilent`;
    ///   `SocketError`; `CancellationError`.
    public func receive() throws -> Message? { try reader.receive() }

    /// Waits for the next part of a message: what has come of it, of whatever length the whole may be.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Returns: `nil` as with `receive()`.
    /// - Throws: what `receive()` throws.
    public func receivePart() throws -> MessagePart? { try reader.receivePart() }

    // MARK: Sending

    /// Sends a text.
    ///
    /// Cancellation: ends the wait for other senders. Once the message is on its way it closes the connection, since the
    /// peer could not tell where the next message begins.
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ text: String) throws { try transmit(text) }

    /// Sends a binary message.
    ///
    /// Cancellation: as with texts.
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ bytes: [UInt8]) throws { try transmit(bytes) }

    /// Sends a message that was received, or made.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func send(_ message: Message) throws { try transmit(message) }

    func transmit(_ message: Message) throws {
        switch message {
        case .text(let text): try transmit(text)
        case .binary(let bytes): try transmit(bytes)
        }
    }

    func transmit(_ text: String) throws {
        var text = text
        try text.withUTF8 { try send(.text, $0) }
    }

    func transmit(_ bytes: [UInt8]) throws { try bytes.withUnsafeBufferPointer { try send(.binary, $0) } }

    private func send(_ opcode: Opcode, _ payload: UnsafeBufferPointer<UInt8>) throws {
        try sending.withLock {
            guard let deflater, payload.count >= configuration.compression?.minimumLength ?? 0, !payload.isEmpty else {
                return try writer.send(opcode, payload)
            }
            // Once it is compressed, what follows refers to it: so it has to be sent.
            if let ending = writer.ending { throw ending }
            try checkCancellation()
            let compressed = try deflater.encode(payload.span, isLast: true)
            do {
                try compressed.withUnsafeBufferPointer { try writer.send(opcode, $0, isCompressed: true) }
            } catch {
                writer.giveUp(error)
                throw error
            }
        }
    }

    /// Sends a message in parts, each of which can be received before the next is there. Other messages wait until it is
    /// complete.
    ///
    /// ```swift
    /// try socket.sendMessage(.text) { part in
    ///     for line in lines { try part.send(line) }
    /// }
    /// ```
    ///
    /// Cancellation: as with texts. If the body throws, the connection is closed: half a message cannot be taken back.
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`; what the body throws.
    public func sendMessage<Value>(_ kind: Kind, _ body: (MessageWriter) throws -> Value) throws -> Value {
        try sending.withLock { try composed(kind, body) }
    }

    func composed<Value>(_ kind: Kind, _ body: (MessageWriter) throws -> Value) throws -> Value {
        let message = MessageWriter(kind, writer, deflater)
        do {
            let value = try body(message)
            try message.finish()
            return value
        } catch {
            abandon(message, error)
            throw error
        }
    }

    /// Gives the connection up if a message has been begun and cannot be ended.
    func abandon(_ message: MessageWriter, _ error: any Error) {
        if message.hasBegun { writer.giveUp(error) }
    }

    /// The lock that a message in parts is sent under.
    var turn: Lock { sending }

    func makeMessage(_ kind: Kind) -> MessageWriter { MessageWriter(kind, writer, deflater) }

    /// Asks the peer for a sign of life and waits for it. Somebody has to be receiving meanwhile.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: how long the answer took.
    /// - Throws: `WebSocketError.peerIsSilent` after the time; `.closed`; `SocketError`; `CancellationError`.
    @discardableResult
    public func ping(timeout: Duration = .seconds(20)) throws -> Duration { try reader.ping(timeout: timeout) }

    /// Sends a pong that nobody has asked for: a sign of life in one direction.
    ///
    /// - Throws: `WebSocketError.closed`; `SocketError`; `CancellationError`.
    public func pong() throws { try writer.send(.pong, UnsafeBufferPointer(start: nil, count: 0)) }

    // MARK: Closing

    /// Says goodbye and waits for the peer's goodbye, for the configured time at most. Messages that come meanwhile are
    /// dropped, unless somebody is receiving. Closing twice does nothing.
    ///
    /// Cancellation: closes the connection at once.
    /// - Throws: `WebSocketError.cannotSend` for a code or a reason that no close frame may have; `CancellationError`.
    public func close(_ code: CloseCode = .normal, reason: String = "") throws { try reader.close(code, reason) }
}
