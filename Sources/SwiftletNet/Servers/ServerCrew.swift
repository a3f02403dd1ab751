import SwiftletCoroutines
import SwiftletLoop

/// The fibers of a server: one that takes work in, and at most so many that do it.
final class ServerCrew: @unchecked Sendable {
    private let name: String
    private let pool: FiberPool?
    private let group: FiberGroup?
    private var taker: Fiber<Void>?
    private var whenStopping: () -> Void = {}
    private var whenStopped: () -> Void = {}
    private let stopped = Waiter<Void>()

    init(name: String, limit: Int?) {
        self.name = name
        pool = limit.map { FiberPool(size: $0) }
        group = limit == nil ? FiberGroup() : nil
    }

    private var handlers: FiberSet { pool ?? group! }

    var count: Int { handlers.count }

    /// Begins.
    ///
    /// - Parameters:
    ///   - take: takes work in and spawns, until it is cancelled or throws.
    ///   - whenStopping: called when nothing more is taken in.
    ///   - whenStopped: called when the handlers have ended.
    func begin(
        _ take: @escaping (ServerCrew) throws -> Void, whenStopping: @escaping () -> Void = {},
        whenStopped: @escaping () -> Void = {}
    ) {
        self.whenStopping = whenStopping
        self.whenStopped = whenStopped
        taker = spawn(name: name) {
            do {
                try take(self)
            } catch is CancellationError {
                // The server is being stopped, or its loop closed.
                whenStopping()
            } catch {
                whenStopping()
                self.stopped.resume(throwing: error)
            }
        }
    }

    /// Waits until one more handler may run.
    func waitForPlace() throws { try pool?.waitAvailable() }

    /// There is a place: only the taker spawns.
    func handle(_ handler: @escaping () throws -> Void) throws {
        if let pool { try pool.spawn(handler) } else { group?.spawn(handler) }
    }

    func waitUntilStopped() throws {
        do {
            _ = try stopped.wait()
        } catch {
            try shielded { try stop(timeout: .zero) }
            throw error
        }
    }

    /// From any thread.
    func stop(timeout: Duration) throws {
        let deadline = Deadline.after(timeout)
        taker?.cancel()
        do {
            try taker?.join()
            whenStopping()
            if try !handlers.join(timeout: deadline.remaining) {
                // Those that do not end now keep their fibers; their loop reports them when it is closed.
                try handlers.kill(timeout: .seconds(1))
            }
        } catch {
            try handlers.kill(waits: false)
            throw error
        }
        whenStopped()
        stopped.resume(returning: ())
    }
}

/// A server was used in a way it cannot be.
public enum ServerError: Error, Sendable, Hashable, CustomStringConvertible {
    case alreadyStarted

    public var description: String { "the server has been started already: make another" }
}
