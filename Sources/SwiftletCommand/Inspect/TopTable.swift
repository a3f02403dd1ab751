import SwiftletInspect

/// The columns of the list, as far as there is room: with little, what the look at one coroutine tells as well is left out. The
/// one that is sorted by is always there.
struct TopTable {
    private enum Column { case processor, ran, label, kind, state, age, stack, waits, name, wait }

    /// `nil`: as wide as need be, and nothing is cut.
    private let width: Int?
    private let columns: [Column]

    init(width: Int?, order: TopScreen.Order) {
        self.width = width
        let isNarrow = width.map { $0 < 110 } ?? false
        let always: Set<Column> = [.processor, .label, .state, .waits, .name, .wait]
        let sorted: Column? = order == .age ? .age : order == .stack ? .stack : nil
        columns = [.processor, .ran, .label, .kind, .state, .age, .stack, .waits, .name, .wait].filter {
            always.contains($0) || $0 == sorted || (!isNarrow && $0 != .stack)
        }
    }

    var header: String {
        line { column, _ in
            switch column {
            case .processor: "CPU"
            case .ran: "RAN"
            case .label: "ID"
            case .kind: "KIND"
            case .state: "STATE"
            case .age: "AGE"
            case .stack: "STACK"
            case .waits: "WAITS"
            case .name: "NAME"
            case .wait: "FOR"
            }
        }
    }

    func row(_ coroutine: Snapshot.Coroutine, in snapshot: Snapshot) -> String {
        line { column, width in
            switch column {
            case .processor: coroutine.processorShare.map { $0 == 0 ? "" : Wording.percent($0) } ?? ""
            case .ran: Wording.runTime(coroutine)
            case .label: snapshot.label(coroutine)
            case .kind: coroutine.kind
            case .state: coroutine.cycle == nil ? coroutine.state : "deadlock"
            case .age: Wording.age(coroutine.age, isOlder: coroutine.isOlder)
            case .stack: coroutine.stackUsed > 0 ? "\(Wording.grouped(coroutine.stackUsed)) B" : "-"
            case .waits: Wording.age(coroutine.waitAge, isOlder: coroutine.waitIsOlder)
            case .name: Self.name(of: coroutine, in: width)
            case .wait: Wording.printable(coroutine.waitWithDeadline)
            }
        }
    }

    /// Of one without a name its place tells, the more so the end of that.
    private static func name(of coroutine: Snapshot.Coroutine, in width: Int?) -> String {
        let name = Wording.printable(coroutine.name)
        guard let width, Wording.width(name) > width, let origin = coroutine.origin, coroutine.name.hasSuffix(origin)
        else { return name }
        return Wording.cutFront(Wording.printable(origin), to: width)
    }

    private static func width(of column: Column, isNarrow: Bool) -> Int {
        switch column {
        case .label: isNarrow ? 6 : 7
        case .name: isNarrow ? 16 : 28
        case .kind, .state: 9
        case .processor: isNarrow ? 7 : 8
        case .ran, .age, .stack, .waits: 8
        case .wait: 0
        }
    }

    private func line(_ text: (Column, Int?) -> String) -> String {
        let isNarrow = width.map { $0 < 110 } ?? false
        var line = ""
        for column in columns {
            guard column != .wait else { return (line + text(column, nil)).withoutTrailingSpaces }
            let room = Self.width(of: column, isNarrow: isNarrow)
            let cell = width == nil ? text(column, nil) : Wording.cut(text(column, room), to: room)
            line += Wording.padded(cell, to: room) + " "
        }
        return line
    }
}

extension String {
    fileprivate var withoutTrailingSpaces: String {
        lastIndex { $0 != " " }.map { String(self[...$0]) } ?? ""
    }
}
