public import HTTPTypes

/// A message that breaks the rules of HTTP/1.1, or a limit that it exceeds.
///
/// After one of these the position in the stream is unknown, so the connection must not be used further. A server
/// answers with ``responseStatus`` first.
public struct HTTPParseError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of rule was broken.
    public let code: Code

    /// What was wrong and where, for people. Of the message it quotes no more than a byte and a field name.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The status with which a server answers a request that has this fault.
    public var responseStatus: HTTPResponse.Status {
        switch code {
        case .startLineTooLong: .uriTooLong
        case .fieldLineTooLong, .headTooLong, .tooManyFields: .requestHeaderFieldsTooLarge
        case .bodyTooLong: .contentTooLarge
        case .unsupportedTransferCoding: .notImplemented
        case .unsupportedVersion: .httpVersionNotSupported
        default: .badRequest
        }
    }

    /// The code and the message.
    public var description: String {
        "\(code): \(message)"
    }
}

extension HTTPParseError {
    /// The kinds of faults. More may come, so a `switch` over them needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the kind.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// A line ends with a bare line feed, or chunk data is not followed by a line ending.
        public static let invalidLineEnding = Code("invalidLineEnding")
        /// The request or status line is longer than ``HTTPLimits/startLineLength``.
        public static let startLineTooLong = Code("startLineTooLong")
        /// A field line is longer than ``HTTPLimits/fieldLineLength``.
        public static let fieldLineTooLong = Code("fieldLineTooLong")
        /// A head or a trailer section is longer than its limit.
        public static let headTooLong = Code("headTooLong")
        /// There are more fields than ``HTTPLimits/fieldCount`` or ``HTTPLimits/trailerFieldCount``.
        public static let tooManyFields = Code("tooManyFields")
        /// The request or status line does not have its three parts, or one of them is malformed.
        public static let invalidStartLine = Code("invalidStartLine")
        /// The method is not a token.
        public static let invalidMethod = Code("invalidMethod")
        /// The request target has none of the four forms, or one that does not go with the method.
        public static let invalidTarget = Code("invalidTarget")
        /// The version is not HTTP/1.0 or HTTP/1.1.
        public static let unsupportedVersion = Code("unsupportedVersion")
        /// A field name is not a token directly followed by a colon.
        public static let invalidFieldName = Code("invalidFieldName")
        /// A field value has control characters.
        public static let invalidFieldValue = Code("invalidFieldValue")
        /// A field is continued on a second line.
        public static let foldedFieldLine = Code("foldedFieldLine")
        /// The Host field is missing, repeated or malformed.
        public static let invalidHost = Code("invalidHost")
        /// Content-Length is repeated or is not a plain decimal number.
        public static let invalidContentLength = Code("invalidContentLength")
        /// Fields contradict each other, the method or the version about where the body ends.
        public static let conflictingFraming = Code("conflictingFraming")
        /// Transfer-Encoding is not exactly `chunked`.
        public static let unsupportedTransferCoding = Code("unsupportedTransferCoding")
        /// The body is longer than ``HTTPLimits/bodyLength``, or than any body can be.
        public static let bodyTooLong = Code("bodyTooLong")
        /// A chunk's size or extension is malformed or too long.
        public static let invalidChunk = Code("invalidChunk")
        /// A trailer field that may only stand in a head.
        public static let invalidTrailer = Code("invalidTrailer")
        /// A multipart body has no boundary, or does not end with it.
        public static let invalidMultipart = Code("invalidMultipart")
        /// The stream ended before the message did.
        public static let truncated = Code("truncated")
    }
}

/// A line of a message, for limits and for error messages.
enum LineKind: CustomStringConvertible {
    case requestLine
    case statusLine
    case fieldLine(number: Int)
    case chunkSizeLine
    case trailerLine(number: Int)

    var description: String {
        switch self {
        case .requestLine: "the request line"
        case .statusLine: "the status line"
        case .fieldLine(let number): "field line \(number)"
        case .chunkSizeLine: "a chunk size line"
        case .trailerLine(let number): "trailer line \(number)"
        }
    }

    /// The fault of such a line when it is too long.
    var tooLongCode: HTTPParseError.Code {
        switch self {
        case .requestLine, .statusLine: .startLineTooLong
        case .fieldLine, .trailerLine: .fieldLineTooLong
        case .chunkSizeLine: .invalidChunk
        }
    }
}
