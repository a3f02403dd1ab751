import SwiftletCoroutines
import SwiftletLoop

/// How `explore` goes through the orders.
public enum ExplorationStrategy: Sendable, Hashable {
    /// Each order is drawn by a seed of its own.
    case random
    /// All orders that deviate from that of arrival in at most so many turns.
    case systematic(deviations: Int)
}

/// Runs a program in many orders of its turns, each on a simulated loop, until one fails.
///
/// ```swift
/// try explore(schedules: 10_000) {
///     let channel = Channel<Int>()
///     let receiver = spawn { try channel.receive() }
///     try channel.send(1)
///     #expect(try receiver.get() == 1)
/// }
/// ```
///
/// Fibers and tasks that are ready come in any order; calls that were asked for (`callSoon`, timers) keep theirs, which is
/// promised. What may go wrong must be thrown, or be a deadlock or a leak; failed expectations do not count.
///
/// A failing order is made as plain as possible before it is reported. With SWIFTLET_SEED in the environment only the order
/// of that seed is run.
/// - Parameters:
///   - schedules: how many orders to try.
///   - seed: where the numbers begin that draw them; random by default.
///   - strategy: which orders.
///   - body: the program; it must do the same for the same order, and begin anew each time.
/// - Returns: how many were run: less than `schedules` if there are no more.
/// - Throws: `ScheduleFailure`.
@discardableResult
public func explore(
    schedules: Int = 1_000, seed: UInt64? = nil, strategy: ExplorationStrategy = .random,
    _ body: @escaping @Sendable () throws -> Void
) throws -> Int {
    let repeated = seedFromEnvironment
    let first = repeated ?? seed ?? .random(in: 0...UInt64(UInt32.max))
    return try onSimulationThread { loop in
        let exploration = Exploration(loop, body)
        switch strategy {
        case .random: return try exploration.runRandomly(repeated == nil ? schedules : 1, from: first)
        case .systematic(let deviations): return try exploration.runAll(schedules, deviations: deviations)
        }
    }
}

/// The same for async code.
@discardableResult
public func explore(
    schedules: Int = 1_000, seed: UInt64? = nil, strategy: ExplorationStrategy = .random,
    _ body: @escaping @Sendable () async throws -> Void
) async throws -> Int {
    try await parkInTask {
        try explore(schedules: schedules, seed: seed, strategy: strategy) { () throws -> Void in
            try blockOn { try await body() }
        }
    }
}

/// A program failed in one of the orders of its turns.
public struct ScheduleFailure: Error, CustomStringConvertible {
    /// What it threw, in the order below.
    public let error: any Error
    /// The plainest order found in which it fails: `simulate(.chosen(failure.choices)) { … }` repeats it.
    public let choices: ScheduleChoices
    /// The seed of the order that failed first; `nil` in a systematic search.
    public let seed: UInt64?
    /// How many orders had been run.
    public let schedules: Int

    public var description: String {
        let replay = seed.map { "SWIFTLET_SEED=\($0) repeats it. " } ?? ""
        return """
            order \(schedules) of the turns failed: \(error)
            \(replay)The plainest order that fails deviates from that of arrival in \(choices.deviations): \(choices).
            """
    }
}

/// One search. On the thread of its loop.
private final class Exploration {
    private let loop: EventLoop
    private let body: @Sendable () throws -> Void

    init(_ loop: EventLoop, _ body: @escaping @Sendable () throws -> Void) {
        self.loop = loop
        self.body = body
    }

    func runRandomly(_ count: Int, from first: UInt64) throws -> Int {
        for number in 0..<count {
            let seed = first &+ UInt64(number)
            let chooser = TurnOrder.seeded(seed).chooser
            if let error = failure(chooser) { throw simplest(chooser.made, error, seed: seed, schedules: number + 1) }
        }
        return count
    }

    func runAll(_ limit: Int, deviations: Int) throws -> Int {
        var count = 0
        if let found = search(deviations: deviations, upTo: limit, until: nil, count: &count) {
            throw ScheduleFailure(error: found.error, choices: found.choices, seed: nil, schedules: count)
        }
        return count
    }

    /// The first order that fails, of all with at most so many deviations.
    private func search(
        deviations: Int, upTo limit: Int, until end: ContinuousClock.Instant?, count: inout Int
    ) -> (choices: ScheduleChoices, error: any Error)? {
        var next: ScheduleChoices? = ScheduleChoices()
        while let choices = next, count < limit, end.map({ ContinuousClock.now < $0 }) ?? true {
            count += 1
            let chooser = TurnOrder.chosen(choices).chooser
            if let error = failure(chooser) { return (chooser.made, error) }
            next = chooser.made.successor(deviations: deviations)
        }
        return nil
    }

    private func failure(_ chooser: Chooser) -> (any Error)? {
        do {
            try loop.simulate(chooser, body)
            return nil
        } catch {
            return error
        }
    }

    /// Takes deviations back, large parts first, as long as it still fails. Then looks whether one with fewer fails, which
    /// may lie far from this one. For some seconds at most.
    private func simplest(
        _ choices: ScheduleChoices, _ error: any Error, seed: UInt64?, schedules: Int
    ) -> ScheduleFailure {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(3)
        var (best, cause) = (choices, error)
        var size = max(best.deviations, 1)
        while size > 0, best.deviations > 0, clock.now < end {
            var hasShrunk = false
            var begin = 0
            while begin < best.deviations, clock.now < end {
                let chooser = TurnOrder.chosen(best.withoutDeviations(begin..<begin + size)).chooser
                if let error = failure(chooser), chooser.made.deviations < best.deviations {
                    (best, cause, hasShrunk) = (chooser.made, error, true)
                } else {
                    begin += size
                }
            }
            if !hasShrunk || size > best.deviations { size /= 2 }
        }
        var count = 0
        for fewer in 1..<max(best.deviations, 1) {
            guard let found = search(deviations: fewer, upTo: .max, until: end, count: &count) else { continue }
            (best, cause) = found
            break
        }
        return ScheduleFailure(error: cause, choices: best, seed: seed, schedules: schedules)
    }
}

extension ScheduleChoices {
    /// The deviations with these numbers taken back.
    fileprivate func withoutDeviations(_ numbers: Range<Int>) -> ScheduleChoices {
        var deviation = -1
        return ScheduleChoices(
            places.map { place in
                if place != 0 { deviation += 1 }
                return place != 0 && numbers.contains(deviation) ? 0 : place
            })
    }
}
