import SwiftletCoroutines

/// Tasks whose jobs have run on a loop and have come back: they are suspended at an `await`, or have ended. Noted while somebody
/// inspects the process.
///
/// The runtime tells nobody which. So a task is only its address here and the number that the runtime gave it, which is
/// never looked into without `TaskLayout`: the memory may have gone. Who has ended is swept out when there are many.
///
/// Thread rules: the loop's thread notes, and the inspector's looks.
final class SuspendedTasks: Sendable {
    struct Entry: Sendable {
        let number: UInt32
        /// The latest wait of the thread when it came back: tells since when, see LoopHistory.
        let lastWait: UInt64
    }

    struct Noted {
        let task: UInt
        let number: UInt32
    }

    private struct State {
        var entries: [UInt: Entry] = [:]
        var limit = 1024
    }

    private let state = Locked(State())

    /// A job is about to run; `nil` unless it is a task's.
    func begin(_ job: UnsafeMutableRawPointer) -> Noted? {
        // Safe: a job in the queue is alive.
        guard let number = unsafe TaskLayout.number(of: UnsafeRawBufferPointer(start: job, count: 64)) else {
            return nil
        }
        let task = UInt(bitPattern: job)
        state.withLock { _ = $0.entries.removeValue(forKey: task) }
        return Noted(task: task, number: number)
    }

    /// It has come back.
    func end(_ noted: Noted, _ lastWait: UInt64) {
        let isFull = state.withLock { state in
            state.entries[noted.task] = Entry(number: noted.number, lastWait: lastWait)
            return state.entries.count > state.limit
        }
        if isFull { sweep() }
    }

    var all: [UInt: Entry] { state.withLock { $0.entries } }

    func forgetAll() { state.withLock { $0 = State() } }

    @inline(never)
    private func sweep() {
        let entries = all
        // Not found out before the first look.
        let alive = TaskLayout.found?.alive(entries)
        state.withLock { state in
            if let alive { state.entries = entries.filter { alive.contains($0.key) } }
            state.limit = max(1024, state.entries.count * 2)
        }
    }
}
