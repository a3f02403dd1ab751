import Glibc
import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

typealias Dice = SeededRandom

extension Dice {
    mutating func roll(_ sides: Int) -> Int { Int(next() % UInt64(sides)) }
}

/// A primitive beside a simple model of it. Each operation is done to both.
protocol Subject: SendableMetatype {
    init(_ dice: inout Dice)
    /// Begins a waiting operation in the model, and answers what does it in earnest, on a fiber of its own.
    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String
    /// Does one that never waits.
    mutating func poke(_ dice: inout Dice) throws
    /// After the last step: lets go what fibers hold.
    mutating func finish()
    var model: WaitModel { get set }
    /// What both sides look like from outside.
    var state: (expected: String, actual: String) { get }
}

extension Subject {
    mutating func finish() {}
}

/// Who waits, in order, and how operations must end.
struct WaitModel {
    struct Waiting: Equatable {
        let id: Int
        let isTimed: Bool
        var item = 0
        var side = 0
    }

    var waiting: [Waiting] = []
    var outcomes: [Int: String] = [:]

    mutating func cancel(_ id: Int) {
        guard let place = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: place)
        outcomes[id] = "cancelled"
    }

    mutating func expire() {
        for one in waiting where one.isTimed { outcomes[one.id] = "timed out" }
        waiting.removeAll { $0.isTimed }
    }

    /// Takes the first that waits, on one of several sides.
    mutating func popFirst(side: Int = 0) -> Waiting? {
        waiting.firstIndex { $0.side == side }.map { waiting.remove(at: $0) }
    }
}

/// How many random interleavings each primitive has to go through.
let interleavings = Sanitizer.isAny ? 2_000 : 20_000

/// The seed of this run; that of an earlier one is in the environment.
private let seed: UInt64 = getenv("SWIFTLET_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1...999_999)

/// Does random things to a primitive and its model, and compares them whenever everything has come to rest.
func explore<S: Subject>(_ subject: S.Type, at place: SourceLocation = #_sourceLocation) async throws {
    print("\(S.self): SWIFTLET_SEED=\(seed)")
    try await onLoop(at: place) { () throws -> Void in
        for number in 0..<interleavings {
            var dice = Dice(seed: seed &* 1_000_003 &+ UInt64(number))
            if let difference = try interleave(S.self, &dice) {
                Issue.record("interleaving \(number), SWIFTLET_SEED=\(seed): \(difference)", sourceLocation: place)
                return
            }
        }
    }
}

private func interleave<S: Subject>(_ subject: S.Type, _ dice: inout Dice) throws -> String? {
    var subject = S(&dice)
    var fibers: [Fiber<Void>] = []
    let actual = Box<[Int: String]>([:])
    var journal: [String] = []
    func compare() -> String? {
        let state = subject.state
        if subject.model.outcomes == actual.value, state.expected == state.actual { return nil }
        let expected = subject.model.outcomes.sorted { $0.key < $1.key }
        return """
            after \(journal.joined(separator: ", ")):
              expected \(expected) and \(state.expected)
              got      \(actual.value.sorted { $0.key < $1.key }) and \(state.actual)
            """
    }
    let loop = try EventLoop.current
    try rest()
    var restedAt = loop.statistics.turns
    for _ in 0..<4 + dice.roll(12) {
        // The loop looks at its timers after 64 turns at the latest. They must not fire but when the model knows.
        let mustRest = loop.statistics.turns - restedAt > 30
        switch mustRest ? 7 : dice.roll(8) {
        case 0...3:
            let id = fibers.count
            let isTimed = dice.roll(4) == 0
            let isScoped = dice.roll(4) == 0
            journal.append("begin \(id)\(isTimed ? " timed" : "")")
            let operation = subject.begin(id, isTimed: isTimed, &dice)
            fibers.append(
                spawn {
                    actual.value[id] = outcome {
                        isScoped ? try withCancelScope { _ in try operation() } : try operation()
                    }
                })
            // It runs until it waits or ends; those who were granted something before it run too.
            try yield()
        case 4, 5:
            journal.append("poke")
            try subject.poke(&dice)
        case 6:
            guard let id = fibers.indices.randomElement(using: &dice) else { continue }
            journal.append("cancel \(id)")
            subject.model.cancel(id)
            fibers[id].cancel()
        default:
            journal.append("rest")
            try rest()
            restedAt = loop.statistics.turns
            subject.model.expire()
            if let difference = compare() { return difference }
        }
    }
    for fiber in fibers { fiber.cancel() }
    for id in fibers.indices { subject.model.cancel(id) }
    subject.finish()
    try joinAll(fibers)
    return compare()
}

/// Until nothing is left to do: deadlines that have passed have fired then, since ours comes after them.
private func rest() throws {
    try sleep(until: .now)
    try yield()
    try yield()
}

private func outcome(_ operation: () throws -> String) -> String {
    do {
        return try operation()
    } catch is CancellationError {
        return "cancelled"
    } catch is DeadlineExceeded {
        return "timed out"
    } catch {
        return "\(type(of: error))"
    }
}
