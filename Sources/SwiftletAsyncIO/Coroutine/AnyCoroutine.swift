public import CSwiftlet
import SwiftletCoroutines
public import Synchronization

/// What a coroutine object is doing.
public enum CoroutineState: Sendable, Hashable, CustomStringConvertible {
    /// Nothing of it has run.
    case created
    /// The caller runs in it; never seen from outside.
    case running
    /// It has begun and waits for something.
    case suspended
    /// It has ended, or was closed.
    case closed

    /// Python's name of the state.
    public var description: String {
        switch self {
        case .created: "CORO_CREATED"
        case .running: "CORO_RUNNING"
        case .suspended: "CORO_SUSPENDED"
        case .closed: "CORO_CLOSED"
        }
    }
}

/// What all coroutines have in common, whatever their value.
///
/// States: created -> begun -> closed, or created -> closed. Who moves it from created to begun runs the body: so it
/// runs once, whoever awaits it from whatever thread.
public class AnyCoroutine: CustomStringConvertible, @unchecked Sendable {
    @usableFromInline
    enum Stage: UInt8 {
        case created
        case begun
        case closed
    }

    @usableFromInline final let stage = Atomic<UInt8>(Stage.created.rawValue)
    /// The task that runs the body: tells running from suspended.
    @usableFromInline final let runner = Atomic<UInt>(0)
    private final let givenName: String
    private final let file: UnsafePointer<UInt8>
    private final let line: UInt32
    private final let content: Locked<[String: any Sendable]>?

    @usableFromInline
    init(
        _ name: String, arguments: [String: any Sendable]?, file: StaticString, line: UInt32
    ) {
        givenName = name
        self.file = file.utf8Start
        self.line = line
        content = arguments.map { Locked($0) }
    }

    deinit {
        if stage.load(ordering: .relaxed) == Stage.created.rawValue { reportNeverAwaited() }
    }

    @inline(never)
    private final func reportNeverAwaited() {
        Report(
            .neverAwaited,
            "coroutine '\(name)' was never awaited, created at \(origin). Await it, make it a task, or close() it."
        ).post()
    }

    /// The name of the function that it stands for.
    public final var name: String { String(givenName.prefix { $0 != "(" }) }

    /// Where it was created, as `Module/File.swift:line`.
    public final var origin: String { "\(String(cString: file)):\(line)" }

    public final var state: CoroutineState {
        switch Stage(rawValue: stage.load(ordering: .acquiring))! {
        case .created: .created
        case .closed: .closed
        case .begun: runner.load(ordering: .acquiring) == Self.currentRunner ? .running : .suspended
        }
    }

    /// Its arguments, and what its body has put here; empty once it is closed. Only for a coroutine that was given
    /// `arguments`: compiled code keeps no named variables that could be read from outside.
    public final var locals: [String: any Sendable] {
        get { state == .closed ? [:] : content?.withLock { $0 } ?? [:] }
        set { content?.withLock { $0 = newValue } }
    }

    /// Ends a coroutine that has not begun: it never runs, and nobody is told that it did not. Does nothing to one that
    /// has ended.
    ///
    /// - Throws: `CoroutineError.closedWhileRunning` after its begin.
    public final func close() throws(CoroutineError) {
        let (exchanged, found) = stage.compareExchange(
            expected: Stage.created.rawValue, desired: Stage.closed.rawValue, ordering: .acquiringAndReleasing)
        if exchanged { return dropBody() }
        if found == Stage.begun.rawValue { throw .closedWhileRunning(coroutine: name) }
    }

    func dropBody() {}

    // A gathering that meets its own mark has met a coroutine twice. Not atomic as a whole: two threads that gather the
    // same one get an error anyway.
    @usableFromInline final let mark = Atomic<UInt>(0)
    private static let lastMark = Atomic<UInt>(0)

    @usableFromInline
    static func nextMark() -> UInt { lastMark.add(1, ordering: .relaxed).newValue }

    @inlinable
    final func isMarked(_ new: UInt) -> Bool {
        if mark.load(ordering: .relaxed) == new { return true }
        mark.store(new, ordering: .relaxed)
        return false
    }

    /// A task that was cancelled before its first run.
    @usableFromInline
    final func discard() {
        let (exchanged, _) = stage.compareExchange(
            expected: Stage.created.rawValue, desired: Stage.closed.rawValue, ordering: .acquiringAndReleasing)
        if exchanged { dropBody() }
    }

    /// Whoever gets through runs the body.
    @inlinable
    final func begin() throws(CoroutineError) {
        let (exchanged, _) = stage.compareExchange(
            expected: Stage.created.rawValue, desired: Stage.begun.rawValue, ordering: .acquiringAndReleasing)
        if !exchanged { throw refusal() }
        runner.store(Self.currentRunner, ordering: .relaxed)
    }

    @usableFromInline
    final func refusal() -> CoroutineError {
        stage.load(ordering: .acquiring) == Stage.begun.rawValue
            ? .beingAwaited(coroutine: name) : .alreadyAwaited(coroutine: name)
    }

    @inlinable
    static var currentRunner: UInt { UInt(bitPattern: swiftlet_current_task()) }

    public final var description: String {
        "<coroutine object \(name) at \(Unmanaged.passUnretained(self).toOpaque())>"
    }

    /// As the description of its task shows it.
    final var stateInTask: String {
        stage.load(ordering: .acquiring) == Stage.closed.rawValue
            ? "<\(name)() done, defined at \(origin)>" : "<\(name)() running at \(origin)>"
    }
}
