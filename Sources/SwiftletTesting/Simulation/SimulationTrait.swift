import SwiftletCoroutines
import SwiftletLoop
public import Testing

/// Lets a test run on a simulated loop: see `simulate` and `explore`.
///
/// ```swift
/// @Test(.simulated) func backsOffForAnHour() async throws { try await client.connectWithRetries() }
/// @Test(.explored(schedules: 500)) func nobodyIsForgotten() async throws { … }
/// ```
public struct SimulationTrait: TestTrait, SuiteTrait, TestScoping {
    /// `nil`: once, in the order of arrival.
    let schedules: Int?
    let seed: UInt64?

    public var isRecursive: Bool { true }

    @concurrent
    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        guard let schedules else { return try await simulateHere(Chooser(), function) }
        let repeated = seedFromEnvironment
        let first = repeated ?? seed ?? .random(in: 0...UInt64(UInt32.max))
        for number in 0..<(repeated == nil ? schedules : 1) {
            let seed = first &+ UInt64(number)
            let hasFailed = Locked(false)
            defer {
                if hasFailed.withLock({ $0 }) {
                    Issue.record("order \(number + 1) of the turns failed; SWIFTLET_SEED=\(seed) repeats it")
                }
            }
            // No issue is known: they are recorded as they are, or thrown, and we hear of them.
            try await withKnownIssue(isIntermittent: true) {
                try await simulateHere(TurnOrder.seeded(seed).chooser, function)
            } matching: { _ in
                hasFailed.withLock { $0 = true }
                return false
            }
            if hasFailed.withLock({ $0 }) { return }
        }
    }
}

extension Trait where Self == SimulationTrait {
    /// The test runs once on a simulated loop, in the order of arrival.
    public static var simulated: Self { Self(schedules: nil, seed: nil) }

    /// The test runs on simulated loops in so many orders of its turns, until one fails.
    public static func explored(schedules: Int, seed: UInt64? = nil) -> Self { Self(schedules: schedules, seed: seed) }
}

/// Runs async code of the calling task on a simulated loop: its task-local values, which tell Swift Testing what runs, stay.
private func simulateHere(_ chooser: sending Chooser, _ body: @Sendable @concurrent () async throws -> Void)
    async throws
{
    let started = Waiter<EventLoop>()
    let ended = Waiter<Void>()
    let left = Waiter<Void>()
    nonisolated(unsafe) let chooser = chooser  // handed over
    try startThread(name: "swiftlet-sim") {
        do {
            let loop = try EventLoop.current
            loop.configuration.slowTurnLimit = nil
            loop.beginSimulation(chooser)
            started.resume(returning: loop)
            var deadlock: (any Error)?
            while ended.isEmpty {
                do {
                    _ = try ended.wait(.task)
                } catch {
                    // The test ends with the report of who waited for what. Its task may wait again while it ends.
                    deadlock = deadlock ?? error
                    loop.cancelWaits()
                }
            }
            loop.endSimulation()
            try loop.close()
            if let deadlock { throw deadlock }
            left.resume(returning: ())
        } catch {
            started.resume(throwing: error)
            left.resume(throwing: error)
        }
    }
    let loop = try await started.wait()!
    let failure = await withTaskExecutorPreference(loop.taskExecutor) { @concurrent () -> (any Error)? in
        // Told on the loop itself: on the way back to the caller the task is nowhere for a while, which would be a deadlock.
        defer { ended.resume(returning: ()) }
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }
    _ = try await parkInTask { _ = try left.wait(.waiter, isShielded: true) }
    if let failure { throw failure }
}
