import HTTPTypes
import SwiftletCoroutines

/// Routes, what surrounds them, and what lives as long as they are served. aiohttp's `Application`, Flask's `Flask` and
/// `Blueprint`.
///
/// ```swift
/// let users = HTTPApplication()
/// users.get("/{id:int}") { request in try .json(store.user(request.parameter("id"))) }
///
/// let application = HTTPApplication()
/// application.mount("/users", users)                 // GET /users/7
/// application.use { request, next in                 // around all of them
///     let response = try next(request)
///     return response.adding(.server, "mine")
/// }
/// try HTTPServer(application: application).run()
/// ```
///
/// Routes, middlewares and hooks are added before a server starts; what comes later counts from its next start on.
///
/// Thread rules: may be filled from any thread; handlers and middlewares run on the loops that serve.
public final class HTTPApplication: HTTPRouting, Sendable {
    struct Route: Sendable {
        let path: String
        let methods: [HTTPRequest.Method]
        let name: String?
        let handler: RequestHandler
    }

    /// What makes a response of an error, or passes.
    typealias ErrorHandler = @Sendable (any Error, HTTPServerRequest) throws -> HTTPServerResponse?

    struct Contents: Sendable {
        var routes: [Route] = []
        var mounts: [(prefix: String, application: HTTPApplication)] = []
        var middlewares: [HTTPMiddleware] = []
        var fallback: RequestHandler?
        var errorHandlers: [ErrorHandler] = []
        var errorPages: [Int: @Sendable (HTTPServerRequest, HTTPAbort) throws -> HTTPServerResponse] = [:]
        var startHooks: [Hook] = []
        var stopHooks: [Hook] = []
        var cleanupHooks: [Hook] = []
        var backgroundWork: [(name: String, hook: Hook)] = []
    }

    private let stored = Locked(Contents())

    /// Makes an application without routes.
    public init() {}

    public var application: HTTPApplication { self }

    var contents: Contents { stored.withLock { $0 } }

    func change(_ body: (inout Contents) -> Void) { stored.withLock { body(&$0) } }

    // MARK: Taken together

    /// An application where it is mounted.
    struct Part {
        let prefix: String
        let contents: Contents
        /// Outmost first.
        let middlewares: [HTTPMiddleware]
        /// Inmost first.
        let applications: [HTTPApplication]
    }

    /// This application and those mounted in it, from the outside to the inside.
    func parts(at prefix: String, inside outer: [HTTPApplication], middlewares: [HTTPMiddleware]) -> [Part] {
        let contents = contents
        let around = middlewares + contents.middlewares
        let applications = [self] + outer
        var parts = [Part(prefix: prefix, contents: contents, middlewares: around, applications: applications)]
        // One that is mounted inside of itself would never end.
        for mount in contents.mounts where !applications.contains(where: { $0 === mount.application }) {
            parts += mount.application.parts(at: prefix + mount.prefix, inside: applications, middlewares: around)
        }
        return parts
    }

    /// The path of a named route, for links and redirects. aiohttp's and Flask's `url_for`.
    ///
    /// Routes of mounted applications are found, too, with the paths that they have here.
    /// - Parameters:
    ///   - name: given to `route`.
    ///   - parameters: one for each of the path; what needs it is escaped.
    /// - Throws: `HTTPRouteError` when there is no such route, or a parameter is missing or of another kind.
    public func path(of name: String, _ parameters: [String: String] = [:]) throws -> String {
        for part in parts(at: "", inside: [], middlewares: []) {
            for route in part.contents.routes where route.name == name {
                return try RoutePattern(part.prefix + route.path).path(parameters)
            }
        }
        throw HTTPRouteError(name, "no route has that name")
    }

    /// The answer to an error of a handler, by the handlers and pages of this application; `nil` if it has none for it.
    func response(to error: any Error, of request: HTTPServerRequest) throws -> HTTPServerResponse? {
        let contents = contents
        for handler in contents.errorHandlers {
            if let response = try handler(error, request) { return response }
        }
        guard let abort = error as? HTTPAbort, let page = contents.errorPages[abort.status.code] else { return nil }
        var response = try page(request, abort)
        if response.status == .ok { response.status = abort.status }
        for field in abort.headers where response.headers[field.name] == nil { response.headers.append(field) }
        return response
    }
}
