#if Metrics
    public import CoreMetrics
    import HTTPTypes
    public import SwiftletHTTP

    /// Counts and times a client's requests, up to the head of the answer, redirects included.
    ///
    /// ```swift
    /// configuration.middlewares = [HTTPClientMetrics()]
    /// ```
    ///
    /// `PREFIX_requests_total` and `PREFIX_request_duration_seconds`, each by `method` and `status`, which is `error` for
    /// requests that got no answer.
    public struct HTTPClientMetrics: HTTPClientMiddleware {
        private let metrics: RequestMetrics

        /// - Parameters:
        ///   - prefix: how the names of the metrics begin.
        ///   - factory: what makes them; by default the one that `MetricsSystem` was given.
        public init(prefix: String = "http_client", factory: (any MetricsFactory)? = nil) {
            metrics = RequestMetrics(prefix: prefix, factory: factory)
        }

        public func send(
            _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
        ) throws -> HTTPResponseStream {
            let start = ContinuousClock.now
            do {
                let response = try next(request)
                metrics.record(request.method, response.status.code, 0, ContinuousClock.now - start)
                return response
            } catch {
                metrics.record(request.method, nil, 0, ContinuousClock.now - start)
                throw error
            }
        }
    }
#endif
