/// The key by which both sides of a handshake know that the other means WebSocket (RFC 6455, 1.3).
package struct HandshakeKey: Hashable {
    /// Sixteen random bytes in Base64.
    let text: String

    /// A new one, for a client.
    init() {
        var generator = SystemRandomNumberGenerator()
        text = Base64.encode((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// A client's; `nil` if it is none.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 24, bytes.suffix(2).elementsEqual("==".utf8),
            bytes.dropLast(2).allSatisfy({ Base64.alphabet.contains($0) })
        else { return nil }
        self.text = text
    }

    /// What the server answers.
    package var acceptance: String {
        Base64.encode(SHA1.hash(Array((text + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }
}
