/// A message that cannot be written as HTTP/1, since a peer would read something else than what was meant.
public struct HTTPSerializationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of part was refused.
    public let code: Code

    /// What was wrong and what to do, for people.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The code and the message.
    public var description: String {
        "\(code): \(message)"
    }

    /// The kinds of refused parts. More may come, so a `switch` over them needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the kind.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The path is missing or has characters that may not stand in a request line.
        public static let invalidPath = Code("invalidPath")
        /// The authority is missing or is not of the form `host` or `host:port`.
        public static let invalidAuthority = Code("invalidAuthority")
        /// The scheme is missing or is neither `http` nor `https`.
        public static let invalidScheme = Code("invalidScheme")
        /// The status code does not have three digits.
        public static let invalidStatus = Code("invalidStatus")
    }
}
