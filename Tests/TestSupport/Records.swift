public import SwiftletCoroutines
import Synchronization

/// Counts from any thread.
public final class Tally: Sendable {
    private let number = Atomic<Int>(0)

    public init() {}

    public var count: Int { number.load(ordering: .sequentiallyConsistent) }

    @discardableResult
    public func add(_ amount: Int = 1) -> Int { number.add(amount, ordering: .sequentiallyConsistent).newValue }
}

/// Counts its own deinitialization: shows that a stack was unwound.
public final class Witness {
    private let tally: Tally

    public init(_ tally: Tally) { self.tally = tally }

    deinit { tally.add() }
}

/// What happened, in order. For one thread.
public final class Journal<Entry> {
    public var entries: [Entry] = []

    public init() {}

    public func note(_ entry: Entry) { entries.append(entry) }
}

/// What happened, from any thread.
public final class SharedJournal<Entry: Sendable>: Sendable {
    private let content = Locked<[Entry]>([])

    public init() {}

    public var entries: [Entry] { content.withLock { $0 } }

    public func note(_ entry: Entry) { content.withLock { $0.append(entry) } }
}

/// An error that says which one it is.
public struct Failure: Error, Hashable, Sendable {
    public let number: Int

    public init(_ number: Int = 0) { self.number = number }
}

/// Every report of this process since the first look. Tests run side by side, so each looks for a word of its own.
public enum ReportLog {
    private static let journal: SharedJournal<Report> = {
        let journal = SharedJournal<Report>()
        Report.setHandler { journal.note($0) }
        return journal
    }()

    /// To be called before what may report.
    public static func begin() { _ = journal.entries }

    public static func reports(containing word: String) -> [Report] {
        journal.entries.filter { $0.message.contains(word) }
    }
}

/// A variable that closures share.
public final class Box<Value> {
    public var value: Value

    public init(_ value: Value) { self.value = value }
}
