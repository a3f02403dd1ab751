public import HTTPTypes
import Swiftlet

/// A request that got no complete answer: what was asked, how far it came, why it ended.
public struct HTTPClientError: Error, Sendable, CustomStringConvertible {
    /// How far a request came.
    public enum Phase: String, Sendable, Hashable {
        /// Checking and writing down the request.
        case request = "making the request"
        /// Waiting until one of the client's connections was free.
        case queue = "waiting for a free connection"
        case resolve = "looking up the host"
        case connect = "connecting"
        case write = "writing the request"
        case readHead = "reading the response's head"
        case readBody = "reading the response's body"
    }

    public let method: HTTPRequest.Method
    public let url: String
    public let phase: Phase
    /// 1, or 2 after a kept connection turned out to have been closed by the server.
    public let attempt: Int
    /// How long the connection had been open; `nil` before there was one.
    public let connectionAge: Duration?
    /// What went wrong.
    public let cause: any Error

    /// The time was up: the request's, or that for connecting or reading.
    public var isTimeout: Bool {
        if let error = cause as? SocketError { return error.reason == .timedOut }
        return cause is DeadlineExceeded
    }

    public var description: String {
        var text = "\(method.rawValue) \(url): \(phase.rawValue) failed: \(cause)"
        var details: [String] = []
        if attempt > 1 { details.append("attempt \(attempt)") }
        if let connectionAge { details.append("on a connection open for \(connectionAge.formatted)") }
        if !details.isEmpty { text += " (\(details.joined(separator: ", ")))" }
        return text
    }
}

/// What a request may fail for before anything is sent.
public enum HTTPRequestFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// The URL's scheme is https.
    case needsTLS
    /// The URL is relative and the client has no base URL.
    case hasNoBaseURL
    /// The client was closed.
    case clientIsClosed

    public var description: String {
        switch self {
        case .needsTLS: "https needs TLS, which is not built in: build with the trait TLS, or use http://"
        case .hasNoBaseURL:
            "a relative URL needs a client with a base URL: set Configuration.baseURL, or begin it with http://"
        case .clientIsClosed: "the client was closed: send requests inside its scope"
        }
    }
}

extension Duration {
    /// Milliseconds up to a second, else seconds with a decimal.
    var formatted: String {
        let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
    }
}
