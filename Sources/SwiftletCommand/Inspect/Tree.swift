import ArgumentParser
import SwiftletInspect

/// Shows who spawned whom, and what each waits for.
struct Tree: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the coroutines of a process as a tree of who spawned whom, with what each waits for.")

    @OptionGroup var argument: TargetArgument

    func run() throws {
        let snapshot = try argument.target.look(stacks: true)
        var output = BufferedOutput()
        try output.add(snapshot.summary)
        // Of backtraces only as much as says where: the rest is in a dump.
        for line in snapshot.describeFindings(backtraces: true, limit: 4, width: BufferedOutput.width) {
            try output.add(line)
        }
        for (index, loop) in snapshot.loops.enumerated() {
            try output.add(snapshot.summary(loop))
            for line in CoroutineTree(snapshot, loop: index).lines { try output.add(line) }
        }
        try output.flush()
    }
}

/// The coroutines of a loop below those that have spawned them.
struct CoroutineTree {
    private let snapshot: Snapshot
    private var children: [UInt: [Snapshot.Coroutine]] = [:]
    private var roots: [Snapshot.Coroutine] = []

    init(_ snapshot: Snapshot, loop: Int) {
        self.snapshot = snapshot
        for coroutine in snapshot.coroutines where coroutine.loop == loop {
            if let parent = coroutine.parent {
                children[parent, default: []].append(coroutine)
            } else {
                roots.append(coroutine)
            }
        }
    }

    var lines: [String] {
        var lines: [String] = []
        // Not recursive: a chain of a hundred thousand, each of which has spawned the next, is no reason to end.
        var path: [(coroutine: Snapshot.Coroutine, indentation: String)] = ordered(roots).reversed().map { ($0, "") }
        while let (coroutine, indentation) = path.popLast() {
            lines.append("\(indentation)+- \(describe(coroutine))")
            let inner = indentation.utf8.count < 120 ? indentation + "|  " : indentation
            path += ordered(children[coroutine.identity] ?? []).reversed().map { ($0, inner) }
        }
        return lines
    }

    /// In the order in which they began; those that have not come last.
    private func ordered(_ coroutines: [Snapshot.Coroutine]) -> [Snapshot.Coroutine] {
        coroutines.sorted { ($0.number > 0 ? $0.number : .max) < ($1.number > 0 ? $1.number : .max) }
    }

    private func describe(_ coroutine: Snapshot.Coroutine) -> String {
        var text = Wording.printable(coroutine.what) + Snapshot.place(coroutine)
        switch coroutine.state {
        case "waiting": text += ": waits for \(Wording.printable(coroutine.wait))"
        case "new": text += ": has not started"
        case "running": text += ": runs"
        default: text += ": is \(coroutine.state)"
        }
        if let age = coroutine.waitAge { text += ", since \(Wording.age(age, isOlder: coroutine.waitIsOlder))" }
        if let deadline = coroutine.deadline { text += ", at most \(Wording.time(deadline)) more" }
        if let scope = coroutine.scope { text += ", in the scope of \(Wording.printable(scope))" }
        if coroutine.isCancelled { text += ", is cancelled" }
        if let cycle = coroutine.cycle { text += "  [deadlock \(cycle + 1)]" }
        return text
    }
}
