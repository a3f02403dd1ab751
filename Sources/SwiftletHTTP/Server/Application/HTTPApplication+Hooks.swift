import Swiftlet

/// Code that a server runs at some point of its life, in either spelling.
enum Hook: Sendable {
    case synchronous(@Sendable () throws -> Void)
    case asynchronous(@Sendable () async throws -> Void)

    func run() throws {
        switch self {
        case .synchronous(let body): try body()
        case .asynchronous(let body): try blockOn { try await body() }
        }
    }
}

extension HTTPRouting {
    // MARK: A server's life

    /// Runs before the server accepts anybody: open pools, load data. An error keeps the server from starting. aiohttp's
    /// `on_startup`.
    ///
    /// Hooks of mounted applications run, too, after those of the outer one.
    public func onStart(_ body: @escaping @Sendable () throws -> Void) {
        application.change { $0.startHooks.append(.synchronous(body)) }
    }

    /// Runs async code before the server accepts anybody.
    public func onStart(_ body: @escaping @Sendable () async throws -> Void) {
        application.change { $0.startHooks.append(.asynchronous(body)) }
    }

    /// Runs when the server is asked to stop, before it waits for requests under way: tell long ones to end. aiohttp's
    /// `on_shutdown`. An error is reported.
    public func onStop(_ body: @escaping @Sendable () throws -> Void) {
        application.change { $0.stopHooks.append(.synchronous(body)) }
    }

    /// Runs async code when the server is asked to stop.
    public func onStop(_ body: @escaping @Sendable () async throws -> Void) {
        application.change { $0.stopHooks.append(.asynchronous(body)) }
    }

    /// Runs when no request is under way any more: close what `onStart` opened, in the opposite order. aiohttp's
    /// `on_cleanup`. An error is reported.
    public func onCleanup(_ body: @escaping @Sendable () throws -> Void) {
        application.change { $0.cleanupHooks.append(.synchronous(body)) }
    }

    /// Runs async code when no request is under way any more.
    public func onCleanup(_ body: @escaping @Sendable () async throws -> Void) {
        application.change { $0.cleanupHooks.append(.asynchronous(body)) }
    }

    /// Runs beside the server, in a fiber of its first loop: from its start on, until it is cancelled before the cleanup.
    /// An error is reported, and the server goes on.
    public func background(_ name: String, _ body: @escaping @Sendable () throws -> Void) {
        application.change { $0.backgroundWork.append((name, .synchronous(body))) }
    }

    /// Runs async code beside the server, in a task on its first loop.
    public func background(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
        application.change { $0.backgroundWork.append((name, .asynchronous(body))) }
    }
}
