import SwiftletInspect

/// What the full-screen view shows, and how keys change it.
///
/// States: list -> look at one coroutine -> list; in the list the filter is being typed or not. The page of the keys lies over
/// either until a key is pressed.
struct TopScreen {
    enum Order: String, CaseIterable { case processor, wait, age, stack, name }

    /// The coroutine that is marked in the list: the mark stays on it wherever it stands. When it has ended, the next one has its
    /// place.
    private struct Mark {
        var row: Int
        var reference: CoroutineReference
    }

    /// `nil` before the first answer.
    private(set) var snapshot: Snapshot?
    private(set) var order = Order.processor
    private(set) var isReversed = false
    private(set) var filter = ""
    private(set) var isTyping = false
    private(set) var isPaused = false
    private(set) var showsKeys = false
    private(set) var wantsToQuit = false
    private(set) var look: CoroutineLook?
    /// Nobody, until somebody is chosen: what is at the top may change.
    private var mark: Mark?
    private var first = 0
    private var room = 20
    private let process: String

    /// - Parameter process: what to call it before it has answered.
    init(process: String) { self.process = process }

    /// A new look at all.
    mutating func take(_ snapshot: Snapshot, hasBacktraces: Bool) {
        if hasBacktraces { look?.update(from: snapshot) }
        if !isPaused || self.snapshot == nil { self.snapshot = snapshot }
    }

    /// An answer that was asked for because of the look only.
    mutating func showBacktrace(of snapshot: Snapshot) { look?.update(from: snapshot) }

    /// Whether a look has begun whose backtrace has not been taken.
    var lacksBacktrace: Bool { look.map { !$0.hasBacktrace && !$0.hasEnded } ?? false }

    // MARK: Keys

    mutating func press(_ key: Keyboard.Key) {
        if key == .end {
            wantsToQuit = true
        } else if showsKeys {
            showsKeys = false
        } else if isTyping {
            type(key)
        } else if look != nil {
            pressInLook(key)
        } else {
            pressInList(key)
        }
    }

    private mutating func type(_ key: Keyboard.Key) {
        switch key {
        case .enter: isTyping = false
        case .escape: (isTyping, filter) = (false, "")
        case .backspace: filter = String(filter.dropLast())
        case .character(let character): filter.append(character)
        default: return
        }
        (mark, first) = (nil, 0)
    }

    private mutating func pressInLook(_ key: Keyboard.Key) {
        switch key {
        case .character("q"), .escape, .backspace: look = nil
        case .up, .character("k"): look?.scroll(by: -1)
        case .down, .character("j"): look?.scroll(by: 1)
        case .pageUp: look?.scroll(by: -room)
        case .pageDown: look?.scroll(by: room)
        case .character("/"): (isTyping, look) = (true, nil)
        default: pressAnywhere(key)
        }
    }

    private mutating func pressInList(_ key: Keyboard.Key) {
        switch key {
        case .character("q"): wantsToQuit = true
        case .escape: (mark, first) = (nil, 0)
        case .character("s"):
            let orders = Order.allCases
            order = orders[(orders.firstIndex(of: order)! + 1) % orders.count]
        case .character("r"): isReversed.toggle()
        case .character("/"): isTyping = true
        case .up, .character("k"): moveMark(by: -1)
        case .down, .character("j"): moveMark(by: 1)
        case .pageUp: moveMark(by: -room)
        case .pageDown: moveMark(by: room)
        case .enter:
            guard let snapshot else { return }
            let rows = shown
            let row = row(ofMarkIn: rows) ?? 0
            if rows.indices.contains(row) { look = CoroutineLook(at: rows[row], in: snapshot) }
        default: pressAnywhere(key)
        }
    }

    private mutating func pressAnywhere(_ key: Keyboard.Key) {
        switch key {
        case .character("p"), .character(" "): isPaused.toggle()
        case .character("?"): showsKeys = true
        default: break
        }
    }

    private mutating func moveMark(by count: Int) {
        guard let snapshot else { return }
        let rows = shown
        guard !rows.isEmpty else { return }
        let row = row(ofMarkIn: rows).map { max(0, min($0 + count, rows.count - 1)) } ?? 0
        mark = Mark(row: row, reference: snapshot.reference(rows[row]))
    }

    private func row(ofMarkIn rows: [Snapshot.Coroutine]) -> Int? {
        guard let mark, let snapshot, !rows.isEmpty else { return nil }
        return snapshot.place(of: mark.reference, in: rows) ?? min(mark.row, rows.count - 1)
    }

    // MARK: What is shown

    var shown: [Snapshot.Coroutine] {
        let all = snapshot?.coroutines ?? []
        let wanted = filter.isEmpty ? all : all.filter { $0.matches(filter) }
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
        if showsKeys { return (Self.keys, nil) }
        if look != nil {
            room = max(1, rows - 3)
            return (look?.lines(columns: columns, rows: rows, isPaused: isPaused) ?? [], nil)
        }
        guard let snapshot else { return (["asking \(process)...", "", "[q]uit"], nil) }
        var lines = Wording.wrapped(snapshot.summary, to: columns)
        lines += snapshot.loops.prefix(max(1, rows / 4)).map { snapshot.summary($0) }
        // What to do stands behind what is wrong.
        let findings = snapshot.findings.prefix(3).flatMap { finding in
            let first = finding.text.split(separator: "\n").first.map(String.init) ?? ""
            return Wording.wrapped("! \(first)", to: columns)
        }
        lines += findings.prefix(max(1, rows / 3))
        lines.append(state(columns: columns))
        let table = TopTable(width: columns, order: order)
        lines.append(table.header)
        let rowsOfAll = shown
        room = max(1, rows - lines.count)
        if let row = row(ofMarkIn: rowsOfAll) {
            mark = Mark(row: row, reference: snapshot.reference(rowsOfAll[row]))
            first = max(min(first, row), row - room + 1)
        }
        first = max(0, min(first, rowsOfAll.count - room))
        let header = lines.count
        lines += rowsOfAll.dropFirst(first).prefix(room).map { table.row($0, in: snapshot) }
        return (lines, rowsOfAll.isEmpty ? nil : mark.map { header + $0.row - first })
    }

    /// How the list is made, and the keys, all of them if there is room.
    private func state(columns: Int) -> String {
        if isTyping { return "filter: \(filter)_   [enter] keep [esc] drop" }
        let all = "[s]ort [r]everse [/]filter [p]ause [enter] look [?] keys [q]uit"
        let few = "[?] keys [q]uit"
        var state = "\(isPaused ? "PAUSED  " : "")sort \(order.rawValue)\(isReversed ? ", reversed" : "")"
        if !filter.isEmpty { state += ", filter '\(filter)'" }
        let keys = Wording.width(state) + 3 + all.count <= columns ? all : few
        return Wording.cut(state, to: columns - 3 - keys.count) + "   " + keys
    }

    private static let keys = [
        "up down  k j      mark one of the list; scroll the look at one",
        "page up, down     the same by a page",
        "enter             look at the marked one: its wait, its parent, its backtrace",
        "esc               back to the list; in the list: mark none",
        "s                 sort by the next of: \(Order.allCases.map(\.rawValue).joined(separator: ", "))",
        "r                 reverse the order",
        "/                 show only those that have some words in what is told of them",
        "p  space          pause, or go on",
        "?                 this page; any key leaves it",
        "q                 back to the list; in the list: quit",
    ]
}
