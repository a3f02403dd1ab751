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
        /// Asking a proxy to let the connection through.
        case proxy = "asking the proxy for a tunnel"
        case tls = "securing the connection"
        case write = "writing the request"
        case readHead = "reading the response's head"
        case readBody = "reading the response's body"
        /// Finding out where to go on.
        case redirect = "following a redirect"
    }

    public let method: HTTPRequest.Method
    /// The URL that was being asked, without credentials; after redirects the last one.
    public let url: String
    public let phase: Phase
    /// 1, or 2 after a kept connection turned out to have been closed by the server.
    public let attempt: Int
    /// How long the connection had been open; `nil` before there was one.
    public let connectionAge: Duration?
    /// What went wrong.
    public let cause: any Error

    /// The time was up; `timeout` tells which.
    public var isTimeout: Bool { cause is HTTPTimeoutError }

    /// Which of the client's time limits was reached, if that was the cause.
    public var timeout: HTTPTimeoutError.Limit? { (cause as? HTTPTimeoutError)?.limit }

    /// No connection came about, so the server never saw the request.
    public var isConnectionFailure: Bool {
        switch phase {
        case .resolve, .connect, .proxy, .tls: true
        default: false
        }
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

/// One of a client's time limits was reached.
public struct HTTPTimeoutError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The limits that there are.
    public enum Limit: String, Sendable, Hashable {
        /// The whole request: `timeout`.
        case total = "timeout"
        /// Waiting for a connection of the client's: `queueTimeout`.
        case queue = "queueTimeout"
        /// Looking up and connecting: `connectTimeout`.
        case connect = "connectTimeout"
        /// The server's silence: `readTimeout`.
        case read = "readTimeout"
    }

    public let limit: Limit
    /// How long it was.
    public let duration: Duration?

    public var description: String {
        let time = duration.map { " of \($0.formatted)" } ?? ""
        let advice =
            switch limit {
            case .total: "raise it if the server may take that long, or stream the response"
            case .queue: "too many requests at once for connectionLimit and hostConnectionLimit"
            case .connect: "is the host up, and does a firewall let connections through?"
            case .read: "the server was silent for that long"
            }
        return "the time limit `\(limit.rawValue)`\(time) was reached: \(advice)"
    }
}

/// What a request may fail for besides its connection.
public enum HTTPRequestFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// The URL's scheme is https.
    case needsTLS
    /// The URL is relative and the client has no base URL.
    case hasNoBaseURL
    /// The client was closed.
    case clientIsClosed
    /// `CONNECT` makes a tunnel, and no response that could be returned.
    case isConnect
    /// The server sent the client around for longer than `redirectLimit`.
    case tooManyRedirects(limit: Int)
    /// The body was a stream that has been sent, and the redirect, or the demand for authentication, wants it again.
    case bodyCannotBeRepeated
    /// HTTP/1.0 cannot send a body whose length is not known beforehand.
    case bodyHasNoLength
    /// The request has a Host field; the URL decides about that.
    case hasHostField
    /// A field that the client writes would have control characters, such as line endings.
    case invalidFieldValue(String)
    /// The proxy refused the tunnel.
    case proxyRefused(status: Int)
    /// The body or the head of a response was already given away.
    case responseIsClosed

    public var description: String {
        switch self {
        case .needsTLS: "https needs TLS, which is not built in: use http://, or go through a proxy that adds TLS"
        case .hasNoBaseURL:
            "a relative URL needs a client with a base URL: set Configuration.baseURL, or begin it with http://"
        case .clientIsClosed: "the client was closed: send requests inside its scope"
        case .isConnect: "CONNECT is not for requests: set Configuration.proxies"
        case .tooManyRedirects(let limit): "there were more than \(limit) redirects: does the server go in circles?"
        case .bodyCannotBeRepeated:
            "the body was a stream, which cannot be sent a second time: mark it isRepeatable, or send to the final URL"
        case .bodyHasNoLength:
            "HTTP/1.0 needs the length of a body: give its stream one and do not compress it, or send bytes"
        case .hasHostField: "the URL decides about the Host field: leave it out"
        case .invalidFieldValue(let name):
            "\(name.prefix { $0 != ":" }) would have control characters, such as line endings: check where it comes from"
        case .proxyRefused(let status):
            "the proxy answered \(status)" + (status == 407 ? ": give it credentials in its URL" : "")
        case .responseIsClosed: "the response was released: use it inside the scope of withResponse"
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
