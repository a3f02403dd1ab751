extension HTTPClientRequest {
    /// What a request does as its client does, or otherwise.
    ///
    /// ```swift
    /// request.readTimeout = .seconds(5)
    /// request.timeout = .unlimited
    /// request.middlewares = .own([])
    /// ```
    public enum Setting<Value: Sendable>: Sendable {
        /// What the client's configuration says.
        case ofClient
        /// This, whatever the client's configuration says.
        case own(Value)
    }
}

extension HTTPClientRequest.Setting: Equatable where Value: Equatable {}
extension HTTPClientRequest.Setting: Hashable where Value: Hashable {}

extension HTTPClientRequest.Setting<Duration?> {
    /// No limit, whatever the client's configuration says.
    public static var unlimited: Self { .own(nil) }

    /// So many seconds.
    public static func seconds(_ count: some BinaryInteger) -> Self { .own(.seconds(count)) }

    /// So many seconds, as `Duration.seconds` takes them.
    public static func seconds(_ count: Double) -> Self { .own(.seconds(count)) }

    /// So many milliseconds.
    public static func milliseconds(_ count: some BinaryInteger) -> Self { .own(.milliseconds(count)) }
}

/// What a request may do otherwise than its client. Each is `ofClient` at first, as is `timeout`.
extension HTTPClientRequest {
    /// How many redirects it follows.
    public var redirectLimit: Setting<Int> {
        get { values.redirectLimit }
        set { change { $0.redirectLimit = newValue } }
    }

    /// Which proxy it goes through, and so do those that redirects make of it. aiohttp's and requests' `proxy`.
    public var proxies: Setting<HTTPProxies> {
        get { values.proxies }
        set { change { $0.proxies = newValue } }
    }

    /// How long looking up the host and connecting may take together, TLS and proxy included.
    public var connectTimeout: Setting<Duration?> {
        get { values.connectTimeout }
        set { change { $0.connectTimeout = newValue } }
    }

    /// How long the server may be silent while it is written or its answer is read.
    public var readTimeout: Setting<Duration?> {
        get { values.readTimeout }
        set { change { $0.readTimeout = newValue } }
    }

    /// What runs around it instead of the client's middlewares, the first one outermost; none if it is empty.
    public var middlewares: Setting<[any HTTPClientMiddleware]> {
        get { values.middlewares }
        set { change { $0.middlewares = newValue } }
    }

    private var values: Exceptions.Values { exceptions?.values ?? Exceptions.Values() }

    private mutating func change(_ body: (inout Exceptions.Values) -> Void) {
        var values = values
        body(&values)
        exceptions = Exceptions(values)
    }

    /// One object, never changed: few requests have it, and all go through many hands.
    final class Exceptions: Sendable {
        struct Values: Sendable {
            var redirectLimit = Setting<Int>.ofClient
            var proxies = Setting<HTTPProxies>.ofClient
            var connectTimeout = Setting<Duration?>.ofClient
            var readTimeout = Setting<Duration?>.ofClient
            var middlewares = Setting<[any HTTPClientMiddleware]>.ofClient
        }

        let values: Values

        init(_ values: Values) { self.values = values }
    }
}

/// What counts for a request: its own settings, else its client's.
extension HTTPClientRequest {
    func timeout(of client: HTTPClient) -> Duration? { choose(timeout, client.configuration.timeout) }

    func redirectLimit(of client: HTTPClient) -> Int {
        choose(exceptions?.values.redirectLimit, client.configuration.redirectLimit)
    }

    func proxy(of client: HTTPClient) -> HTTPProxy? {
        choose(exceptions?.values.proxies, client.configuration.proxies).proxy(for: url)
    }

    func connectTimeout(of client: HTTPClient) -> Duration? {
        choose(exceptions?.values.connectTimeout, client.configuration.connectTimeout)
    }

    func readTimeout(of client: HTTPClient) -> Duration? {
        choose(exceptions?.values.readTimeout, client.configuration.readTimeout)
    }

    func middlewares(of client: HTTPClient) -> [any HTTPClientMiddleware] {
        choose(exceptions?.values.middlewares, client.configuration.middlewares)
    }

    private func choose<Value>(_ setting: Setting<Value>?, _ clients: @autoclosure () -> Value) -> Value {
        if case .own(let own) = setting { own } else { clients() }
    }
}
