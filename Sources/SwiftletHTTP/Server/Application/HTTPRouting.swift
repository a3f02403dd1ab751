public import HTTPTypes

/// What routes can be added to: an application, or a server, which adds them to its own.
public protocol HTTPRouting {
    /// Where the routes go.
    var application: HTTPApplication { get }
}

extension HTTPRouting {
    // MARK: Routes

    /// Adds a handler for a path.
    ///
    /// The path is compared segment by segment, with escapes resolved and without the query. `{name}` stands for a
    /// segment, `{name:int}` and `{name:uuid}` for one of that form, `{name:[a-z]+}` for one that a regular expression matches
    /// (without slashes), `{name:path}` for all the rest. What is literal goes before parameters, whatever the order in which
    /// routes are added. A path that ends with a slash is like a directory:
    /// a request without the slash is redirected to it (308).
    ///
    /// A known path with another method is answered by 405 with the Allow field, an unknown path by 404. HEAD is answered
    /// by the handler of GET, without the body; OPTIONS with the Allow field, unless a route has it.
    ///
    /// - Parameters:
    ///   - path: begins with a slash.
    ///   - methods: those that the handler answers. Of two handlers for the same, the later counts.
    ///   - name: for `HTTPApplication.path(of:_:)`.
    ///   - handler: plain synchronous code, in the connection's fiber. An `HTTPAbort` that it throws is the answer; any
    ///     other error is reported and answered by 500. It is cancelled when the client goes away.
    public func route(
        _ path: String, methods: [HTTPRequest.Method] = [.get], name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        add(path, methods, name, .synchronous(handler))
    }

    /// Adds an async handler for a path: it runs in a task on the connection's loop, and is cancelled when the client
    /// goes away.
    public func route(
        _ path: String, methods: [HTTPRequest.Method] = [.get], name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        add(path, methods, name, .asynchronous(handler))
    }

    private func add(_ path: String, _ methods: [HTTPRequest.Method], _ name: String?, _ handler: RequestHandler) {
        application.change {
            $0.routes.append(HTTPApplication.Route(path: path, methods: methods, name: name, handler: handler))
        }
    }

    /// Adds a handler for GET and HEAD.
    public func get(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        route(path, name: name, handler: handler)
    }

    /// Adds an async handler for GET and HEAD.
    public func get(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, name: name, handler: handler)
    }

    /// Adds a handler for POST.
    public func post(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        route(path, methods: [.post], name: name, handler: handler)
    }

    /// Adds an async handler for POST.
    public func post(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, methods: [.post], name: name, handler: handler)
    }

    /// Adds a handler for PUT.
    public func put(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        route(path, methods: [.put], name: name, handler: handler)
    }

    /// Adds an async handler for PUT.
    public func put(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, methods: [.put], name: name, handler: handler)
    }

    /// Adds a handler for PATCH.
    public func patch(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        route(path, methods: [.patch], name: name, handler: handler)
    }

    /// Adds an async handler for PATCH.
    public func patch(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, methods: [.patch], name: name, handler: handler)
    }

    /// Adds a handler for DELETE.
    public func delete(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse
    ) {
        route(path, methods: [.delete], name: name, handler: handler)
    }

    /// Adds an async handler for DELETE.
    public func delete(
        _ path: String, name: String? = nil,
        handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse
    ) {
        route(path, methods: [.delete], name: name, handler: handler)
    }

    /// Sets the handler of all paths that no route has, whatever the method.
    public func fallback(_ handler: @escaping @Sendable (HTTPServerRequest) throws -> HTTPServerResponse) {
        application.change { $0.fallback = .synchronous(handler) }
    }

    /// Sets the async handler of all paths that no route has, whatever the method.
    public func fallback(_ handler: @escaping @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse) {
        application.change { $0.fallback = .asynchronous(handler) }
    }

    /// Puts another application's routes behind a prefix, inside of this one's middlewares. aiohttp's sub-applications,
    /// Flask's blueprints.
    ///
    /// The other one's middlewares, error pages and fallback count for paths with that prefix; where it has no error
    /// page, those of this one count.
    /// - Parameters:
    ///   - prefix: begins with a slash and ends without one; it may have parameters.
    ///   - other: may be mounted in several places.
    public func mount(_ prefix: String, _ other: HTTPApplication) {
        let prefix = prefix.hasSuffix("/") ? String(prefix.dropLast()) : prefix
        application.change { $0.mounts.append((prefix, other)) }
    }

    // MARK: Middlewares

    /// Surrounds all handlers of this application, and of those mounted in it, also where no route is found.
    ///
    /// The first that is added is outmost. Errors of the handler come out of `next`.
    /// - Parameter middleware: plain synchronous code; it answers itself, or calls `next`.
    public func use(
        _ middleware: @escaping @Sendable (HTTPServerRequest, HTTPNextHandler) throws -> HTTPServerResponse
    ) {
        application.change { $0.middlewares.append(.synchronous(middleware)) }
    }

    /// Surrounds all handlers with async code.
    public func use(
        _ middleware: @escaping @Sendable (HTTPServerRequest, HTTPNextHandler) async throws -> HTTPServerResponse
    ) {
        application.change { $0.middlewares.append(.asynchronous(middleware)) }
    }

    // MARK: Errors

    /// Sets the answer to a status that was thrown as `HTTPAbort`, by a handler or by the server itself (404, 405, 413 and
    /// so on). Flask's `errorhandler(404)`.
    ///
    /// - Parameters:
    ///   - status: that of the abort.
    ///   - page: makes the answer; its status is that of the abort unless it sets another.
    public func errorPage(
        _ status: HTTPResponse.Status,
        _ page: @escaping @Sendable (HTTPServerRequest, HTTPAbort) throws -> HTTPServerResponse
    ) {
        application.change { $0.errorPages[status.code] = page }
    }

    /// Sets the answer to errors of a type. Flask's `errorhandler(SomeError)`.
    public func onError<Failure: Error>(
        _ type: Failure.Type, _ handler: @escaping @Sendable (HTTPServerRequest, Failure) throws -> HTTPServerResponse
    ) {
        application.change { contents in
            contents.errorHandlers.append { error, request in
                try (error as? Failure).map { try handler(request, $0) }
            }
        }
    }
}
