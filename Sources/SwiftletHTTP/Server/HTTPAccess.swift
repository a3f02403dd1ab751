public import HTTPTypes
public import Swiftlet

/// A request that was answered, for an access log.
public struct HTTPAccess: Sendable, CustomStringConvertible {
    public let remoteAddress: SocketAddress
    public let method: HTTPRequest.Method
    /// The path with the query, as it came.
    public let target: String
    public let status: HTTPResponse.Status
    /// The length of the body.
    public let byteCount: Int
    /// From the head's last byte to the response's.
    public let duration: Duration

    public var description: String {
        "\(remoteAddress.host) \"\(method.rawValue) \(target)\" \(status.code) \(byteCount) \(duration.formatted)"
    }
}
