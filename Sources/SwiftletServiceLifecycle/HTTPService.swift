#if ServiceLifecycle
    public import ServiceLifecycle
    public import Swiftlet
    public import SwiftletHTTP

    /// A server as a service of a `ServiceGroup`: a graceful shutdown of the group stops it with its grace.
    ///
    /// ```swift
    /// let group = ServiceGroup(
    ///     services: [HTTPService(server)], gracefulShutdownSignals: [.sigterm], logger: logger)
    /// try EventLoop.run { try await group.run() }
    /// ```
    public struct HTTPService: Service {
        private let server: HTTPServer
        private let loops: EventLoopGroup?

        /// - Parameters:
        ///   - server: one that has not been started.
        ///   - loops: loops to serve on; by default the one that the group runs on.
        public init(_ server: HTTPServer, on loops: EventLoopGroup? = nil) {
            self.server = server
            self.loops = loops
        }

        /// Serves until the group shuts down or is cancelled, or accepting becomes impossible.
        ///
        /// Cancellation: stops the server without grace.
        /// - Throws: what `HTTPServer.start` throws; `SocketError`; `CancellationError`.
        public func run() async throws {
            let (server, loops) = (server, loops)
            // Started before anybody can ask it to stop: what has not been started cannot be.
            try await parkInTask { try server.start(on: loops) }
            try await withGracefulShutdownHandler {
                do {
                    try await server.waitUntilStopped()
                } catch {
                    try await Task { try await server.stop(grace: .zero) }.value
                    throw error
                }
            } onGracefulShutdown: {
                Task { try await server.stop() }
            }
        }
    }
#endif
