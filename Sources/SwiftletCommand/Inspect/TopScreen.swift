import SwiftletInspect

/// What the full-screen view shows, and how keys change it.
///
/// States: list -> detail of one coroutine -> list; in the list the filter is being typed or not.
struct TopScreen {
    enum Order: String, CaseIterable {
        case processor = "processor"
        case wait = "wait"
        case age = "age"
        case stack = "stack"
        case name = "name"
    }

    var snapshot = Snapshot()
    private(set) var order = Order.processor
    private(set) var isReversed = false
    private(set) var filter = ""
    private(set) var isTyping = false
    private(set) var isPaused = false
    private(set) var wantsToQuit = false
    /// The coroutine that is looked at.
    private(set) var detail: UInt?
    private var selected = 0
    private var first = 0

    // MARK: Keys

    mutating func press(_ key: Terminal.Key) {
        if key == .end { wantsToQuit = true } else if isTyping { type(key) } else { command(key) }
    }

    private mutating func type(_ key: Terminal.Key) {
        switch key {
        case .enter: isTyping = false
        case .escape: (isTyping, filter) = (false, "")
        case .backspace: filter = String(filter.dropLast())
        case .character(let character): filter.append(character)
        default: break
        }
        selected = 0
    }

    private mutating func command(_ key: Terminal.Key) {
        switch key {
        case .character("q"): if detail != nil { detail = nil } else { wantsToQuit = true }
        case .escape, .backspace: detail = nil
        case .character("p"), .character(" "): isPaused.toggle()
        case .character("s"):
            let orders = Order.allCases
            order = orders[(orders.firstIndex(of: order)! + 1) % orders.count]
        case .character("r"): isReversed.toggle()
        case .character("/"): (isTyping, detail) = (true, nil)
        case .up, .character("k"): selected = max(0, selected - 1)
        case .down, .character("j"): selected += 1
        case .pageUp: selected = max(0, selected - 20)
        case .pageDown: selected += 20
        case .enter:
            let rows = shown
            if rows.indices.contains(selected) { detail = rows[selected].identity }
        default: break
        }
    }

    // MARK: What is shown

    var shown: [Snapshot.Coroutine] {
        let wanted = filter.isEmpty ? snapshot.coroutines : snapshot.coroutines.filter { $0.matches(filter) }
        let sorted = wanted.sorted { one, other in
            switch order {
            case .processor:
                (one.processorShare ?? 0, one.waitAge ?? 0) > (other.processorShare ?? 0, other.waitAge ?? 0)
            case .wait: one.waitAge ?? -1 > other.waitAge ?? -1
            case .age: one.age ?? -1 > other.age ?? -1
            case .stack: one.stackUsed > other.stackUsed
            case .name: one.name < other.name
            }
        }
        return isReversed ? sorted.reversed() : sorted
    }

    /// The lines of the screen, and which of them is marked.
    mutating func lines(columns: Int, rows: Int) -> (lines: [String], marked: Int?) {
        if let detail, let coroutine = snapshot.coroutines.first(where: { $0.identity == detail }) {
            return (Array(describe(coroutine).prefix(rows)), nil)
        }
        let isNarrow = columns < Self.width
        var lines = [snapshot.summary]
        lines += snapshot.loops.prefix(max(1, rows / 4)).map { snapshot.summary($0) }
        // What to do stands behind what is wrong.
        let findings = snapshot.findings.prefix(3).flatMap { finding in
            let first = finding.text.split(separator: "\n").first.map(String.init) ?? ""
            return Wording.wrapped("! \(first)", to: columns)
        }
        lines += findings.prefix(max(1, rows / 3))
        lines.append(
            isTyping
                ? "filter: \(filter)_"
                : "\(isPaused ? "PAUSED  " : "")sort \(order.rawValue)\(isReversed ? ", reversed" : "")\(filter.isEmpty ? "" : ", filter '\(filter)'")   [s]ort [r]everse [/]filter [p]ause [enter] look [q]uit"
        )
        lines.append(Self.header(isNarrow: isNarrow))
        let rowsOfAll = shown
        selected = max(0, min(selected, rowsOfAll.count - 1))
        let room = max(1, rows - lines.count)
        if selected < first { first = selected }
        if selected >= first + room { first = selected - room + 1 }
        first = max(0, min(first, rowsOfAll.count - room))
        let header = lines.count
        for coroutine in rowsOfAll.dropFirst(first).prefix(room) { lines.append(row(coroutine, isNarrow: isNarrow)) }
        return (lines, rowsOfAll.isEmpty ? nil : header + selected - first)
    }

    /// From so many columns on everything is shown; else what the look at one coroutine tells as well is left out.
    private static let width = 110

    static func header(isNarrow: Bool) -> String {
        row(["CPU", "RAN", "ID", "KIND", "STATE", "AGE", "WAITS", "NAME", "FOR"], isNarrow)
    }

    func row(_ coroutine: Snapshot.Coroutine, isNarrow: Bool) -> String {
        Self.row(
            [
                coroutine.processorShare.map { $0 == 0 ? "" : Wording.percent($0) } ?? "", Wording.runTime(coroutine),
                snapshot.label(coroutine), coroutine.kind, coroutine.cycle == nil ? coroutine.state : "deadlock",
                Wording.age(coroutine.age, isOlder: coroutine.isOlder),
                Wording.age(coroutine.waitAge, isOlder: coroutine.waitIsOlder), Wording.printable(coroutine.name),
                Wording.printable(coroutine.wait),
            ], isNarrow)
    }

    private static func row(_ columns: [String], _ isNarrow: Bool) -> String {
        let widths = isNarrow ? [7, nil, 6, nil, 9, nil, 8, 16] : [8, 8, 7, 9, 9, 8, 8, 28]
        let padded = zip(columns, widths).compactMap { text, width in
            width.map { Wording.padded(isNarrow ? Wording.cut(text, to: $0) : text, to: $0) }
        }
        return (padded + columns.suffix(1)).joined(separator: " ")
    }

    private func describe(_ coroutine: Snapshot.Coroutine) -> [String] {
        var lines = [
            "\(Wording.printable(coroutine.what))  [esc] back", "",
            "state      \(coroutine.state)\(coroutine.wait.isEmpty ? "" : " \(coroutine.state == "waiting" ? "for" : "at") \(Wording.printable(coroutine.wait))")",
            "waits      \(Wording.age(coroutine.waitAge, isOlder: coroutine.waitIsOlder))",
            "age        \(Wording.age(coroutine.age, isOlder: coroutine.isOlder))",
            "deadline   \(coroutine.deadline.map { "in \(Wording.time($0))" } ?? "none")",
            "spawned at \(Wording.printable(coroutine.origin ?? "-"))",
            "parent     \(coroutine.parent.flatMap { parent in snapshot.coroutines.first { $0.identity == parent } }.map { Wording.printable($0.what) } ?? "-")",
            "scope      \(Wording.printable(coroutine.scope ?? "-"))",
            "ran        \(Wording.runTime(coroutine))",
            "processor  \(coroutine.processorShare.map { Wording.percent($0) } ?? "-")",
            "stack      \(coroutine.stackUsed) bytes in use, \(coroutine.stackTouched >> 10) of \(coroutine.stackSize >> 10) KB touched",
            "",
        ]
        lines += snapshot.backtrace(coroutine.stack).map { "    \($0)" }
        return lines
    }
}
