package import SwiftletLoop

/// A pool that ends: whoever makes one closes it, or uses it inside the body of `withProcessPool` or `withNATSPool`.
///
/// States: open -> closed -> ended; to ended from each by `terminate`.
public protocol ClosablePool: JobPool {
    /// How it ends. For the pools of this package.
    var ending: PoolEnding { get }
}

/// How a pool ends. Only the pools of this package make them.
public struct PoolEnding: Sendable {
    let owner: any PoolOwner

    package init(_ owner: any PoolOwner) { self.owner = owner }
}

/// What is under a pool that ends. All of it belongs to one loop.
package protocol PoolOwner: LoopBound {
    /// Neither closed nor terminated.
    var isOpen: Bool { get }
    /// Is decided once nothing is left of the pool. Also when its loop ends.
    var ended: Waiter<Void> { get }

    func close()
    func terminate()
}

extension ClosablePool {
    /// Takes no more calls. Those that were made are answered; then its workers finish, or its connection is closed.
    public func close() {
        let owner = ending.owner
        owner.enter { owner.close() }
    }

    /// Ends it now. Jobs that are not answered get `PoolError.terminated`: worker processes are killed, and what waits in a queue
    /// of NATS is taken out, but for the jobs of named sets.
    public func terminate() {
        let owner = ending.owner
        owner.enter { owner.terminate() }
    }

    /// Waits until all is answered and nothing is left of the pool.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `PoolError.stillOpen` before `close` and `terminate`; `CancellationError`.
    public func join() throws { try waitForEnd() }

    /// Waits until all is answered and nothing is left of the pool, from a task.
    public func join() async throws { try await parkInTask { try self.waitForEnd() } }

    /// Takes no more calls, and waits until all are answered and nothing is left of the pool.
    ///
    /// Cancellation: ends the wait.
    public func drain() throws {
        close()
        try waitForEnd()
    }

    /// Takes no more calls, and waits until all are answered and nothing is left of the pool, from a task.
    public func drain() async throws {
        try await parkInTask {
            self.close()
            try self.waitForEnd()
        }
    }

    private func waitForEnd() throws {
        let owner = ending.owner
        let checked = Waiter<Void>()
        let entered = owner.enter {
            if owner.isOpen { checked.resume(throwing: PoolError.stillOpen) } else { checked.resume(returning: ()) }
        }
        guard entered else { return }  // its loop has ended, and the pool with it
        _ = try checked.wait()
        _ = try owner.ended.wait()
    }

    // MARK: Scopes

    /// Runs the body, and drains the pool. If the body throws, or the end is cancelled, the pool is terminated. Nothing is left
    /// of it afterwards.
    package func use<Value>(_ body: (Self) throws -> Value) throws -> Value {
        do {
            let value = try body(self)
            try drain()
            return value
        } catch {
            terminate()
            try shielded { try waitForEnd() }
            throw error
        }
    }

    /// Runs an async body, and drains the pool.
    package nonisolated(nonsending) func use<Value>(
        _ body: nonisolated(nonsending) (Self) async throws -> Value
    ) async throws -> Value {
        do {
            let value = try await body(self)
            try await drain()
            return value
        } catch {
            terminate()
            try await parkInTask { try shielded { try self.waitForEnd() } }
            throw error
        }
    }
}
