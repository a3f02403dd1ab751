import Glibc
import Swiftlet
import SwiftletInspect
import TestSupport
import Testing

/// A client of this very process's inspector.
func connectToSelf() throws -> InspectionClient {
    let number = InspectionSocket.connect(to: try Inspector.start())
    try #require(number >= 0, "cannot connect: \(-number)")
    return InspectionClient(owning: number)
}

extension Snapshot {
    /// The one coroutine of a name: tests run side by side, so each uses names of its own.
    func coroutine(named name: String) throws -> Coroutine {
        let found = coroutines.filter { $0.name == name }
        #expect(found.count == 1, "\(found.count) are named \(name)")
        return try #require(found.first)
    }

    /// The functions of its backtrace.
    func functions(of coroutine: Coroutine) throws -> [String] {
        try stacks[#require(coroutine.stack)].map { symbols[$0] ?? "?" }
    }
}

/// Looks from another thread, as the command does: the look may take the time of a debug build.
func look(stacks: Bool = true) throws -> Snapshot { try toThread { try connectToSelf().look(stacks: stacks) } }
