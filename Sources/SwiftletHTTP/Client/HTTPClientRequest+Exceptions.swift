/// What a request may do otherwise than its client. Each is `nil` at first, which leaves it to the client's configuration.
extension HTTPClientRequest {
    /// How many redirects it follows.
    public var redirectLimit: Int? {
        get { exceptions?.values.redirectLimit }
        set { change { $0.redirectLimit = newValue } }
    }

    /// Which proxy it goes through, and so do those that redirects make of it. aiohttp's and requests' `proxy`.
    public var proxies: HTTPProxies? {
        get { exceptions?.values.proxies }
        set { change { $0.proxies = newValue } }
    }

    /// How long looking up the host and connecting may take together, TLS and proxy included.
    public var connectTimeout: Duration? {
        get { exceptions?.values.connectTimeout }
        set { change { $0.connectTimeout = newValue } }
    }

    /// How long the server may be silent while it is written or its answer is read.
    public var readTimeout: Duration? {
        get { exceptions?.values.readTimeout }
        set { change { $0.readTimeout = newValue } }
    }

    /// What runs around it instead of the client's middlewares, the first one outermost; none if it is empty.
    public var middlewares: [any HTTPClientMiddleware]? {
        get { exceptions?.values.middlewares }
        set { change { $0.middlewares = newValue } }
    }

    private mutating func change(_ body: (inout Exceptions.Values) -> Void) {
        var values = exceptions?.values ?? Exceptions.Values()
        body(&values)
        exceptions = Exceptions(values)
    }

    /// One object, never changed: few requests have it, and all go through many hands.
    final class Exceptions: Sendable {
        struct Values: Sendable {
            var redirectLimit: Int?
            var proxies: HTTPProxies?
            var connectTimeout: Duration?
            var readTimeout: Duration?
            var middlewares: [any HTTPClientMiddleware]?
        }

        let values: Values

        init(_ values: Values) { self.values = values }
    }
}

/// What counts for a request: its own settings, else its client's.
extension HTTPClientRequest {
    func redirectLimit(of client: HTTPClient) -> Int { redirectLimit ?? client.configuration.redirectLimit }

    func proxy(of client: HTTPClient) -> HTTPProxy? { (proxies ?? client.configuration.proxies).proxy(for: url) }

    func connectTimeout(of client: HTTPClient) -> Duration? { connectTimeout ?? client.configuration.connectTimeout }

    func readTimeout(of client: HTTPClient) -> Duration? { readTimeout ?? client.configuration.readTimeout }

    func middlewares(of client: HTTPClient) -> [any HTTPClientMiddleware] {
        middlewares ?? client.configuration.middlewares
    }
}
