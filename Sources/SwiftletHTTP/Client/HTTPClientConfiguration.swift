public import HTTPTypes
public import Swiftlet

extension HTTPClient {
    /// How a client behaves.
    public struct Configuration: Sendable {
        /// Where a client keeps cookies.
        public enum Cookies: Sendable {
            /// In a jar of its own, empty at first.
            case own
            /// In a jar that others may use as well, or that was loaded from a file.
            case jar(CookieJar)
            /// It sends and keeps none.
            case none
        }

        // MARK: What requests have in common

        /// What relative URLs are relative to.
        public var baseURL: HTTPURL?
        /// Fields of every request that does not set them itself.
        public var headers: HTTPFields = [:]
        /// The User-Agent field of requests that do not set it.
        public var userAgent = "Swiftlet"
        /// What is not sent unless a request sets it, of User-Agent, Accept, Accept-Encoding and Content-Type, which the client
        /// writes unasked otherwise. aiohttp's `skip_auto_headers`.
        public var omittedHeaders: Set<HTTPField.Name> = []
        /// Who asks, for requests that do not say so themselves. Sent to the origin of the base URL only, if there is one.
        public var authentication: HTTPAuthentication?
        /// Where cookies are kept.
        public var cookies = Cookies.own
        /// What requests are sent in: HTTP/1.1, or HTTP/1.0 for servers that know no better; anything else counts as 1.1. With 1.0
        /// each body needs a length, `expectsContinue` does nothing, and a connection is kept if the server says so. Upgrades,
        /// and tunnels through a proxy, are 1.1 always.
        public var version = HTTPVersion.http11
        /// How many redirects a request follows.
        public var redirectLimit = 10
        /// Asks for compressed bodies, and decodes them.
        public var decodesContent = true
        /// An answer with a status from 400 on throws `HTTPStatusError`.
        public var throwsForStatus = false
        /// What answers may have. Bodies, decoded ones included, end at 100 MiB by default; streamed ones have no limit.
        public var limits: HTTPLimits
        /// What runs around each request, the first one outermost.
        public var middlewares: [any HTTPClientMiddleware] = []
        /// Told about each step of each request. It runs on the request's stack, so it must be quick and must not wait.
        public var trace: (@Sendable (HTTPClientEvent) -> Void)?

        // MARK: Time

        /// How long a whole request may take, queueing and connecting included; `nil` is for ever. While a response is
        /// streamed only `readTimeout` counts, so a long download that goes on is not ended.
        public var timeout: Duration? = .seconds(300)
        /// How long a request may wait for one of the client's connections; `nil` leaves it to `timeout`.
        public var queueTimeout: Duration?
        /// How long looking up the host and connecting may take together, TLS and proxy included.
        public var connectTimeout: Duration? = .seconds(30)
        /// How long the server may be silent while a request is written or its answer is read.
        public var readTimeout: Duration? = .seconds(60)
        /// How long a request that asks first (`Expect: 100-continue`) waits before it sends its body unasked.
        public var continueTimeout = Duration.seconds(1)
        /// How long a connection may wait for another request before it is closed at the client's next use.
        public var idleTimeout = Duration.seconds(15)

        // MARK: Connections

        /// Connections at once, to all hosts together; further requests queue in order.
        public var connectionLimit = 100
        /// Connections at once to one scheme, host and port; `nil` is as many as there may be in all.
        public var hostConnectionLimit: Int?
        /// Sends an idempotent request once more, on a new connection, if the kept one turns out to have been closed.
        public var retriesStaleConnections = true
        /// Which requests go through which proxy.
        public var proxies = HTTPProxies.none
        /// The path of a Unix socket that all connections go to, whatever the URLs' host, which the server is told as ever; with
        /// `@` first it is a name in the kernel's abstract namespace. curl's `--unix-socket` and aiohttp's `UnixConnector`.
        public var unixSocket: String?
        /// Who looks up hosts: how long answers are remembered, and which addresses they have, is its matter.
        public var resolver = Resolver.shared
        /// The address of this machine that connections come from, such as `10.0.0.2`; `nil` leaves it to the kernel. aiohttp's
        /// `local_addr`.
        public var localHost: String?
        /// Makes the connections, given host, port and deadline; `nil` looks up the host and connects by TCP. For streams
        /// of one's own making. TLS comes on top, over https.
        public var connect: (@Sendable (_ host: String, _ port: Int, Deadline?) throws -> any ByteStream)?
        #if TLS
            /// How connections over https are secured. All of the client's share its sessions.
            public var tls = TLSClientConfiguration()
        #endif

        /// What is said about connections is another one's.
        mutating func takeConnections(of other: Configuration) {
            idleTimeout = other.idleTimeout
            connectionLimit = other.connectionLimit
            hostConnectionLimit = other.hostConnectionLimit
            unixSocket = other.unixSocket
            resolver = other.resolver
            localHost = other.localHost
            connect = other.connect
            #if TLS
                tls = other.tls
            #endif
        }

        public init() {
            limits = HTTPLimits()
            limits.bodyLength = 100 << 20
        }
    }
}
