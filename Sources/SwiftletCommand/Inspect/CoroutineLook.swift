import SwiftletInspect

/// The look at one coroutine: what is known of it, and its backtrace. It stays when the coroutine has ended.
struct CoroutineLook {
    private(set) var reference: CoroutineReference
    private(set) var hasEnded = false
    /// A look at all of them comes without backtraces, so the first one is asked for.
    private(set) var hasBacktrace = false
    private var snapshot: Snapshot
    private var coroutine: Snapshot.Coroutine
    private var first = 0

    init(at coroutine: Snapshot.Coroutine, in snapshot: Snapshot) {
        (self.coroutine, self.snapshot) = (coroutine, snapshot)
        reference = snapshot.reference(coroutine)
    }

    /// - Parameter snapshot: one with backtraces.
    mutating func update(from snapshot: Snapshot) {
        guard !hasEnded else { return }
        guard let place = snapshot.place(of: reference, in: snapshot.coroutines) else {
            hasEnded = true
            return
        }
        coroutine = snapshot.coroutines[place]
        reference = snapshot.reference(coroutine)
        self.snapshot = snapshot
        hasBacktrace = true
    }

    mutating func scroll(by lines: Int) { first += lines }

    /// As many as there are rows.
    mutating func lines(columns: Int, rows: Int, isPaused: Bool) -> [String] {
        let keys = "[esc] back [?] keys"
        let told = "\(isPaused ? "PAUSED  " : "")\(hasEnded ? "HAS ENDED, last seen as  " : "")\(title)"
        let head = Wording.cut(told, to: columns - 3 - keys.count) + "   " + keys
        var all: [String] = []
        for (label, fact) in facts {
            for (index, line) in Wording.wrapped(fact, to: columns - 11).enumerated() {
                all.append(Wording.padded(index == 0 ? label : "", to: 11) + line)
            }
        }
        all.append("")
        for line in backtrace { all += Wording.wrapped(line, to: columns - 4).map { "    \($0)" } }
        let room = max(1, rows - 2)
        first = max(0, min(first, all.count - room))
        return [head, ""] + all.dropFirst(first).prefix(room)
    }

    private var title: String {
        let label = snapshot.label(coroutine)
        let name = Wording.printable(coroutine.name)
        return label == "-" ? "\(coroutine.kind) \(name)" : "\(coroutine.kind) \(label): \(name)"
    }

    private var facts: [(label: String, fact: String)] {
        let wait = Wording.printable(coroutine.wait)
        let parent = coroutine.parent.flatMap { parent in snapshot.coroutines.first { $0.identity == parent } }
        let stack =
            !hasBacktrace || coroutine.stackSize == 0
            ? "-"
            : """
            \(Wording.grouped(coroutine.stackUsed)) bytes in use, \(coroutine.stackTouched >> 10) of \
            \(coroutine.stackSize >> 10) KB touched
            """
        return [
            (
                "state",
                coroutine.state + (wait.isEmpty ? "" : coroutine.state == "waiting" ? " for \(wait)" : " at \(wait)")
            ),
            ("waits", Wording.age(coroutine.waitAge, isOlder: coroutine.waitIsOlder)),
            ("age", Wording.age(coroutine.age, isOlder: coroutine.isOlder)),
            ("deadline", coroutine.deadline.map { $0 > 0 ? "in \(Wording.time($0))" : "now" } ?? "none"),
            ("spawned at", Wording.printable(coroutine.origin ?? "-")),
            ("parent", parent.map { Wording.printable($0.what) } ?? "-"),
            ("scope", Wording.printable(coroutine.scope ?? "-")),
            ("ran", Wording.runTime(coroutine)),
            ("processor", coroutine.processorShare.map { Wording.percent($0) } ?? "-"),
            ("stack", stack),
        ]
    }

    private var backtrace: [String] {
        guard hasBacktrace else {
            return [hasEnded ? "it ended before its backtrace was taken" : "asking for the backtrace..."]
        }
        let loop = snapshot.loops.indices.contains(coroutine.loop) ? snapshot.loops[coroutine.loop] : nil
        let frames = snapshot.backtrace(coroutine.stack ?? (loop?.running == coroutine.identity ? loop?.stack : nil))
        guard frames.isEmpty else { return frames }
        switch coroutine.state {
        case "new": return ["no backtrace: it has not begun"]
        case "running": return ["no backtrace: it runs"]
        default: return ["no backtrace"]
        }
    }
}
