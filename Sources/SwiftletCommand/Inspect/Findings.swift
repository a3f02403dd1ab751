import SwiftletInspect

/// What is wrong with a process, as far as a look at it tells, and what to do.
struct Finding {
    let text: String
    /// Where: a backtrace's place in the snapshot.
    var stack: Int?
    /// Of such a place only the program's own part tells something.
    var isOfDescriptors = false
}

extension Snapshot {
    var findings: [Finding] {
        stuckLoops + deadlocks + descriptorFindings + heldLocks + crowds + delayedLoops
    }

    private var stuckLoops: [Finding] {
        loops.compactMap { loop in
            guard let stuck = loop.stuck else { return nil }
            let remedy =
                loop.state.contains("system call")
                ? """
                Nothing else on this loop runs meanwhile. Use the library's own operation for it, move it to toThread { }, \
                or let patchAll() of SwiftletInterpose make libc's calls park.
                """
                : loop.state.contains("stopped")
                    ? "Let it go on: kill -CONT \(process.identifier)."
                    : "Nothing else on this loop runs meanwhile. Move it to toThread { }, or call yield() in it now and then."
            return Finding(
                text: """
                    blocked loop: the loop of thread \(loop.thread) has not turned for \(Wording.time(stuck)): it \
                    \(Wording.printable(loop.state)). \(origin(of: loop.running))\(remedy)
                    """, stack: loop.stack)
        }
    }

    private func origin(of identity: UInt?) -> String {
        guard let identity, let origin = coroutines.first(where: { $0.identity == identity })?.origin else { return "" }
        return "It was spawned at \(Wording.printable(origin)). "
    }

    private var deadlocks: [Finding] {
        let cycles = Dictionary(grouping: coroutines.filter { $0.cycle != nil }, by: { $0.cycle! })
        return cycles.sorted { $0.key < $1.key }.map { _, members in
            let lines = inOrder(members).flatMap { member in
                let who = Wording.printable(member.what) + Self.place(member)
                let frames = ownFrames(member.stack).prefix(2).map { "        \($0)" }
                return ["    \(who) waits for \(Wording.printable(member.wait))"] + frames
            }
            let end =
                members.compactMap(\.deadline).min().map { " A deadline will end it in \(Wording.time($0))." } ?? ""
            return Finding(
                text: """
                    deadlock: \(Wording.count(members.count, "coroutine")) wait for one another, and none can go on.\(end) \
                    Take locks in the same order everywhere, and join nobody who waits for you.
                    \(lines.joined(separator: "\n"))
                    """)
        }
    }

    /// What is indented stays so.
    private static func wrapped(_ line: String, to width: Int) -> [String] {
        guard line.count > width else { return [line] }
        let indentation = String(line.prefix { $0 == " " })
        return Wording.wrapped(line, to: width - indentation.count).map { indentation + $0 }
    }

    static func place(_ coroutine: Coroutine) -> String {
        guard let origin = coroutine.origin, !coroutine.name.hasSuffix(origin) else { return "" }
        return " (spawned at \(Wording.printable(origin)))"
    }

