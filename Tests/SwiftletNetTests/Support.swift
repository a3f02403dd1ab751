import CSwiftlet
import Swiftlet
import Synchronization

/// The two ends of a connection over loopback.
func makePair() throws -> (client: TCPConnection, server: TCPConnection) {
    let listener = try TCPListener()
    defer { listener.close() }
    let client = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
    return (client, try listener.accept())
}

/// What the hook in the system calls does; it looks only at descriptors that were asked for, as tests run side by side.
enum Faults {
    struct Plan {
        /// Errors to answer with, first to last, before calls go through again.
        var errors: [CInt] = []
        /// The most bytes a call may take. For writing only: a short read means that nothing is left.
        var largest = Int.max
        var calls = 0
    }

    private struct Key: Hashable {
        var call: CInt
        var descriptor: CInt
    }

    private static let plans = Mutex<[Key: Plan]>([:])

    static func plan(_ call: swiftlet_socket_call, _ descriptor: CInt, errors: [CInt] = [], largest: Int = .max) {
        let key = Key(call: CInt(call.rawValue), descriptor: descriptor)
        plans.withLock { $0[key] = Plan(errors: errors, largest: largest) }
        swiftlet_socket_set_fault { Faults.answer(Key(call: $0, descriptor: $1), $2) }
    }

    private static func answer(_ key: Key, _ size: Int) -> Int {
        plans.withLock { plans in
            guard var plan = plans[key] else { return size }
            defer { plans[key] = plan }
            plan.calls += 1
            return plan.errors.isEmpty ? min(size, plan.largest) : -Int(plan.errors.removeFirst())
        }
    }

    static func calls(_ call: swiftlet_socket_call, _ descriptor: CInt) -> Int {
        plans.withLock { $0[Key(call: CInt(call.rawValue), descriptor: descriptor)]?.calls ?? 0 }
    }

    static func end(_ call: swiftlet_socket_call, _ descriptor: CInt) {
        plans.withLock { _ = $0.removeValue(forKey: Key(call: CInt(call.rawValue), descriptor: descriptor)) }
    }
}
