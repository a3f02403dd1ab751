import SwiftletCoroutines
import SwiftletLoop
import SwiftletPool

/// What the job sets of a pool share: the connection, which is closed with the last of them. On one loop.
///
/// States: open -> closing -> ended. Closing, no set is added.
final class PoolCore: PoolOwner, @unchecked Sendable {
    let loop: EventLoop
    private let configuration: NATSConfiguration
    private let client = Waiter<Client>()
    private var connection: Connection?
    private var engines: [JobSetEngine] = []
    private var isClosing = false
    let ended = Waiter<Void>()

    init(_ configuration: NATSConfiguration) throws {
        try configuration.check()
        self.configuration = configuration
        loop = try EventLoop.carrier ?? EventLoop.sharedLoop()
    }

    func start() {
        loop.spawn(name: "connection of a NATS pool") { [self] in
            do {
                let made = try Client(configuration, name: "swiftlet pool", on: loop)
                connection = made.connection
                try made.makeStreams()
                client.resume(returning: made)
                closeIfDone()
            } catch {
                client.resume(throwing: error)
                closeIfDone()
            }
        }
    }

    /// - Parameter name: `nil` for calls that belong to no named set.
    func makeEngine(named name: String?) -> JobSetEngine {
        let engine = JobSetEngine(configuration, name: name, on: loop)
        let entered = engine.enter { [self] in
            guard !isClosing else { return engine.terminate(PoolError.closed) }
            engines.append(engine)
            engine.whenEnded = { [self] in
                engines.removeAll { $0 === engine }
                closeIfDone()
            }
            engine.start { [client] in try client.wait()! }
        }
        if !entered { engine.terminate(PoolError.closed) }
        return engine
    }

    var isOpen: Bool { !isClosing }

    /// No further calls; those that were made are answered.
    func close() {
        isClosing = true
        for engine in engines { engine.close() }
        closeIfDone()
    }

    func terminate() {
        isClosing = true
        for engine in engines { engine.terminate(PoolError.terminated) }
        closeIfDone()
    }

    private func closeIfDone() {
        guard isClosing, engines.isEmpty else { return }
        guard let connection else {
            // It could not be made, or nobody has waited for it: then it is closed as soon as it is there.
            if !client.isEmpty { ended.resume(returning: ()) }
            return
        }
        connection.onClose { [ended] in ended.resume(returning: ()) }
        connection.close()
    }
}
