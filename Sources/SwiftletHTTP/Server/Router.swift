import HTTPTypes

/// A handler in either spelling.
enum RequestHandler: Sendable {
    case synchronous(@Sendable (HTTPServerRequest) throws -> HTTPServerResponse)
    case asynchronous(@Sendable (HTTPServerRequest) async throws -> HTTPServerResponse)
}

/// Finds the handler of a method and a path.
///
/// Paths match exactly. A route that ends with a slash is like a directory: without the slash its path is redirected to
/// it, as Flask does; a route without one does not match a path with one.
struct Router: Sendable {
    enum Match {
        case handler(RequestHandler)
        case redirect(to: String)
        /// The path is known, for these methods.
        case wrongMethod(allowed: String)
        case unknown
    }

    private struct Route {
        var handlers: [(method: HTTPRequest.Method, handler: RequestHandler)] = []
    }

    private var routes: [String: Route] = [:]
    var fallback: RequestHandler?

    /// The later of two handlers for the same method and path counts.
    mutating func add(_ path: String, _ methods: [HTTPRequest.Method], _ handler: RequestHandler) {
        precondition(path.utf8.first == UInt8(ascii: "/"), "the route \"\(path)\" does not begin with a slash")
        var route = routes[path] ?? Route()
        for method in methods {
            route.handlers.removeAll { $0.method == method }
            route.handlers.append((method, handler))
        }
        routes[path] = route
    }

    func match(_ method: HTTPRequest.Method, _ path: String) -> Match {
        guard let route = routes[path] else {
            if routes[path + "/"] != nil { return .redirect(to: path + "/") }
            return fallback.map { .handler($0) } ?? .unknown
        }
        for entry in route.handlers where entry.method == method { return .handler(entry.handler) }
        // RFC 9110, 9.3.2: HEAD is GET without the body.
        if method == .head {
            for entry in route.handlers where entry.method == .get { return .handler(entry.handler) }
        }
        var allowed = route.handlers.map(\.method.rawValue)
        if allowed.contains("GET"), !allowed.contains("HEAD") { allowed.append("HEAD") }
        return .wrongMethod(allowed: allowed.joined(separator: ", "))
    }
}
