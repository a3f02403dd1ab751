/// Calls that wait, first come first served. Those that are answered meanwhile are passed over.
package struct CallQueue {
    private var calls: [PoolCall] = []
    private var head = 0

    package init() {}

    /// How many wait, answered ones included.
    package var count: Int { calls.count - head }

    package var isEmpty: Bool { count == 0 }

    /// Complexity: O(*n*).
    package var hasUnanswered: Bool { calls[head...].contains { !$0.isAnswered } }

    package mutating func append(_ call: PoolCall) { calls.append(call) }

    package mutating func pop() -> PoolCall? {
        while head < calls.count {
            let call = calls[head]
            head += 1
            if head == calls.count {
                calls.removeAll(keepingCapacity: true)
                head = 0
            } else if head > 1024, head * 2 > calls.count {
                calls.removeFirst(head)
                head = 0
            }
            if !call.isAnswered { return call }
        }
        return nil
    }

    /// Puts a call before all others.
    package mutating func putBack(_ call: PoolCall) {
        if head > 0 {
            head -= 1
            calls[head] = call
        } else {
            calls.insert(call, at: 0)
        }
    }
}
