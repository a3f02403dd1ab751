import SwiftletCoroutines
public import SwiftletLoop
import Synchronization

/// What all futures and tasks have in common, whatever their value.
///
/// States: pending -> finished | failed | cancelled, once and for good, on the loop's thread.
///
/// Thread rules: a future belongs to its loop. What changes it, or adds to it, belongs to that loop's thread, and throws
/// `LoopError.wrongThread` elsewhere; `cancel()`, waiting, and looking at one that is done may be done from anywhere.
public class AnyFuture: Hashable, CustomStringConvertible, @unchecked Sendable {
    enum State: UInt8 {
        case pending
        case finished
        case failed
        case cancelled
    }

    // Stored last, with release: who sees it done, on whatever thread, sees the result, which never changes again.
    private final let stateWord = Atomic<UInt8>(State.pending.rawValue)
    /// Somebody has looked at the error, or will.
    final let isObserved = Atomic<Bool>(false)
    private final unowned(unsafe) let ownLoop: EventLoop
    @exclusivity(unchecked) final var observers: [DoneObserver] = []
    @exclusivity(unchecked) final var error: (any Error)?
    @exclusivity(unchecked) private final var message: String?

    init(on loop: EventLoop) {
        ownLoop = loop
    }

    deinit {
        if state == .failed, !isObserved.load(ordering: .relaxed) { reportUnretrieved() }
    }

    /// The loop that it belongs to.
    public final var loop: EventLoop { ownLoop }  // safe: closed loops are kept

    final var state: State { State(rawValue: stateWord.load(ordering: .acquiring))! }

    /// It has a result, has failed, or was cancelled.
    public final var isDone: Bool { state != .pending }
    /// It was cancelled.
    public final var isCancelled: Bool { state == .cancelled }
    /// What was given to `cancel`.
    public final var cancelMessage: String? { isCancelled ? message : nil }

    // MARK: Deciding

    /// To be called on the loop's thread, after the result was stored.
    final func finish(_ state: State) {
        stateWord.store(state.rawValue, ordering: .releasing)
        let told = observers
        observers = []
        for observer in told { tell(observer) }
    }

    final func fail(_ error: any Error) {
        self.error = error
        finish(.failed)
    }

    private final func tell(_ observer: DoneObserver) {
        switch observer {
        case .callback(let callback, let body):
            loop.callInNextTurn(file: callback.file, line: callback.line) { try body(self) }
        case .task(let continuation): continuation.resume()
        case .stack(let token): token.wake()
        case .elsewhere(let waiter): waiter.resume(returning: ())
        case .combination(_, _, let body): body(self)
        }
    }

    /// Cancels it: who waits for it gets `CancellationError`. From any thread.
    ///
    /// - Parameter message: kept as `cancelMessage`.
    /// - Returns: false when it was done already, or its loop is closed.
    @discardableResult
    public final func cancel(_ message: String? = nil) -> Bool {
        guard loop.isCurrent else {
            return !isDone && loop.perform { self.cancelHere(message) }
        }
        return cancelHere(message)
    }

    @discardableResult
    private final func cancelHere(_ message: String?) -> Bool {
        if isDone { return false }
        self.message = message
        requestCancel()
        return true
    }

    func requestCancel() { finish(.cancelled) }

    // MARK: Callbacks

    func addObserver(_ observer: DoneObserver) {
        if isDone { tell(observer) } else { observers.append(observer) }
    }

    final func addDoneCallback(
        named name: String, file: StaticString, line: UInt32, _ body: @escaping (AnyFuture) throws -> Void
    ) throws(LoopError) -> DoneCallback {
        try loop.requireOwnThread()
        let callback = DoneCallback(number: loop.asyncState.nextNumber(), name: name, file: file, line: line)
        var body = body
        if let values = TaskLocalValues.current() {
            body = { [body] future in try values.bound { try body(future) } }
        }
        addObserver(.callback(callback, body))
        return callback
    }

    /// Takes a callback back.
    ///
    /// - Returns: false when it was called already, or is about to be.
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    @discardableResult
    public final func removeDoneCallback(_ callback: DoneCallback) throws(LoopError) -> Bool {
        try loop.requireOwnThread()
        let count = observers.count
        observers.removeAll { if case .callback(callback, _) = $0 { true } else { false } }
        return observers.count < count
    }

    final func removeCombination(_ id: ObjectIdentifier) {
        observers.removeAll { if case .combination(id, _, _) = $0 { true } else { false } }
    }

    // MARK: Looking

    /// The error it failed with; `nil` for one that has a result. Looking at it counts as having noticed.
    ///
    /// - Throws: `InvalidStateError.exceptionNotSet` before the end; `CancellationError` when it was cancelled.
    public final func exception() throws -> (any Error)? {
        switch state {
        case .pending: throw InvalidStateError.exceptionNotSet
        case .finished: return nil
        case .cancelled: throw CancellationError()
        case .failed:
            isObserved.store(true, ordering: .relaxed)
            return error
        }
    }

    /// Throws unless it has a result.
    final func checkResult() throws {
        switch state {
        case .pending: throw InvalidStateError.resultNotSet
        case .finished: return
        case .cancelled: throw CancellationError()
        case .failed:
            isObserved.store(true, ordering: .relaxed)
            throw error!
        }
    }

    @inline(never)
    private final func reportUnretrieved() {
        loop.callExceptionHandler(
            LoopFailure(
                .unretrievedError, "\(kindName) exception was never retrieved", subject: "future: \(self)",
                error: error))
    }

    // MARK: Describing

    var kindName: String { "Future" }

    /// The words between the state and the result.
    var details: [String] { [] }

    var stateWords: String {
        switch state {
        case .pending: "pending"
        case .cancelled: "cancelled"
        case .finished, .failed: "finished"
        }
    }

    var resultDescription: String { "" }

    /// In asyncio's form: `<Future finished result=1>`.
    public final var description: String { describe(details) }

    final func describe(_ details: [String]) -> String {
        var words = [kindName, stateWords] + details
        switch state {
        case .finished: words.append("result=\(resultDescription)")
        case .failed: words.append("exception=\(describeError(error!))")
        case .cancelled: break
        case .pending:
            // Elsewhere they might change meanwhile.
            if loop.isCurrent, !observers.isEmpty { words.append("cb=[\(describeObservers())]") }
        }
        return "<\(words.joined(separator: " "))>"
    }

    private final func describeObservers() -> String {
        guard observers.count > 2 else { return observers.map(\.description).joined(separator: ", ") }
        return "\(observers.first!.description), <\(observers.count - 2) more>, \(observers.last!.description)"
    }

    public static func == (left: AnyFuture, right: AnyFuture) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// An error as Python's `repr` shows one: its type and what it says.
private func describeError(_ error: any Error) -> String {
    error is any CustomStringConvertible ? "\(type(of: error))(\"\(error)\")" : String(reflecting: error)
}
