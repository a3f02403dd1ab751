#if Tracing
    import HTTPTypes
    import Swiftlet
    public import SwiftletHTTP
    public import Tracing

    extension HTTPRouting {
        /// Surrounds the handlers of this application with a span each, which goes on the client's trace if there is one.
        ///
        /// The handler finds the span's context in `ServiceContext.current`, in both spellings; so do the client's spans of
        /// `HTTPClientTracing`, and what else it starts. The span ends when the handler returns. Attributes are named as
        /// OpenTelemetry does.
        /// - Parameter tracer: `nil` is the one that `InstrumentationSystem` was given.
        public func useTracing(_ tracer: (any Tracer)? = nil) {
            let tracer = tracer ?? InstrumentationSystem.tracer
            use { (request: HTTPServerRequest, next: HTTPNextHandler) throws -> HTTPServerResponse in
                var context = ServiceContext.topLevel
                tracer.extract(request.headers, into: &context, using: HTTPFieldsCarrier())
                // Paths are data, so they are no part of the name.
                let span = tracer.startAnySpan(request.method.rawValue, context: context, ofKind: .server)
                defer { span.end() }
                span.attributes["http.request.method"] = request.method.rawValue
                span.attributes["url.path"] = request.path
                span.attributes["url.scheme"] = request.scheme
                span.attributes["client.address"] = request.remoteAddress.host
                do {
                    let response = try ServiceContext.withValue(span.context) { try next(request) }
                    span.conclude(response.status, isFailure: response.status.kind == .serverError)
                    return response
                } catch let abort as HTTPAbort {
                    span.conclude(abort.status, isFailure: abort.status.kind == .serverError)
                    throw abort
                } catch {
                    span.recordError(error)
                    span.setStatus(SpanStatus(code: .error, message: "\(error)"))
                    throw error
                }
            }
        }
    }

    extension Span {
        func conclude(_ status: HTTPResponse.Status, isFailure: Bool) {
            attributes["http.response.status_code"] = status.code
            if isFailure { setStatus(SpanStatus(code: .error)) }
        }
    }
#endif
