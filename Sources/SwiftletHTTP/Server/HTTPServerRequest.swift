public import HTTPTypes
public import Swiftlet

/// A request as its handler sees it, with its whole body.
public struct HTTPServerRequest: Sendable {
    public let method: HTTPRequest.Method
    /// The path without the query, with escapes resolved.
    public let path: String
    /// What stands behind the question mark, as it came; `nil` if there is none.
    public let query: String?
    /// The fields, without Host.
    public let headers: HTTPFields
    /// The host and port that the client meant; `nil` for HTTP/1.0 clients that do not say.
    public let authority: String?
    /// The body, without the chunked coding.
    public let body: [UInt8]
    public let version: HTTPVersion
    /// The client.
    public let remoteAddress: SocketAddress

    /// The body as UTF-8, with invalid bytes replaced.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The first value of a name in the query, as HTML forms write it: `+` is a space and escapes are resolved; `nil` if
    /// the name is not there.
    public func queryValue(_ name: String) -> String? {
        for item in (query ?? "").split(separator: "&") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if Self.decodeForm(parts[0]) == name { return parts.count > 1 ? Self.decodeForm(parts[1]) : "" }
        }
        return nil
    }

    private static func decodeForm(_ text: Substring) -> String {
        let spaced = String(decoding: text.utf8.map { $0 == UInt8(ascii: "+") ? .space : $0 }, as: UTF8.self)
        return PercentEncoding.decode(spaced[...])
    }
}
