import SwiftletCoroutines
import SwiftletLoop

/// What servers on fibers have in common: how they are started, run and stopped. Made as a `StreamServer`, a `UnixServer`
/// or a `DatagramServer`.
///
/// States: idle -> serving -> stopped; a server is started once.
///
/// Thread rules: it serves on the loop of the thread that starts it, or on those of the group it was made with; `stop` may
/// be called from any thread.
public class FiberServer: @unchecked Sendable {
    private let configuredPort: Int
    private let limit: Int?
    private let reusePort: Bool
    private let group: EventLoopGroup?
    private let open: (_ port: Int, _ reusePort: Bool) throws -> ServerCrew.Intake
    private let serving = Locked<Serving?>(nil)
    private let stopped = Waiter<Void>()

    private struct Serving {
        var crews: [ServerCrew] = []
        var port: Int
    }

    init(
        port: Int, limit: Int?, reusePort: Bool, group: EventLoopGroup? = nil,
        open: @escaping (_ port: Int, _ reusePort: Bool) throws -> ServerCrew.Intake
    ) {
        configuredPort = port
        self.limit = limit
        self.reusePort = reusePort
        self.group = group
        self.open = open
    }

    /// The port that it serves at; before `start` the one asked for.
    public final var port: Int { serving.withLock { $0?.port } ?? configuredPort }

    /// It has been started.
    public final var isStarted: Bool { serving.withLock { $0?.crews.isEmpty == false } }

    /// How many handlers run at present. On the server's own loop.
    public final var handlerCount: Int { crews.reduce(0) { $0 + $1.count } }

    /// The limit is reached. On the server's own loop.
    public final var isFull: Bool { limit.map { handlerCount >= $0 } ?? false }

    private final var crews: [ServerCrew] { serving.withLock { $0?.crews } ?? [] }

    /// Begins to serve; returns at once.
    ///
    /// - Throws: `SocketError` that names a busy port; `ResolverError`; `ServerError.alreadyStarted`.
    public final func start() throws {
        let loops = try group?.loops ?? [EventLoop.current]
        try serving.withLock { serving in
            guard serving == nil else { throw ServerError.alreadyStarted }
            serving = Serving(port: configuredPort)
        }
        var intakes: [ServerCrew.Intake] = []
        do {
            for _ in loops {
                intakes.append(try open(intakes.last?.port ?? configuredPort, reusePort || loops.count > 1))
            }
        } catch {
            for intake in intakes {
                intake.whenStopping()
                intake.whenStopped()
            }
            serving.withLock { $0 = nil }
            throw error
        }
        // Rounded up: rather one too many than none.
        let share = limit.map { ($0 + loops.count - 1) / loops.count }
        let crews = intakes.map { ServerCrew($0, limit: share) }
        serving.withLock { $0 = Serving(crews: crews, port: intakes[0].port) }
        for (crew, loop) in zip(crews, loops) {
            crew.begin(on: loop) { [stopped] in stopped.resume(throwing: $0) }
        }
    }

    /// Serves until `stop`. gevent's `serve_forever`.
    ///
    /// Cancellation: stops the server at once.
    /// - Throws: what `start` throws; `SocketError` when accepting or receiving becomes impossible; `CancellationError`.
    public final func run() throws {
        if !isStarted { try start() }
        do {
            _ = try stopped.wait()
        } catch {
            try shielded { try stop(timeout: .zero) }
            throw error
        }
    }

    /// Takes nothing more in and waits for the handlers; those that have not ended in time are killed.
    ///
    /// Cancellation: kills the handlers at once.
    /// - Parameter timeout: how long handlers may go on.
    /// - Throws: `CancellationError`.
    public final func stop(timeout: Duration = .seconds(1)) throws {
        let deadline = Deadline.after(timeout)
        for crew in crews { crew.beginStopping() }
        for crew in crews { try crew.stop(until: deadline) }
        stopped.resume(returning: ())
    }

    /// Takes nothing more in and waits for the handlers, from a task; those that have not ended in time are killed.
    ///
    /// Cancellation: kills the handlers at once.
    public final func stop(timeout: Duration = .seconds(1)) async throws {
        try await parkInTask { try self.stop(timeout: timeout) }
    }
}

/// A server was used in a way it cannot be.
public enum ServerError: Error, Sendable, Hashable, CustomStringConvertible {
    case alreadyStarted

    public var description: String { "the server has been started already: make another" }
}
