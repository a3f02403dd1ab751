import Glibc
public import HTTPTypes
public import Swiftlet

/// A request that was answered, for an access log. What was refused before it was a whole request has no method, target
/// and version.
public struct HTTPAccess: Sendable, CustomStringConvertible {
    public let remoteAddress: SocketAddress
    public let method: HTTPRequest.Method?
    /// The path with the query, as it came.
    public let target: String?
    public let version: HTTPVersion?
    public let status: HTTPResponse.Status
    /// The length of the body.
    public let byteCount: Int
    /// From the head's last byte to the response's.
    public let duration: Duration

    public var description: String {
        "\(client) \"\(startLine ?? "-")\" \(status.code) \(byteCount) \(duration.formatted)"
    }

    /// A line of the Common Log Format, in which most tools read access logs, with the time of now in UTC.
    public var commonLogLine: String {
        // What is no printable ASCII has been refused by the parser, but a quotation mark may be there.
        let request = startLine.map { line in
            let line = line.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            return version.map { "\(line) \($0)" } ?? line
        }
        return "\(client) - - [\(Self.now)] \"\(request ?? "-")\" \(status.code) \(byteCount)"
    }

    /// Clients of Unix sockets have no address, and a line needs one; nginx writes the same.
    private var client: String { remoteAddress.family == .unix ? "unix:" : remoteAddress.host }

    private var startLine: String? {
        guard let method, let target else { return nil }
        return "\(method.rawValue) \(target)"
    }

    private static var now: String {
        let words = DateField.format(time(nil)).split(separator: " ")  // Mon, 23 Nov 2026 03:48:30 GMT
        return "\(words[1])/\(words[2])/\(words[3]):\(words[4]) +0000"
    }
}
