#if Tracing
    import HTTPTypes
    public import SwiftletHTTP
    public import Tracing

    /// Puts a span around each request of a client's, up to the head of the answer, and tells the server of it.
    ///
    /// ```swift
    /// configuration.middlewares = [HTTPClientTracing()]
    /// ```
    ///
    /// The span is a child of `ServiceContext.current`. Attributes are named as OpenTelemetry does; URLs are told without
    /// credentials and query.
    public struct HTTPClientTracing: HTTPClientMiddleware {
        private let tracer: any Tracer

        /// - Parameter tracer: `nil` is the one that `InstrumentationSystem` was given.
        public init(_ tracer: (any Tracer)? = nil) { self.tracer = tracer ?? InstrumentationSystem.tracer }

        public func send(
            _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
        ) throws -> HTTPResponseStream {
            let span = tracer.startAnySpan(
                request.method.rawValue, context: ServiceContext.current ?? .topLevel, ofKind: .client)
            defer { span.end() }
            span.attributes["http.request.method"] = request.method.rawValue
            span.attributes["server.address"] = request.url.host
            span.attributes["server.port"] = request.url.port
            span.attributes["url.path"] = request.url.path
            var request = request
            tracer.inject(span.context, into: &request.headers, using: HTTPFieldsCarrier())
            do {
                let response = try next(request)
                span.conclude(response.status, isFailure: response.status.code >= 400)
                return response
            } catch {
                span.recordError(error)
                span.setStatus(SpanStatus(code: .error, message: "\(error)"))
                throw error
            }
        }
    }
#endif
