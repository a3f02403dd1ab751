/// A text that is no usable `http` or `https` URL.
public struct HTTPURLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of fault it is.
    public let code: Code

    /// What is wrong and what to do, for people. It never shows a user name or a password.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The code and the message.
    public var description: String {
        "\(code): \(message)"
    }

    /// The kinds of faults. More may come, so a `switch` over them needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the kind.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// There is no scheme.
        public static let missingScheme = Code("missingScheme")
        /// The scheme is neither `http` nor `https`.
        public static let unsupportedScheme = Code("unsupportedScheme")
        /// There is no host.
        public static let missingHost = Code("missingHost")
        /// The host has characters that no host has, or is a malformed IPv6 address.
        public static let invalidHost = Code("invalidHost")
        /// The port is not a number from 1 to 65535.
        public static let invalidPort = Code("invalidPort")
        /// The user name or the password has characters that must be percent-encoded.
        public static let invalidCredentials = Code("invalidCredentials")
    }
}
