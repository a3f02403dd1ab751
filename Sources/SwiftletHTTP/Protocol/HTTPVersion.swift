/// The protocol version of a message, as its start line names it.
public struct HTTPVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The major version: a change here breaks the message format.
    public let major: Int

    /// The minor version: what the sender is able to understand.
    public let minor: Int

    /// Makes a version of its two numbers.
    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// HTTP/1.0, where a connection ends with its response unless both sides ask otherwise.
    public static let http10 = HTTPVersion(major: 1, minor: 0)

    /// HTTP/1.1, with persistent connections and chunked bodies.
    public static let http11 = HTTPVersion(major: 1, minor: 1)

    /// Whether one version is older than the other.
    public static func < (left: HTTPVersion, right: HTTPVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    /// The version as a start line spells it, for example `HTTP/1.1`.
    public var description: String {
        "HTTP/\(major).\(minor)"
    }
}

extension HTTPVersion {
    /// Reads the `HTTP-version` of a start line: `HTTP/`, a digit, a point, a digit (RFC 9112, 2.3).
    ///
    /// The two versions of this protocol family are told from all others by `unsupportedVersion`, which asks the peer
    /// to come back with another one, while anything that is no version at all is a malformed start line.
    init(parsing bytes: Span<UInt8>, in line: LineKind) throws(HTTPParseError) {
        if bytes.equals("HTTP/1.1") {
            self = .http11
            return
        }
        guard bytes.count == 8, bytes.starts(with: "HTTP/"), bytes[5].isDigit, bytes[6] == .point, bytes[7].isDigit
        else {
            throw HTTPParseError(.invalidStartLine, "\(line) has no version of the form HTTP/1.1")
        }
        self.init(major: Int(bytes[5] - .zero), minor: Int(bytes[7] - .zero))
        guard self == .http11 || self == .http10 else {
            throw HTTPParseError(.unsupportedVersion, "\(line) asks for \(self); only HTTP/1.0 and HTTP/1.1 are spoken")
        }
    }
}
