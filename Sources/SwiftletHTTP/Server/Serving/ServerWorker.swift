import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import SwiftletNet

/// A server's part on one loop: its connections and what they share. All but `loop` belongs to that loop.
final class ServerWorker: @unchecked Sendable {
    let loop: EventLoop
    let configuration: HTTPServer.Configuration
    let router: Router
    let date = DateField()
    let contentType = ContentTypeField()
    let scheme: String
    /// One for each request that may be handled at the same time.
    let places: Semaphore?
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var background: [ObjectIdentifier: AnyFiber] = [:]
    private(set) var isStopping = false
    /// Wakes who waits until a connection has ended.
    private var ended: Waiter<Void>?
    @exclusivity(unchecked) private var scratch: [UInt8] = []
    @exclusivity(unchecked) private var restingTasks: [HandlerTask] = []
    private static let restingTaskLimit = 64
    /// Counts up while there are connections, so that they know since when they are idle without asking the clock.
    private(set) var tick = 0
    private var isTicking = false
    private static let ticksPerIdleTimeout = 8

    init(loop: EventLoop, router: Router, configuration: HTTPServer.Configuration, scheme: String = "http") {
        self.loop = loop
        self.router = router
        self.configuration = configuration
        self.scheme = scheme
        places = configuration.requestLimit.map { Semaphore($0) }
        scratch.reserveCapacity(1024)
    }

    // MARK: Connections

    /// Accepts until the listener is closed.
    func accept(from listener: any StreamListener) throws {
        defer { endRestingTasks() }
        while true {
            if let limit = configuration.connectionLimit {
                while connections.count >= limit, !isStopping { _ = try waitForEnd(until: nil) }
            }
            do {
                serve(try listener.acceptStream())
            } catch let error as SocketError where error.reason == .closed {
                return
            }
        }
    }

    /// Serves a connection, in a fiber of its own.
    func serve(_ stream: any ByteStream) {
        let connection = ServerConnection(stream, worker: self)
        connections[ObjectIdentifier(connection)] = connection
        if !isTicking { beginTicking() }
        connection.fiber = spawn {
            connection.serve()
            self.remove(connection)
        }
    }

    private func remove(_ connection: ServerConnection) {
        connection.fiber = nil
        connections[ObjectIdentifier(connection)] = nil
        ended.take()?.resume(returning: ())
    }

    /// Ends connections that have been idle for too long, as long as there are any.
    private func beginTicking() {
        isTicking = true
        let interval = max(configuration.idleTimeout / Self.ticksPerIdleTimeout, .milliseconds(1))
        spawnBackground(name: "http-server-idle") {
            defer { self.isTicking = false }
            while !self.connections.isEmpty {
                try sleep(interval)
                self.tick += 1
                for (number, connection) in self.connections.values.enumerated() {
                    if number % 64 == 63 { try yield() }
                    guard let since = connection.idleSince else { continue }
                    // One more than the timeout has: the first of them had begun before the connection was idle.
                    if self.tick - since > Self.ticksPerIdleTimeout {
                        connection.stream.close()
                    } else if self.tick - since == 1 {
                        connection.settle()
                    }
                }
            }
        }
    }

    private func waitForEnd(until deadline: Deadline?) throws -> Bool {
        let waiter = ended ?? Waiter<Void>()
        ended = waiter
        return try waiter.wait(until: deadline) != nil
    }

    // MARK: What connections share

    /// Memory to put a response's bytes together. Between taking and giving others may take: they get fresh memory.
    func takeScratch() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &scratch)
        return taken
    }

    func giveScratch(_ bytes: inout [UInt8]) {
        // A large answer is rare, and would stay for ever.
        guard bytes.capacity <= 64 * 1024 else { return }
        bytes.removeAll(keepingCapacity: true)
        swap(&bytes, &scratch)
    }

    /// A task to run an async handler in. The one that has rested for the shortest time is still in the processor's caches.
    func takeHandlerTask() -> HandlerTask { restingTasks.popLast() ?? HandlerTask(on: loop) }

    func giveHandlerTask(_ task: HandlerTask) {
        guard task.isReusable, !isStopping, restingTasks.count < Self.restingTaskLimit else { return task.end() }
        restingTasks.append(task)
    }

    private func endRestingTasks() {
        for task in restingTasks { task.end() }
        restingTasks = []
    }

    /// Does something later, unless the server has stopped by then.
    func schedule(after delay: Duration, _ body: @escaping () -> Void) {
        spawnBackground(name: nil, after: delay) { body() }
    }

    /// Runs beside the connections, until it ends or is cancelled with the server.
    func spawnBackground(name: String?, after delay: Duration? = nil, _ body: @escaping () throws -> Void) {
        var fiber: AnyFiber?
        fiber = spawn(name: name, after: delay) {
            defer { if let fiber { self.background[ObjectIdentifier(fiber)] = nil } }
            try body()
        }
        if let fiber { background[ObjectIdentifier(fiber)] = fiber }
    }

    // MARK: The end

    /// Closes idle connections, waits for the others, and in the end cancels what has not finished.
    ///
    /// - Returns: what still ran when the grace was over.
    func stop(until deadline: Deadline) throws -> [String] {
        isStopping = true
        endRestingTasks()
        for connection in connections.values { connection.stop() }
        ended.take()?.resume(returning: ())
        if try isDrained(until: deadline) { return [] }
        let names = connections.values.compactMap(\.activity).sorted()
        for connection in connections.values {
            connection.fiber?.cancel()
            connection.stream.close()
        }
        // Whoever ignores even that for a second is left behind.
        if try isDrained(until: .after(.seconds(1))) { return names }
        Report(
            .handlerError,
            "\(connections.count) handlers did not end when their server was stopped and cancelled them: "
                + connections.values.compactMap(\.activity).sorted().joined(separator: ", ")
        ).post()
        return names
    }

    private func isDrained(until deadline: Deadline) throws -> Bool {
        while !connections.isEmpty {
            if try !waitForEnd(until: deadline) { return false }
        }
        return true
    }

    func stopBackground() throws {
        let fibers = Array(background.values)
        for fiber in fibers { fiber.cancel() }
        for fiber in fibers where try !fiber.join(timeout: .seconds(1)) {
            Report(.handlerError, "\(fiber) went on when its server was stopped and cancelled it").post()
        }
    }
}

extension ServerConnection {
    /// What goes on, for people.
    fileprivate var activity: String? {
        request.map { "\($0.method.rawValue) \($0.path) from \(stream.peerName)" }
    }
}