    /// Each followed by one that it waits for, as far as that goes.
    private func inOrder(_ members: [Coroutine]) -> [Coroutine] {
        var rest = Dictionary(members.map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
        var ordered: [Coroutine] = []
        var next = members.first
        while let current = next {
            ordered.append(current)
            rest[current.identity] = nil
            next = current.waitsFor.lazy.compactMap { rest[$0] }.first
        }
        return ordered + members.filter { rest[$0.identity] != nil }
    }

    private var descriptorFindings: [Finding] {
        var findings = descriptors.filter { $0.count >= 100 }.map { group in
            let origin = group.stack == nil ? "" : ", all made at one place"
            return Finding(
                text: """
                    descriptors: \(Wording.count(group.count, "descriptor")) of one sort\(origin): \
                    \(Wording.printable(group.description)). If so many are not meant to stay open, close each where it was \
                    made: defer { x.close() }.
                    """, stack: group.stack, isOfDescriptors: true)
        }
        if process.descriptorLimit > 0, process.openDescriptors * 10 > process.descriptorLimit * 9 {
            findings.append(
                Finding(
                    text: """
                        descriptors: \(Wording.grouped(process.openDescriptors)) of \(Wording.grouped(process.descriptorLimit)) \
                        are in use; the next will be refused. Close some, or raise the limit: ulimit -n.
                        """))
        }
        return findings
    }

    /// A lock whose holder waits for something else, while others wait for it.
    private var heldLocks: [Finding] {
        let waiting = coroutines.indices.filter {
            let coroutine = coroutines[$0]
            return coroutine.wait.hasPrefix("a lock held by") && coroutine.cycle == nil && coroutine.waitsFor.count == 1
        }
        let waiters = Dictionary(grouping: waiting, by: { coroutines[$0].waitsFor[0] })
        guard !waiters.isEmpty else { return [] }
        return coroutines.compactMap { holder in
            guard holder.state == "waiting", let waiters = waiters[holder.identity] else { return nil }
            let longest = waiters.compactMap { coroutines[$0].waitAge }.max() ?? 0
            guard longest > 1_000_000_000 else { return nil }
            return Finding(
                text: """
                    unfair wait: \(Wording.count(waiters.count, "coroutine waits", "coroutines wait")) for a lock, for \
                    \(Wording.time(longest)) by now, that \(Wording.printable(holder.what))\(Self.place(holder)) holds \
                    while it waits for \
                    \(Wording.printable(holder.wait)). Release the lock before such a wait.
                    """, stack: holder.stack)
        }
    }

    /// Very many that wait at one place.
    private var crowds: [Finding] {
        // Counted where they stand: with 100,000, copies of them took longer than all else.
        var crowds: [String: (first: Int, count: Int)] = [:]
        for (place, fiber) in coroutines.enumerated() where fiber.kind == "fiber" && fiber.state == "waiting" {
            guard let origin = fiber.origin else { continue }
            crowds[origin, default: (place, 0)].count += 1
        }
        return crowds.filter { $0.value.count >= 1000 }.map { origin, crowd in
            Finding(
                text: """
                    many fibers: \(Wording.count(crowd.count, "fiber")) spawned at \(Wording.printable(origin)) wait, such as for \
                    \(Wording.printable(coroutines[crowd.first].wait)). If they should have ended, give them a deadline: withTimeout { }, or \
                    a scope: withSpawnScope { }.
                    """, stack: coroutines[crowd.first].stack)
        }
    }

    private var delayedLoops: [Finding] {
        loops.compactMap { loop in
            guard loop.stuck == nil, loop.delays.count == 4, loop.delays[2] > 100_000_000 else { return nil }
            return Finding(
                text: """
                    slow loop: what becomes ready on the loop of thread \(loop.thread) waits up to \
                    \(Wording.time(loop.delays[2])) for its turn. `swiftlet top \(process.identifier)` shows who computes; \
                    split it with yield(), or move it to toThread { }.
                    """)
        }
    }

    /// The findings as lines, those about a place with its backtrace.
    ///
    /// - Parameters:
    ///   - limit: the most functions of a backtrace.
    ///   - width: where sentences are broken, if they are.
    func describeFindings(backtraces: Bool, limit: Int = 24, width: Int? = nil) -> [String] {
        findings.flatMap { finding -> [String] in
            var lines = "! \(finding.text)".split(separator: "\n").map(String.init)
            if let width { lines = lines.flatMap { Self.wrapped($0, to: width) } }
            if backtraces {
                let frames =
                    finding.isOfDescriptors
                    ? ownFrames(finding.stack, limit: min(limit, 12)) : backtrace(finding.stack, limit: limit)
                lines += frames.map { "      \($0)" }
            }
            return lines
        }
    }
}
