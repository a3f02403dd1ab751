import Swiftlet
import SwiftletCoroutines

/// A server's part on one loop: accepts connections and has them served. All but `loop` belongs to that loop.
final class ServerWorker: @unchecked Sendable {
    let loop: EventLoop
    let configuration: HTTPServer.Configuration
    let router: Router
    let date = DateField()
    private let listener: TCPListener
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private(set) var isStopping = false
    private var drained: Waiter<Void>?

    init(loop: EventLoop, listener: TCPListener, router: Router, configuration: HTTPServer.Configuration) {
        self.loop = loop
        self.listener = listener
        self.router = router
        self.configuration = configuration
    }

    /// Accepts until the listener is closed.
    func accept() throws {
        while true {
            let socket: any ByteStream
            do {
                socket = try listener.accept()
            } catch let error as SocketError where error.reason == .closed {
                return
            }
            let connection = ServerConnection(socket, worker: self)
            connections[ObjectIdentifier(connection)] = connection
            connection.fiber = spawn {
                connection.serve()
                self.remove(connection)
            }
        }
    }

    private func remove(_ connection: ServerConnection) {
        connection.fiber = nil
        connections[ObjectIdentifier(connection)] = nil
        if connections.isEmpty { drained?.resume(returning: ()) }
    }

    /// Stops accepting, closes idle connections, waits for the others, and in the end cancels what has not finished.
    func stop(grace: Duration) throws {
        isStopping = true
        listener.close()
        for connection in connections.values { connection.stop() }
        if try isDrained(within: grace) { return }
        for connection in connections.values { connection.fiber?.cancel() }
        // Whoever ignores even that for a second is left behind.
        if try isDrained(within: .seconds(1)) { return }
        Report(.handlerError, "\(connections.count) handlers did not end when their server was stopped").post()
    }

    private func isDrained(within grace: Duration) throws -> Bool {
        if connections.isEmpty { return true }
        let waiter = Waiter<Void>()
        drained = waiter
        return try waiter.wait(until: .after(grace)) != nil
    }
}
