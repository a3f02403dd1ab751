/// Takes WebSocket frames apart (RFC 6455, 5), without any I/O: bytes in, events out.
///
/// States: header -> payload -> header; across frames: between messages <-> within one (`message`).
package struct FrameDecoder {
    /// What came out of the bytes.
    package enum Event: Sendable, Hashable {
        /// Nothing: more bytes are needed.
        case incomplete
        /// A part of a message was appended to the output.
        case part
        /// A message is complete; its last part was appended to the output.
        case end(WebSocket.Kind)
        case ping([UInt8])
        case pong([UInt8])
        case close(WebSocket.CloseCode, reason: String)
    }

    private struct OpenMessage {
        var kind: WebSocket.Kind
        var isCompressed: Bool
        var length = 0
        var text = UTF8Validator()
    }

    private struct OpenFrame {
        var remaining: Int
        var key: MaskingKey?
        var isFinal: Bool
    }

    private let isServer: Bool
    private let frameLimit: Int
    private let inflater: MessageInflater?
    private var message: OpenMessage?
    private var frame: OpenFrame?
    /// Compressed bytes without their mask.
    private var scratch: [UInt8] = []

    /// What the message is that has been begun; `nil` between messages.
    var openKind: WebSocket.Kind? { message?.kind }

    /// Makes a decoder for one connection.
    ///
    /// - Parameter isServer: what comes is from a client, so masked.
    package init(isServer: Bool, frameLimit: Int?, deflate: PermessageDeflate?) throws(CompressionError) {
        self.isServer = isServer
        self.frameLimit = frameLimit ?? .max
        inflater = try deflate.map { deflate throws(CompressionError) in
            try MessageInflater(deflate, isServer: isServer)
        }
    }

    /// Decodes up to the next event.
    ///
    /// - Parameters:
    ///   - bytes: everything that has not been consumed.
    ///   - output: what a message's payload is appended to.
    ///   - limit: how long the message may become; `nil` for any length.
    /// - Returns: how many bytes were consumed, and what they were.
    /// - Throws: `WebSocketError.violation`. Then the decoder must not be used further.
    package mutating func next(
        in bytes: UnsafeBufferPointer<UInt8>, into output: inout [UInt8], limit: Int?
    ) throws(WebSocketError) -> (consumed: Int, event: Event) {
        if frame != nil { return try takePayload(bytes, 0, into: &output, limit) }
        guard let (header, start) = try FrameHeader.parse(bytes.span) else { return (0, .incomplete) }
        try check(header, limit)
        if header.opcode.isControl {
            // At most 125 bytes: they are waited for in one piece.
            guard bytes.count >= start + header.payloadLength else { return (0, .incomplete) }
            var payload: [UInt8] = []
            append(bytes, start..<(start + header.payloadLength), header.key, to: &payload)
            return (start + header.payloadLength, try control(header.opcode, payload))
        }
        if header.opcode != .continuation {
            message = OpenMessage(
                kind: header.opcode == .text ? .text : .binary, isCompressed: header.isCompressed)
        }
        frame = OpenFrame(remaining: header.payloadLength, key: header.key, isFinal: header.isFinal)
        return try takePayload(bytes, start, into: &output, limit)
    }

    private func check(_ header: FrameHeader, _ limit: Int?) throws(WebSocketError) {
        guard (header.key != nil) == isServer else {
            throw .violation(
                .protocolError, isServer ? "a client's frame is not masked" : "a server's frame is masked")
        }
        guard !header.isCompressed || inflater != nil else {
            throw .violation(.protocolError, "a frame has the bit for compression set, which was not agreed")
        }
        guard !header.opcode.isControl else { return }
        guard (header.opcode == .continuation) == (message != nil) else {
            throw .violation(
                .protocolError,
                message == nil
                    ? "a continuation frame continues nothing" : "a message begins before the one before has ended")
        }
        guard header.payloadLength <= frameLimit else {
            throw .violation(.messageTooLong, "a frame is longer than \(frameLimit) bytes")
        }
        // Told by the header, so that nothing of it is kept.
        let length = message?.length ?? 0
        if let limit, !(message?.isCompressed ?? header.isCompressed), header.payloadLength > limit - length {
            throw Self.tooLong(limit)
        }
    }

    private static func tooLong(_ limit: Int) -> WebSocketError {
        .violation(.messageTooLong, "a message is longer than \(limit) bytes")
    }

    private mutating func takePayload(
        _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, into output: inout [UInt8], _ limit: Int?
    ) throws(WebSocketError) -> (consumed: Int, event: Event) {
        guard var frame, var message else { return (0, .incomplete) }
        let count = min(frame.remaining, bytes.count - start)
        guard count > 0 || frame.remaining == 0 else {
            self.message = message
            return (start, .incomplete)
        }
        let before = output.count
        if message.isCompressed, let inflater {
            scratch.removeAll(keepingCapacity: true)
            append(bytes, start..<(start + count), frame.key, to: &scratch)
            let room = limit.map { $0 - message.length }
            try Self.inflating(limit) { () throws(CompressionError) in
                try inflater.decode(scratch, into: &output, limit: room)
                if frame.isFinal, count == frame.remaining {
                    try inflater.finish(into: &output, limit: room.map { $0 - (output.count - before) })
                }
            }
        } else {
            append(bytes, start..<(start + count), frame.key, to: &output)
        }
        message.length += output.count - before
        if message.kind == .text, !message.text.take(output.span.extracting(droppingFirst: before)) {
            throw .violation(.invalidData, "a text is not UTF-8")
        }
        frame.remaining -= count
        frame.key = frame.key?.advanced(by: count)
        if frame.remaining > 0 {
            (self.frame, self.message) = (frame, message)
            return (start + count, .part)
        }
        self.frame = nil
        guard frame.isFinal else {
            self.message = message
            return (start + count, .part)
        }
        guard message.text.isComplete else { throw .violation(.invalidData, "a text ends within a character") }
        self.message = nil
        return (start + count, .end(message.kind))
    }

    private static func inflating(
        _ limit: Int?, _ body: () throws(CompressionError) -> Void
    ) throws(WebSocketError) {
        do {
            try body()
        } catch .tooLong {
            throw tooLong(limit ?? 0)
        } catch {
            throw .violation(.invalidData, "a compressed message cannot be decoded")
        }
    }

    private func append(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ key: MaskingKey?, to output: inout [UInt8]
    ) {
        let payload = UnsafeBufferPointer(rebasing: bytes[range])
        if let key { key.apply(to: payload, appendingTo: &output) } else { output.append(contentsOf: payload) }
    }

    private func control(_ opcode: Opcode, _ payload: [UInt8]) throws(WebSocketError) -> Event {
        switch opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        default: break
        }
        guard !payload.isEmpty else { return .close(.none, reason: "") }
        guard payload.count >= 2 else { throw .violation(.protocolError, "a close frame has half a code") }
        let code = WebSocket.CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        guard code.isSendable else { throw .violation(.protocolError, "a close frame has the code \(code.rawValue)") }
        guard let reason = String(validating: payload.span.extracting(droppingFirst: 2)) else {
            throw .violation(.invalidData, "a close frame's reason is not UTF-8")
        }
        return .close(code, reason: reason)
    }
}
