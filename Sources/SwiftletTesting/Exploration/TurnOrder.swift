import SwiftletLoop

/// In which order a simulated loop runs what is ready.
public enum TurnOrder: Sendable, Hashable {
    /// First come, first served: as a loop does by itself.
    case arrival
    /// Drawn by a number: the same for the same number.
    case seeded(UInt64)
    /// As noted in an earlier run; in the order of arrival after that.
    case chosen(ScheduleChoices)

    var chooser: Chooser {
        switch self {
        case .arrival: Chooser()
        case .seeded(let seed): Chooser(random: SeededRandom(seed: seed))
        case .chosen(let choices): Chooser(given: choices.places)
        }
    }
}

/// Which of those that could run next did, choice by choice: what tells one order of a program's turns from another.
///
/// 0 is the first in the queue. Where only one could run there was no choice.
public struct ScheduleChoices: Sendable, Hashable, CustomStringConvertible {
    public private(set) var places: [Int]
    /// How many there were to choose from each time.
    private(set) var counts: [Int] = []

    public init(_ places: [Int] = []) { self.places = places }

    mutating func append(_ place: Int, of count: Int) {
        places.append(place)
        counts.append(count)
    }

    /// How often another one ran than the first in the queue.
    public var deviations: Int { places.count { $0 != 0 } }

    /// The next one in the order of search among those with at most so many deviations; `nil` after the last.
    func successor(deviations limit: Int) -> ScheduleChoices? {
        for last in places.indices.reversed() where places[last] + 1 < counts[last] {
            let next = ScheduleChoices(Array(places[..<last]) + [places[last] + 1])
            if next.deviations <= limit { return next }
        }
        return nil
    }

    public var description: String {
        let named = places.enumerated().filter { $0.element != 0 }.map { choice, place in
            "at choice \(choice + 1) number \(place + 1)\(choice < counts.count ? " of \(counts[choice])" : "")"
        }
        return named.isEmpty ? "the order of arrival" : named.joined(separator: ", ")
    }
}

/// Chooses in one run, and keeps what was chosen. Only the simulated loop's thread uses it.
final class Chooser: LoopSimulation {
    private let given: [Int]
    private var random: SeededRandom?
    private(set) var made = ScheduleChoices()
    /// Not of the seed: a failing order that is made plainer must draw the same.
    private var drawn = SeededRandom(seed: 0)

    init(given: [Int] = [], random: SeededRandom? = nil) {
        self.given = given
        self.random = random
    }

    func choose(among count: Int) -> Int {
        let choice = made.places.count
        let place = choice < given.count ? min(given[choice], count - 1) : random?.next(below: count) ?? 0
        made.append(place, of: count)
        return place
    }

    func randomNumber() -> UInt64 { drawn.next() }
}
