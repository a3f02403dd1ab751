import SwiftletCoroutines
import SwiftletLoop

/// Runs a program on a loop of its own whose clock is not the machine's: it stands while anything is left to do, and jumps
/// to the next timer when nothing is. An hour of sleeping takes no time, and each run is like the other.
///
/// ```swift
/// try simulate {
///     let never = Event()
///     try sleep(.seconds(3_600))                        // at once
///     #expect(try !never.wait(timeout: .seconds(60)))   // at once too
///     #expect(simulatedTime == .seconds(3_660))
/// }
/// ```
///
/// The clock is that of the loop's thread: of `sleep`, `Task.sleep`, deadlines, timeouts and timers of what runs there. What
/// is real stays real: sockets, files, work in `toThread`. Work that the program has given to threads (`toThread`,
/// `ThreadPool`, `runInExecutor`) is waited for before the clock jumps, whatever it does, and so is another loop; so it must not itself wait for
/// what the program does later. Descriptors are looked at, and not waited for unless nothing else is left.
///
/// - Parameters:
///   - order: in which order what is ready runs.
///   - body: the program. It runs in a fiber of a thread of its own.
/// - Returns: what the body returns.
/// - Throws: what the body throws; `DeadlockError` at once, when nothing is left that could wake anybody; `LeakedFibers`.
public func simulate<Value: Sendable>(
    _ order: TurnOrder = .arrival, _ body: @escaping @Sendable () throws -> Value
) throws -> Value {
    try onSimulationThread { loop in try loop.simulate(order.chooser, body) }
}

/// Runs async code on a simulated loop. Child tasks, loop tasks and fibers run there too; a plain `Task { }` would not.
///
/// A task may be suspended in executors elsewhere, of which nothing is known here. So a deadlock of a program with tasks is
/// noticed when for a second nothing has come, no other thread of the process has had anything to do, and no job waits for
/// Swift's pool. A thread that sleeps has nothing to do in that sense, unless it is a pool's: in Swift's own pool, and in
/// threads that the program has started, one that will go on by itself looks like one that waits for ever. Code that sleeps
/// in earnest belongs into `toThread`.
/// - Throws: what the body throws; `DeadlockError`; `LeakedFibers`.
public func simulate<Value: Sendable>(
    _ order: TurnOrder = .arrival, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await parkInTask {
        try onSimulationThread { loop in try loop.simulate(order.chooser) { try blockOn { try await body() } } }
    }
}

/// How far the simulated clock has come since the program began; zero outside of a simulation.
public var simulatedTime: Duration { EventLoop.currentIfAny?.simulatedTime ?? .zero }

/// A simulated program has ended, but fibers that it spawned have not.
public struct LeakedFibers: Error, CustomStringConvertible {
    /// The fibers, with the places where they were spawned.
    public let fibers: [String]

    public var description: String {
        """
        the program has ended, and \(fibers.count) of its fibers \(fibers.count == 1 ? "has" : "have") not: \
        \(fibers.joined(separator: ", ")). Join or cancel what is spawned, or use a spawn scope.
        """
    }
}

/// Runs the body with a loop on a thread of its own, and waits for its end.
func onSimulationThread<Value: Sendable>(_ body: @escaping @Sendable (EventLoop) throws -> Value) throws -> Value {
    let done = Waiter<Value>()
    try startThread(name: "swiftlet-sim") {
        do {
            let loop = try EventLoop.current
            loop.configuration.slowTurnLimit = nil
            let result = Result { try body(loop) }
            try loop.close()
            done.resume(returning: try result.get())
        } catch {
            done.resume(throwing: error)
        }
    }
    return try done.wait(.thread)!
}

extension EventLoop {
    /// Runs one program to its end. On the loop's thread.
    func simulate<Value>(_ chooser: Chooser, _ body: @escaping () throws -> Value) throws -> Value {
        beginSimulation(chooser)
        defer { endSimulation() }
        // What is left at the end it cancels, and waits for.
        return try EventLoop.run(takesOver: false) {
            let value = try body()
            try self.checkForLeaks()
            return value
        }
    }

    /// - Throws: `LeakedFibers`, after the others have run as far as they get without the clock.
    private func checkForLeaks() throws {
        try idle()
        let left = programFibers.filter { $0 !== AnyFiber.current }
        if !left.isEmpty { throw LeakedFibers(fibers: left.map { "\($0.name) (spawned at \($0.origin))" }) }
    }
}
