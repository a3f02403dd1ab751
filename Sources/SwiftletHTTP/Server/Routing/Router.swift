import HTTPTypes

/// Finds the route of a request: what an application and those mounted in it come to when a server starts.
///
/// A route that ends with a slash is like a directory: without the slash its path is redirected to it, as Flask does; a
/// route without one does not match a path with one.
final class Router: Sendable {
    private let tree: RouteTree
    /// The routes without parameters by their whole path: most requests need no more.
    private let literals: [String: RouteEndpoint]
    private let scopes: [Scope]
    /// Of methods that no route has, these are at least known (RFC 9110, 9, and RFC 5789).
    private let knownMethods: Set<String>

    /// An application where it is mounted, for paths that none of its routes has.
    private struct Scope: Sendable {
        let prefix: RoutePattern?
        let applications: [HTTPApplication]
        let fallback: RequestHandler?
        let middlewares: [HTTPMiddleware]

        func route(_ answer: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse) -> CompiledRoute {
            CompiledRoute(
                handler: RequestHandler.synchronous(answer).surrounded(by: middlewares), applications: applications)
        }

        /// How many segments of the path it accounts for; `nil` if it lies elsewhere.
        func depth(_ path: [String]) -> Int? {
            guard let prefix else { return 0 }
            guard path.count >= prefix.segments.count else { return nil }
            for (segment, text) in zip(prefix.segments, path) {
                switch segment {
                case .literal(let literal) where literal != text: return nil
                case .parameter(let kind) where !kind.accepts(text): return nil
                default: break
                }
            }
            return prefix.segments.count
        }
    }

    init(_ application: HTTPApplication) throws(HTTPRouteError) {
        let tree = RouteTree()
        var literals: [String: RouteEndpoint] = [:]
        var scopes: [Scope] = []
        var methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"]
        for part in application.parts(at: "", inside: [], middlewares: []) {
            scopes.append(
                Scope(
                    prefix: part.prefix.isEmpty ? nil : try RoutePattern(part.prefix), applications: part.applications,
                    fallback: part.contents.fallback, middlewares: part.middlewares))
            for route in part.contents.routes {
                let pattern = try RoutePattern(part.prefix + route.path)
                let endpoint = tree.endpoint(of: pattern.segments[...])
                if let path = pattern.literalPath { literals[path] = endpoint }
                let compiled = CompiledRoute(
                    handler: route.handler.surrounded(by: part.middlewares), parameterNames: pattern.names,
                    applications: part.applications)
                for method in route.methods {
                    endpoint.add(method, compiled)
                    methods.insert(method.rawValue)
                }
            }
        }
        self.tree = tree
        self.literals = literals
        self.scopes = scopes
        knownMethods = methods
    }

    /// The route that answers a request, be it only that nothing is there. Sets the request's parameters.
    func route(for request: HTTPServerRequest) -> CompiledRoute {
        if let endpoint = literals[request.rawPath], let route = endpoint.route(of: request.method) { return route }
        return search(for: request)
    }

    private func search(for request: HTTPServerRequest) -> CompiledRoute {
        let path = Self.segments(of: request.rawPath)
        var values: [String] = []
        guard let endpoint = tree.find(path[...], &values) else { return unknown(request, path) }
        if let route = endpoint.route(of: request.method) {
            request.parameters = HTTPPathParameters(names: route.parameterNames, values: values)
            return route
        }
        let scope = scope(of: path)
        let allowed = endpoint.allowed
        if request.method == .options {
            return scope.route { _ in HTTPServerResponse(status: .noContent, headers: [.allow: allowed]) }
        }
        return refusal(of: request, scope)
            ?? scope.route { _ in
                throw HTTPAbort(.methodNotAllowed, headers: [.allow: allowed])
            }
    }

    private func unknown(_ request: HTTPServerRequest, _ path: [String]) -> CompiledRoute {
        let scope = scope(of: path)
        if path.last?.isEmpty == false {
            var values: [String] = []
            if tree.find((path + [""])[...], &values) != nil {
                return scope.route { request in .redirect(to: request.rawPath + "/", query: request.query) }
            }
        }
        if let fallback = scope.fallback {
            return CompiledRoute(
                handler: fallback.surrounded(by: scope.middlewares), applications: scope.applications)
        }
        if request.method == .options, request.rawPath == "*" {
            let allowed = knownMethods.sorted().joined(separator: ", ")
            return scope.route { _ in HTTPServerResponse(status: .noContent, headers: [.allow: allowed]) }
        }
        return refusal(of: request, scope) ?? scope.route { _ in throw HTTPAbort(.notFound) }
    }

    /// RFC 9110, 15.6.2: a method that the server does not know is its own lack, not the client's mistake.
    private func refusal(of request: HTTPServerRequest, _ scope: Scope) -> CompiledRoute? {
        let method = request.method.rawValue
        return knownMethods.contains(method)
            ? nil
            : scope.route { _ in throw HTTPAbort(.notImplemented, "this server does not know the method \(method)") }
    }

    /// The inmost application around a path.
    private func scope(of path: [String]) -> Scope {
        scopes.max { ($0.depth(path) ?? -1) < ($1.depth(path) ?? -1) }!
    }

    /// A path's segments without escapes: split first, so that an escaped slash belongs to its segment.
    private static func segments(of rawPath: String) -> [String] {
        rawPath.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { PercentEncoding.decode($0) }
    }
}
