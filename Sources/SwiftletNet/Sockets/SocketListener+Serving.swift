import SwiftletCoroutines
import SwiftletLoop

extension SocketListener {
    /// Runs the handler for each connection, in a fiber of its own, until the listener is closed. The connection is
    /// closed when its handler ends. An error of the handler is reported, unless the peer just went away.
    ///
    /// Cancellation: ends the wait for further connections; fibers that were started go on.
    /// - Parameters:
    ///   - limit: the most connections at a time; at the limit nobody is accepted, and clients wait in the kernel's queue.
    ///   - handler: plain synchronous code.
    /// - Throws: `SocketError`; `CancellationError`.
    public func serve(limit: Int? = nil, _ handler: @escaping (Connection) throws -> Void) throws {
        // On a plain thread the loop must be there before the first wait, or that one would block it.
        _ = try EventLoop.current
        try acceptEach(limit: limit) { connection, leave in
            spawn {
                defer { leave() }
                conclude(connection) { try handler(connection) }
            }
        }
    }

    /// Runs the handler for each connection, in a task of its own on the calling loop, until the listener is closed.
    ///
    /// Cancellation: ends the wait for further connections; tasks that were started go on.
    /// - Throws: `SocketError`; `CancellationError`.
    public func serve(
        limit: Int? = nil, _ handler: @escaping @Sendable (Connection) async throws -> Void
    ) async throws {
        try await parkInTask {
            let loop = try EventLoop.current
            try self.acceptEach(limit: limit) { connection, leave in
                loop.makeTask {
                    defer { leave() }
                    do {
                        try await handler(connection)
                        connection.close()
                    } catch {
                        conclude(connection) { throw error }
                    }
                }
            }
        }
    }

    private func acceptEach(limit: Int?, _ body: (Connection, @escaping @Sendable () -> Void) -> Void) throws {
        let places = limit.map { Semaphore(max($0, 0)) }
        do {
            while true {
                try places?.acquire()
                body(try accept()) { places?.release() }
            }
        } catch let error as SocketError where error.reason == .closed {
            return
        }
    }
}

/// Ends a connection with its handler, whose error is reported unless it tells of nothing wrong.
func conclude(_ connection: StreamSocket, _ handler: () throws -> Void) {
    defer { connection.close() }
    do {
        try handler()
    } catch  where error is CancellationError || error is GreenletExit {
        // The server is being stopped.
    } catch let error as SocketError where error.isDisconnection {
        // Peers come and go.
    } catch {
        Report(.handlerError, "the handler of the connection from \(connection.remoteAddress) threw \(error)").post()
    }
}
