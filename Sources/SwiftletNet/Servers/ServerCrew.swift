import SwiftletCoroutines
import SwiftletLoop

/// A server's part on one loop: a fiber that takes work in, and at most so many that do it.
final class ServerCrew: @unchecked Sendable {
    /// What a kind of server takes in, at a socket that it has opened.
    struct Intake {
        let name: String
        let port: Int
        /// Takes work in and hands it to `handle`, until it is cancelled or throws.
        let take: (ServerCrew) throws -> Void
        /// Called when nothing more is taken in.
        var whenStopping: () -> Void = {}
        /// Called when the handlers have ended.
        var whenStopped: () -> Void = {}
    }

    private let intake: Intake
    private let limit: Int?
    // Both made by the taker, on its loop.
    private var pool: FiberPool?
    private var group: FiberGroup?
    private var taker: Fiber<Void>?

    init(_ intake: Intake, limit: Int?) {
        self.intake = intake
        self.limit = limit
    }

    private var handlers: FiberSet? { pool ?? group }

    var count: Int { handlers?.count ?? 0 }

    /// Begins to take work in.
    ///
    /// - Parameter whenFailed: called when that has become impossible.
    func begin(on loop: EventLoop, whenFailed: @escaping @Sendable (any Error) -> Void) {
        taker = loop.spawn(name: intake.name) {
            if let limit = self.limit { self.pool = FiberPool(size: limit) } else { self.group = FiberGroup() }
            do {
                try self.intake.take(self)
            } catch {
                self.intake.whenStopping()
                // Cancelled: the server is being stopped, or its loop closed.
                if !(error is CancellationError) { whenFailed(error) }
            }
        }
    }

    /// Waits until one more handler may run.
    func waitForPlace() throws { try pool?.waitAvailable() }

    /// There is a place: only the taker spawns.
    func handle(_ handler: @escaping () throws -> Void) throws {
        if let pool { try pool.spawn(handler) } else { group?.spawn(handler) }
    }

    /// Ends taking work in. From any thread.
    func beginStopping() { taker?.cancel() }

    /// Waits for the handlers, and kills those that have not ended by the deadline. From any thread.
    func stop(until deadline: Deadline) throws {
        beginStopping()
        do {
            try taker?.join()
            intake.whenStopping()  // a taker that never began has not
            if try handlers?.join(timeout: max(deadline.remaining, .zero)) == false {
                // Those that do not end now keep their fibers; their loop reports them when it is closed.
                try handlers?.kill(timeout: .seconds(1))
            }
        } catch {
            try handlers?.kill(waits: false)
            throw error
        }
        intake.whenStopped()
    }
}
