#if Metrics
    public import CoreMetrics
    import HTTPTypes
    public import SwiftletHTTP

    /// Counts and times what a server answers, refusals included.
    ///
    /// ```swift
    /// let metrics = HTTPServerMetrics()
    /// configuration.accessLog = { metrics.record($0) }
    /// ```
    ///
    /// `PREFIX_requests_total`, `PREFIX_response_bytes_total` and `PREFIX_request_duration_seconds`, each by `method` and
    /// `status`. Paths are no dimension: whoever asks would decide how many there are.
    public struct HTTPServerMetrics: Sendable {
        private let metrics: RequestMetrics

        /// - Parameters:
        ///   - prefix: how the names of the metrics begin.
        ///   - factory: what makes them; by default the one that `MetricsSystem` was given.
        public init(prefix: String = "http_server", factory: (any MetricsFactory)? = nil) {
            metrics = RequestMetrics(prefix: prefix, factory: factory)
        }

        /// Records a request that was answered.
        public func record(_ access: HTTPAccess) {
            metrics.record(access.method, access.status.code, access.byteCount, access.duration)
        }
    }
#endif
