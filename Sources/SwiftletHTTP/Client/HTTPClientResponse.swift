public import HTTPTypes

/// An answer, read to its end.
public struct HTTPClientResponse: Sendable, Hashable, CustomStringConvertible {
    /// The status; `status.code` is the number.
    public let status: HTTPResponse.Status
    public let headers: HTTPFields
    /// The body, without the chunked coding.
    public let bytes: [UInt8]
    /// The URL that was asked for.
    public let url: HTTPURL

    /// The body as text: ISO 8859-1 if `Content-Type` says so, else UTF-8 with invalid bytes replaced.
    public var text: String {
        let charset = headers[.contentType].map { Self.charset(of: $0) }
        if charset == "iso-8859-1" || charset == "latin1" {
            return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The status is one of 200 to 299.
    public var isSuccessful: Bool { status.kind == .successful }

    public var description: String { "<Response [\(status.code)]>" }

    private static func charset(of contentType: String) -> String {
        for parameter in contentType.split(separator: ";").dropFirst() {
            let parts = parameter.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased().filter({ $0 != " " }) == "charset" {
                return parts[1].lowercased().filter { $0 != " " && $0 != "\"" }
            }
        }
        return ""
    }
}
