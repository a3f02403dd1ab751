import ArgumentParser
import Glibc
import SwiftletInspect

/// Lists processes that can be inspected, or the coroutines of one.
struct Ps: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the coroutines of a process, or the processes that can be inspected.")

    @Argument(help: "The process's number; without one, all that can be inspected are listed.")
    var pid: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(help: "Show only coroutines with this text in their name, state, place or wait.")
    var filter: String?

    func validate() throws {
        if let pid, !(1...Int(CInt.max)).contains(pid) { throw ValidationError("'\(pid)' is no process's number") }
    }

    func run() throws {
        guard let pid else { return try listProcesses() }
        // With backtraces only where they end up in the findings: that of a stuck loop.
        var snapshot = try Target(process: CInt(pid)).look(stacks: true)
        if let filter { snapshot.coroutines.removeAll { !$0.matches(filter) } }
        var output = BufferedOutput()
        if json {
            try output.add(snapshot.json)
            return try output.flush()
        }
        try output.add(snapshot.summary)
        for loop in snapshot.loops {
            try output.add(snapshot.summary(loop))
            try output.add("  \(snapshot.counters(loop))")
        }
        for line in snapshot.describeFindings(backtraces: true, width: BufferedOutput.width) { try output.add(line) }
        try output.add(CoroutineTable.header)
        for coroutine in snapshot.coroutines { try output.add(CoroutineTable.line(coroutine, in: snapshot)) }
        try output.flush()
    }

    private func listProcesses() throws {
        var lines: [String] = []
        var objects: [String] = []
        for (process, path) in InspectionSocket.all(of: geteuid()) {
            let number = InspectionSocket.connect(to: path)
            guard number >= 0 else {
                // It ended without a chance to clean up.
                if number == -ECONNREFUSED, kill(process, 0) != 0 { unlink(path) }
                continue
            }
            close(number)
            let name = Target(process: process).name
            lines.append("\(Wording.padded("\(process)", to: 8)) \(Wording.printable(name))")
            objects.append(JSONText.object([("pid", "\(process)"), ("name", JSONText.quoted(name))]))
        }
        var output = BufferedOutput()
        if json {
            try output.add(JSONText.array(objects))
            return try output.flush()
        }
        if lines.isEmpty {
            writeToStandardError(
                "swiftlet: no process can be inspected: start one with SWIFTLET_INSPECT=1, or call Inspector.start() in it\n"
            )
        }
        for line in lines { try output.add(line) }
        try output.flush()
    }
}

/// A coroutine on one line.
enum CoroutineTable {
    static let header = line("ID", "KIND", "STATE", "AGE", "WAITS", "RAN", "NAME", "FOR")

    static func line(_ coroutine: Snapshot.Coroutine, in snapshot: Snapshot) -> String {
        var detail = coroutine.wait
        if let deadline = coroutine.deadline {
            detail += (detail.isEmpty ? "" : ", ") + "at most \(Wording.time(deadline)) more"
        }
        if let cycle = coroutine.cycle { detail += "  [deadlock \(cycle + 1)]" }
        if coroutine.isCancelled { detail += "  [cancelled]" }
        return line(
            snapshot.label(coroutine), coroutine.kind, coroutine.state,
            Wording.age(coroutine.age, isOlder: coroutine.isOlder),
            Wording.age(coroutine.waitAge, isOlder: coroutine.waitIsOlder), Wording.runTime(coroutine),
            Wording.printable(coroutine.name), Wording.printable(detail))
    }

    private static func line(_ columns: String...) -> String {
        zip(columns, [7, 9, 9, 8, 8, 8, 28, 0]).map { Wording.padded($0, to: $1) }.joined(separator: " ")
            .trimmingTrailingSpaces
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        guard let last = lastIndex(where: { $0 != " " }) else { return "" }
        return String(self[...last])
    }
}

extension Snapshot.Coroutine {
    /// Some text of it has the words, whatever their case.
    func matches(_ words: String) -> Bool {
        let wanted = words.lowercased()
        return [kind, state, name, origin ?? "", wait, scope ?? ""].contains { $0.lowercased().contains(wanted) }
    }
}
