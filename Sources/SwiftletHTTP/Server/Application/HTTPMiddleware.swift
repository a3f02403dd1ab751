import Swiftlet

/// A handler in either spelling.
enum RequestHandler: Sendable {
    case synchronous(@Sendable (HTTPServerRequest) throws -> HTTPServerResponse)
    case asynchronous(@Sendable (HTTPServerRequest) async throws -> HTTPServerResponse)

    /// The handler with middlewares around it, the first outmost.
    func surrounded(by middlewares: [HTTPMiddleware]) -> RequestHandler {
        middlewares.reversed().reduce(self) { inner, middleware in
            let next = HTTPNextHandler(handler: inner)
            switch middleware {
            case .synchronous(let body): return .synchronous { try body($0, next) }
            case .asynchronous(let body): return .asynchronous { try await body($0, next) }
            }
        }
    }
}

/// What surrounds handlers, in either spelling.
enum HTTPMiddleware: Sendable {
    case synchronous(@Sendable (HTTPServerRequest, HTTPNextHandler) throws -> HTTPServerResponse)
    case asynchronous(@Sendable (HTTPServerRequest, HTTPNextHandler) async throws -> HTTPServerResponse)
}

/// What a middleware surrounds: the next one, or the handler.
public struct HTTPNextHandler: Sendable {
    let handler: RequestHandler

    /// Has the request answered.
    ///
    /// - Throws: what the handler throws, `HTTPAbort` among it.
    public func callAsFunction(_ request: HTTPServerRequest) throws -> HTTPServerResponse {
        switch handler {
        case .synchronous(let handler): try handler(request)
        case .asynchronous(let handler): try blockOn { try await handler(request) }
        }
    }

    /// Has the request answered, from a task.
    ///
    /// - Throws: what the handler throws, `HTTPAbort` among it.
    public func callAsFunction(_ request: HTTPServerRequest) async throws -> HTTPServerResponse {
        switch handler {
        case .synchronous(let handler): try await parkInTask { try handler(request) }
        case .asynchronous(let handler): try await handler(request)
        }
    }
}
