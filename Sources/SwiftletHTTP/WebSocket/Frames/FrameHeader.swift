/// What a frame carries (RFC 6455, 5.2).
enum Opcode: UInt8 {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    var isControl: Bool { rawValue & 0x8 != 0 }
}

/// The bytes in front of a frame's payload (RFC 6455, 5.2).
struct FrameHeader: Hashable {
    /// The most payload that a control frame may have.
    static let controlLimit = 125

    var isFinal: Bool
    /// RSV1: with permessage-deflate the first frame of a compressed message has it (RFC 7692, 6).
    var isCompressed: Bool
    var opcode: Opcode
    /// What the payload is masked with; `nil` if it is not.
    var key: MaskingKey?
    var payloadLength: Int

    init(_ opcode: Opcode, isFinal: Bool = true, isCompressed: Bool = false, key: MaskingKey?, payloadLength: Int) {
        self.opcode = opcode
        self.isFinal = isFinal
        self.isCompressed = isCompressed
        self.key = key
        self.payloadLength = payloadLength
    }

    /// Parses a header, with all that can be said against it without knowing the frames before.
    ///
    /// - Returns: the header and its length; `nil` if it is not all there.
    static func parse(_ bytes: Span<UInt8>) throws(WebSocketError) -> (header: FrameHeader, byteCount: Int)? {
        guard bytes.count >= 2 else { return nil }
        guard bytes[0] & 0x30 == 0 else { throw .violation(.protocolError, "a frame has a reserved bit set") }
        guard let opcode = Opcode(rawValue: bytes[0] & 0x0F) else {
            throw .violation(.protocolError, "a frame has the reserved opcode \(bytes[0] & 0x0F)")
        }
        let isFinal = bytes[0] & 0x80 != 0
        let isCompressed = bytes[0] & 0x40 != 0
        if opcode.isControl {
            guard isFinal else { throw .violation(.protocolError, "a control frame is fragmented") }
            guard bytes[1] & 0x7F <= Self.controlLimit else {
                throw .violation(.protocolError, "a control frame is longer than \(Self.controlLimit) bytes")
            }
        }
        guard !isCompressed || opcode == .text || opcode == .binary else {
            throw .violation(.protocolError, "a frame that does not begin a message has the bit for compression set")
        }

        var index = 2
        var length = UInt64(bytes[1] & 0x7F)
        if length >= 126 {
            let width = length == 126 ? 2 : 8
            guard bytes.count >= index + width else { return nil }
            length = (0..<width).reduce(0) { $0 << 8 | UInt64(bytes[index + $1]) }
            index += width
            guard length >= (width == 2 ? 126 : 0x1_0000) else {
                throw .violation(.protocolError, "a frame's length is written with more bytes than it needs")
            }
            guard length <= UInt64(Int.max) else {
                throw .violation(.protocolError, "a frame's length has its highest bit set")
            }
        }
        var key: MaskingKey?
        if bytes[1] & 0x80 != 0 {
            guard bytes.count >= index + 4 else { return nil }
            key = MaskingKey(bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3])
            index += 4
        }
        let header = FrameHeader(
            opcode, isFinal: isFinal, isCompressed: isCompressed, key: key, payloadLength: Int(length))
        return (header, index)
    }

    /// Appends the header as bytes.
    func write(to bytes: inout [UInt8]) {
        bytes.append((isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue)
        let mask: UInt8 = key == nil ? 0 : 0x80
        switch payloadLength {
        case ..<126: bytes.append(mask | UInt8(payloadLength))
        case ..<0x1_0000:
            bytes.append(mask | 126)
            bytes.append(UInt8(payloadLength >> 8))
            bytes.append(UInt8(payloadLength & 0xFF))
        default:
            bytes.append(mask | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(payloadLength >> shift & 0xFF)) }
        }
        key?.write(to: &bytes)
    }
}
