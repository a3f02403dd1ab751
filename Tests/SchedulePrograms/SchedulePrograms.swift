import SwiftletCoroutines
import SwiftletLoop

/// A small program on one primitive, whose end says whether the primitive has kept its promises: nobody is forgotten, nothing
/// is lost or given twice, nobody gets in beside the others. To be run in many orders of its turns.
public struct ScheduleProgram: Sendable, CustomStringConvertible {
    public let name: String
    public let body: @Sendable () throws -> Void

    public var description: String { name }

    public static let all = locks + queues + meetings + scopes
}

/// A promise that was not kept.
struct Broken: Error, CustomStringConvertible {
    let description: String
}

func check(_ holds: Bool, _ promise: @autoclosure () -> String) throws {
    if !holds { throw Broken(description: promise()) }
}

/// Runs parts side by side, and cancels some of them: with the order of the turns, the moment is any.
///
/// - Throws: the first error that is no cancellation.
func race(cancelling victims: [Int] = [], _ parts: [() throws -> Void]) throws {
    let fibers = parts.map { part in spawn { try part() } }
    var all: [AnyFiber] = fibers
    if !victims.isEmpty {
        all.append(
            spawn {
                for victim in victims {
                    try yield()
                    fibers[victim].cancel()
                }
            })
    }
    try joinAll(all)
    for fiber in all {
        if let error = fiber.error, !(error is CancellationError) { throw error }
    }
}

/// A region in which only so many may be at a time.
final class Region {
    private let limit: Int
    private var inside = 0
    private(set) var visits = 0

    init(limit: Int) { self.limit = limit }

    func visit() throws {
        inside += 1
        visits += 1
        defer { inside -= 1 }
        try check(inside <= limit, "\(inside) are in a region for \(limit)")
        try yield()
        try check(inside <= limit, "\(inside) are in a region for \(limit)")
    }
}
