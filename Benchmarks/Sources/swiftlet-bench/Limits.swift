import CRawSwitch
import Swiftlet

/// What the machine and the Swift runtime take for a workload however it is scheduled: the rows marked `(limit)`.
///
/// Each does what this design cannot leave out, and nothing else: no queue, no switch, no bookkeeping.
enum Limit: String {
    /// Storing and loading the floating-point control words, which the ABI asks of whoever leaves a stack.
    case controlWords = "switch"
    /// An object as large as a fiber and the closure of its body, made and freed.
    case fiberObjects = "spawn_join"
    /// A task that runs at once on its maker's stack, and is awaited.
    case tasks = "tasks"
    /// The guard and the first page of a stack each, before the last of them sleeps a second.
    case stacks = "sleepers"
    /// An object as large as a timer's call, its entry in a heap and its handle: all made, then all freed.
    case timerObjects = "timers"
}

func measureLimit(_ limit: Limit, count: Int) throws {
    let clock = ContinuousClock()
    switch limit {
    case .controlWords:
        let elapsed = clock.measure { raw_control_words(count) }
        emit("switch", "control-words", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/switch")
    case .fiberObjects:
        // In a loop, since its watchdog makes a second thread: malloc takes locks from then on.
        let elapsed = try inOneTurn { clock.measure { makePieces(count, live: 1000) } }
        emit("spawn_join", "objects", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/coroutine")
    case .tasks:
        let elapsed = try EventLoop.run {
            try EventLoop.current.configuration.slowTurnLimit = nil
            return await clock.measure { await makeTasks(count, live: 1000) }
        }
        emit("spawn_join", "tasks", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/coroutine")
    case .stacks:
        var isDone = false
        let elapsed = clock.measure { isDone = raw_stacks(count) }
        guard isDone else { throw UsageError(reason: "no memory for \(count) stacks") }
        emit("sleepers", "stacks", count: count, value: 1 + elapsed.seconds, unit: "s wall")
    case .timerObjects:
        let elapsed = try inOneTurn { clock.measure { makeCalls(count) } }
        emit("timers", "objects", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/timer")
    }
}

private func inOneTurn(_ body: @escaping () -> Duration) throws -> Duration {
    try EventLoop.run { () throws -> Duration in
        try EventLoop.current.configuration.slowTurnLimit = nil
        return body()
    }
}

/// As large as a fiber: 120 bytes with the two words that every object has.
private final class Piece {
    var body: () -> Int
    var rest: (Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    init(_ body: @escaping () -> Int) { self.body = body }
}

private func makePieces(_ count: Int, live: Int) {
    var hits = 0
    var pieces: [Piece] = []
    pieces.reserveCapacity(live)
    for _ in 0..<count / live {
        for number in 0..<live { pieces.append(Piece { number }) }
        for piece in pieces where piece.body() >= 0 { hits += 1 }
        pieces.removeAll(keepingCapacity: true)
    }
    precondition(hits == count / live * live)
}

private func makeTasks(_ count: Int, live: Int) async {
    var hits = 0
    var tasks: [Task<Int, Never>] = []
    tasks.reserveCapacity(live)
    for _ in 0..<count / live {
        for number in 0..<live { tasks.append(Task.immediate { number }) }
        for task in tasks where await task.value >= 0 { hits += 1 }
        tasks.removeAll(keepingCapacity: true)
    }
    precondition(hits == count / live * live)
}

/// As large as a call that a loop was asked for: 64 bytes with the two words that every object has.
private final class Call {
    var body: (() -> Void)?
    var rest: (Int, Int, Int, Int) = (0, 0, 0, 0)

    init(_ body: @escaping () -> Void) { self.body = body }
}

private func makeCalls(_ count: Int) {
    var calls: [Call] = []
    var entries: [(UInt64, UInt64, UInt64)] = []
    calls.reserveCapacity(count)
    for number in 0..<count {
        calls.append(Call {})
        entries.append((UInt64(number), UInt64(number), 0))
    }
    for call in calls { call.body = nil }
    calls = []
    precondition(entries.count == count)
}
