/// How a request says who asks.
///
/// It goes to the origin of the request only: a redirect to another one does not take it along.
public enum HTTPAuthentication: Sendable, Hashable {
    /// Name and password in the clear (RFC 7617): over https, or where nobody listens.
    case basic(user: String, password: String)
    /// Proves that the password is known (RFC 7616): MD5, SHA-256 and SHA-512/256, with their session variants.
    case digest(user: String, password: String)
    /// A token (RFC 6750).
    case bearer(String)

    /// The Authorization field's value of basic authentication, as UTF-8.
    static func basicField(user: String, password: String) -> String {
        "Basic " + Base64.encode(Array("\(user):\(password)".utf8))
    }
}

/// RFC 4648, 4.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let value = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for position in 0..<4 {
                text.append(
                    position <= group.count ? alphabet[Int(value >> UInt32(18 - 6 * position)) & 63] : UInt8(ascii: "=")
                )
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
