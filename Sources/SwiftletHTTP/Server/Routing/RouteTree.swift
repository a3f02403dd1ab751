import HTTPTypes

/// All routes of a server by the segments of their paths. Built once, then read by all loops.
final class RouteTree: @unchecked Sendable {
    private var literals: [String: RouteTree] = [:]
    /// In the order of `RoutePattern.Kind.rank`.
    private var parameters: [(kind: RoutePattern.Kind, tree: RouteTree)] = []
    private(set) var endpoint: RouteEndpoint?

    /// The endpoint of a pattern, made if need be.
    func endpoint(of segments: ArraySlice<RoutePattern.Segment>) -> RouteEndpoint {
        guard let first = segments.first else {
            let found = endpoint ?? RouteEndpoint()
            endpoint = found
            return found
        }
        return subtree(of: first).endpoint(of: segments.dropFirst())
    }

    private func subtree(of segment: RoutePattern.Segment) -> RouteTree {
        switch segment {
        case .literal(let text):
            let tree = literals[text] ?? RouteTree()
            literals[text] = tree
            return tree
        case .parameter(let kind):
            if let found = parameters.first(where: { $0.kind == kind }) { return found.tree }
            let tree = RouteTree()
            // Of several expressions the one that was added first is tried first.
            let place = parameters.firstIndex { $0.kind.rank > kind.rank } ?? parameters.endIndex
            parameters.insert((kind, tree), at: place)
            return tree
        }
    }

    /// Finds the endpoint of a path: what is literal goes before parameters, and those before the rest of a path.
    ///
    /// - Parameter values: of the parameters, in the order of the path.
    func find(_ segments: ArraySlice<String>, _ values: inout [String]) -> RouteEndpoint? {
        guard let first = segments.first else { return endpoint }
        if let found = literals[first]?.find(segments.dropFirst(), &values) { return found }
        for (kind, tree) in parameters where kind == .path || kind.accepts(first) {
            let count = values.count
            values.append(kind == .path ? segments.joined(separator: "/") : first)
            if let found = tree.find(kind == .path ? [] : segments.dropFirst(), &values) { return found }
            values.removeLast(values.count - count)
        }
        return nil
    }
}

/// What one path answers: a handler a method.
final class RouteEndpoint: @unchecked Sendable {
    // Only read once requests come.
    @exclusivity(unchecked) private var routes: [(method: HTTPRequest.Method, route: CompiledRoute)] = []

    /// The later of two routes for the same method counts.
    func add(_ method: HTTPRequest.Method, _ route: CompiledRoute) {
        routes.removeAll { $0.method == method }
        routes.append((method, route))
    }

    func route(of method: HTTPRequest.Method) -> CompiledRoute? {
        for entry in routes where entry.method == method { return entry.route }
        // RFC 9110, 9.3.2: HEAD is GET without the body.
        return method == .head ? route(of: .get) : nil
    }

    /// Some route of it: its application speaks for the path.
    var any: CompiledRoute? { routes.first?.route }

    /// The value of an Allow field.
    var allowed: String {
        var names = routes.map(\.method.rawValue)
        if names.contains("GET"), !names.contains("HEAD") { names.append("HEAD") }
        if !names.contains("OPTIONS") { names.append("OPTIONS") }
        return names.joined(separator: ", ")
    }
}

/// A route with everything that surrounds it.
final class CompiledRoute: Sendable {
    /// The handler inside of all middlewares.
    let handler: RequestHandler
    let parameterNames: [String]
    /// The applications that it belongs to, inmost first: whose error pages count.
    let applications: [HTTPApplication]

    init(handler: RequestHandler, parameterNames: [String] = [], applications: [HTTPApplication]) {
        self.handler = handler
        self.parameterNames = parameterNames
        self.applications = applications
    }
}
