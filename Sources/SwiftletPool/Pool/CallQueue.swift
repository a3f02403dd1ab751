import SwiftletLoop

/// Calls that wait, first come first served. Those that are answered meanwhile are passed over.
package struct CallQueue {
    private var calls = RingBuffer<PoolCall>()

    package init() {}

    /// How many wait, answered ones included.
    package var count: Int { calls.count }

    package var isEmpty: Bool { count == 0 }

    /// Complexity: O(*n*).
    package var hasUnanswered: Bool { (0..<calls.count).contains { !calls[$0].isAnswered } }

    package mutating func append(_ call: PoolCall) { calls.append(call) }

    package mutating func pop() -> PoolCall? {
        while let call = calls.popFirst() {
            if !call.isAnswered { return call }
        }
        return nil
    }

    /// Puts a call before all others.
    package mutating func putBack(_ call: PoolCall) { calls.prepend(call) }
}
