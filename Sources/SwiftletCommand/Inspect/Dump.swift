import ArgumentParser
import SwiftletInspect

/// Shows everything, with backtraces.
struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show everything about a process: each coroutine with its backtrace, descriptors, pools, reports.",
        discussion: "Coroutines that wait at the same place are listed together, with one backtrace.")

    @OptionGroup var argument: TargetArgument

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let snapshot = try argument.target.look(stacks: true)
        var output = BufferedOutput()
        if json {
            try output.add(snapshot.json)
            return try output.flush()
        }
        try output.add("\(snapshot.summary); looked at in \(Wording.time(snapshot.process.duration))")
        for line in snapshot.describeFindings(backtraces: true, width: BufferedOutput.width) { try output.add(line) }
        for loop in snapshot.loops {
            try output.add("")
            try output.add(snapshot.summary(loop))
            try output.add("  \(snapshot.counters(loop))")
            try output.add(
                "  processor time \(Wording.time(loop.processorTime)); \(Wording.count(loop.readyJobs, "job")) ready, \(Wording.count(loop.unread, "message")) unread"
            )
            for line in snapshot.backtrace(loop.stack) { try output.add("      \(line)") }
        }
        for group in CoroutineGroup.groups(of: snapshot) {
            try output.add("")
            if group.members.count > 1 {
                try output.add("\(Wording.count(group.members.count, "coroutine")) at the same place:")
            }
            for place in group.members { try output.add(Self.describe(snapshot.coroutines[place], in: snapshot)) }
            for line in snapshot.backtrace(group.stack) { try output.add("      \(line)") }
        }
        try output.add("")
        for group in snapshot.descriptors {
            let numbers = group.numbers.map(String.init).joined(separator: ",")
            let more = group.count > group.numbers.count ? ",.." : ""
            try output.add(
                "\(Wording.count(group.count, "descriptor")) (\(numbers)\(more)): \(Wording.printable(group.description))"
            )
            if group.stack != nil { try output.add("    made at") }
            for line in snapshot.backtrace(group.stack, limit: 12) { try output.add("      \(line)") }
        }
        try output.add("")
        for metric in snapshot.metrics { try output.add(Wording.printable("\(metric.name): \(metric.value)")) }
        for report in snapshot.reports {
            try output.add("")
            let lines = "reported \(Wording.time(report.age)) ago: \(report.kind): \(report.message)".split(
                separator: "\n", omittingEmptySubsequences: false)
            for line in lines { try output.add(Wording.printable(String(line))) }
        }
        try output.flush()
    }

    private static func describe(_ coroutine: Snapshot.Coroutine, in snapshot: Snapshot) -> String {
        var text = "\(snapshot.label(coroutine)) \(Wording.printable(coroutine.what))\(Snapshot.place(coroutine)): "
        if coroutine.state == "waiting" {
            text += "waits for \(Wording.printable(coroutine.wait))"
        } else {
            text += "is \(coroutine.state)\(coroutine.wait.isEmpty ? "" : " at \(Wording.printable(coroutine.wait))")"
        }
        if let age = coroutine.waitAge { text += ", since \(Wording.age(age, isOlder: coroutine.waitIsOlder))" }
        if let deadline = coroutine.deadline { text += ", at most \(Wording.time(deadline)) more" }
        if let age = coroutine.age { text += "; age \(Wording.age(age, isOlder: coroutine.isOlder))" }
        if coroutine.runTime > 0 { text += "; ran \(Wording.time(coroutine.runTime))" }
        if coroutine.stackSize > 0 {
            text +=
                "; stack \(coroutine.stackUsed) bytes, touched \(coroutine.stackTouched >> 10) of \(coroutine.stackSize >> 10) KB"
        }
        if let scope = coroutine.scope { text += "; in the scope of \(Wording.printable(scope))" }
        if coroutine.isCancelled { text += "; cancelled" }
        if let cycle = coroutine.cycle { text += "  [deadlock \(cycle + 1)]" }
        return text
    }
}

/// Coroutines with one backtrace.
struct CoroutineGroup {
    let stack: Int?
    /// Places among the snapshot's coroutines.
    var members: [Int]

    /// The small groups first: what is different from the rest is what is looked for.
    static func groups(of snapshot: Snapshot) -> [CoroutineGroup] {
        var groups: [CoroutineGroup] = []
        var places: [Int: Int] = [:]
        for (member, coroutine) in snapshot.coroutines.enumerated() {
            let key = coroutine.stack ?? -1
            if let place = places[key] {
                groups[place].members.append(member)
            } else {
                places[key] = groups.count
                groups.append(CoroutineGroup(stack: coroutine.stack, members: [member]))
            }
        }
        return groups.sorted { $0.members.count < $1.members.count }
    }
}
