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
