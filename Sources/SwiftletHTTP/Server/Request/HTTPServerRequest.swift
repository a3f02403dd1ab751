public import HTTPTypes
public import Swiftlet
import Synchronization

/// A request as its handler sees it. Its body is read when it is asked for.
///
/// Thread rules: may be passed on between tasks; the body has one reader at a time. Once the request has been answered
/// nothing more can be read of it.
public final class HTTPServerRequest: @unchecked Sendable {
    let head: RequestHead
    /// The path as it came, without the query.
    public let rawPath: String
    /// What stands behind the question mark, as it came; `nil` if there is none.
    public let query: String?
    private let origin: RequestOrigin
    /// What stands in the places of the route's parameters.
    public internal(set) var parameters = HTTPPathParameters.none
    /// `nil` if the request has no body.
    let bodySource: RequestBodySource?
    let bodyLimit: Int?
    private let attributes = Mutex<[HTTPAttributeName: any Sendable]>([:])

    init(
        _ head: consuming RequestHead, bodySource: RequestBodySource?, bodyLimit: Int?, origin: RequestOrigin
    ) {
        let target = head.path
        self.head = head
        self.bodySource = bodySource
        self.bodyLimit = bodyLimit
        self.origin = origin
        if let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) {
            rawPath = String(target[..<mark])
            query = String(target[target.utf8.index(after: mark)...])
        } else {
            rawPath = target
            query = nil
        }
    }

    public var method: HTTPRequest.Method { head.method }

    public var version: HTTPVersion { head.version }

    /// The client, or the proxy that asks for it.
    public var remoteAddress: SocketAddress { origin.remoteAddress }

    /// `https` on a TLS connection, else `http`.
    public var scheme: String { origin.scheme }

    /// The path with the query, as it came.
    public var target: String { head.path }

    /// The path without the query, with escapes resolved.
    public var path: String {
        rawPath.utf8.contains(UInt8(ascii: "%")) ? PercentEncoding.decode(rawPath[...]) : rawPath
    }

    /// The fields, without Host.
    public var headers: HTTPFields { head.headerFields }

    /// The host and port that the client meant; `nil` for HTTP/1.0 clients that do not say.
    public var authority: String? { head.authority }

    /// The whole URL, as far as this server knows it.
    public var url: String { "\(scheme)://\(authority ?? "")\(target)" }

    /// The media type of the body, in small letters and without parameters; `nil` if the client does not say.
    public var contentType: String? { headers[.contentType].map { MediaType($0).essence } }

    /// The cookies that the client sent; of several with one name the first, which has the longest path.
    public var cookies: [String: String] {
        Dictionary(HTTPCookie.pairs(headers[.cookie] ?? "").map { ($0.name, $0.value) }) { first, _ in first }
    }

    /// The length that the client announced; `nil` for chunked bodies, 0 without a body.
    public var contentLength: Int? {
        switch head.framing {
        case .none: 0
        case .length(let length): length
        case .chunked, .untilClose: nil
        }
    }

    /// The parameter as a value of some type.
    ///
    /// - Throws: `HTTPAbort` with 404 when it is not of that form, or the route has none of that name.
    public func parameter<Value: LosslessStringConvertible>(_ name: String, as type: Value.Type = Value.self) throws
        -> Value
    {
        guard let value = parameters[name].flatMap(Value.init) else { throw HTTPAbort(.notFound) }
        return value
    }

    /// What stands in the query, as HTML forms write it.
    public var queryFields: HTTPParameters { HTTPParameters(parsing: query ?? "") }

    /// The first value of a name in the query, as HTML forms write it: `+` is a space and escapes are resolved; `nil` if
    /// the name is not there.
    public func queryValue(_ name: String) -> String? { query == nil ? nil : queryFields[name] }

    /// What middlewares and handlers keep with the request, such as who is logged in. aiohttp's `request[key]`.
    public subscript<Value: Sendable>(key: HTTPAttribute<Value>) -> Value? {
        get { attributes.withLock { $0[key.name] } as? Value }
        set { attributes.withLock { $0[key.name] = newValue } }
    }
}

/// Where the requests of a connection come from.
final class RequestOrigin: Sendable {
    let remoteAddress: SocketAddress
    let scheme: String

    init(remoteAddress: SocketAddress, scheme: String) {
        self.remoteAddress = remoteAddress
        self.scheme = scheme
    }
}

/// Names a value that is kept with a request.
///
/// ```swift
/// extension HTTPAttribute<User> { static let user = HTTPAttribute("user") }
/// request[.user] = try authenticate(request)
/// ```
public struct HTTPAttribute<Value: Sendable>: Sendable {
    let name: HTTPAttributeName

    public init(_ name: String) { self.name = HTTPAttributeName(text: name, type: ObjectIdentifier(Value.self)) }
}

/// A name counts together with its type, so that two libraries may have the same word.
struct HTTPAttributeName: Hashable {
    let text: String
    let type: ObjectIdentifier
}
