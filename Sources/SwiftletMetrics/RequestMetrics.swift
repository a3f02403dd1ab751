#if Metrics
    import CoreMetrics
    import HTTPTypes
    import Swiftlet
    import Synchronization

    /// Counters and timers of requests, by method and outcome. Making one costs more than using it, so they are kept.
    final class RequestMetrics: Sendable {
        struct Kind: Hashable {
            var method: String
            /// The status; `error` when there was none.
            var status: String
        }

        private struct Recorders {
            let count: Counter
            let bytes: Counter
            let time: Timer
        }

        private let prefix: String
        private let factory: any MetricsFactory
        private let recorders = Mutex<[Kind: Recorders]>([:])
        /// What strangers make up must not become metrics without end.
        private static let methods: Set<HTTPRequest.Method> = [
            .get, .head, .post, .put, .delete, .connect, .options, .trace, .patch,
        ]

        init(prefix: String, factory: (any MetricsFactory)?) {
            self.prefix = prefix
            self.factory = factory ?? MetricsSystem.factory
        }

        func record(_ method: HTTPRequest.Method?, _ status: Int?, _ byteCount: Int, _ duration: Duration) {
            let name = method.map { Self.methods.contains($0) ? $0.rawValue : "other" } ?? "none"
            let kind = Kind(method: name, status: status.map { "\($0)" } ?? "error")
            let recorders = recorders.withLock { known in
                if let found = known[kind] { return found }
                let made = makeRecorders(kind)
                known[kind] = made
                return made
            }
            recorders.count.increment()
            if byteCount > 0 { recorders.bytes.increment(by: byteCount) }
            let (seconds, attoseconds) = duration.components
            recorders.time.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        }

        private func makeRecorders(_ kind: Kind) -> Recorders {
            let dimensions = [("method", kind.method), ("status", kind.status)]
            return Recorders(
                count: Counter(label: "\(prefix)_requests_total", dimensions: dimensions, factory: factory),
                bytes: Counter(label: "\(prefix)_response_bytes_total", dimensions: dimensions, factory: factory),
                time: Timer(
                    label: "\(prefix)_request_duration_seconds", dimensions: dimensions,
                    preferredDisplayUnit: .seconds, factory: factory))
        }
    }
#endif
