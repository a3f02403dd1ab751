/// Where a generator's body stands. Python's `GEN_CREATED` and so on.
public enum GeneratorState: UInt8, Sendable, Hashable, CustomStringConvertible {
    /// Nothing has run yet.
    case created
    /// The body runs now.
    case running
    /// The body waits in a `yield`.
    case suspended
    /// The body has ended, or will never start.
    case closed

    /// Python's name of the state.
    public var description: String {
        switch self {
        case .created: "GEN_CREATED"
        case .running: "GEN_RUNNING"
        case .suspended: "GEN_SUSPENDED"
        case .closed: "GEN_CLOSED"
        }
    }
}

/// Thrown by `yield` when the generator is closed or dropped. Let it pass, so that the body unwinds.
public struct GeneratorExit: Error, Hashable {
    public init() {}
}

/// Misuse of a generator.
public enum GeneratorError: Error, Hashable, CustomStringConvertible {
    /// The body, or something it called, resumed its own generator.
    case alreadyExecuting
    /// A value was sent to a body that waits in no `yield` yet.
    case sendBeforeStart
    /// `start()` on a body that has begun.
    case alreadyStarted
    /// The body yielded although it was being closed.
    case ignoredExit
    /// `yield` was called on another stack than the body's, or after the body's end.
    case yieldOutsideBody
    /// The outcome was asked for before the end.
    case notFinished
    /// `StopIteration` left the body.
    case raisedStopIteration
    /// A generator belongs to the thread that made it.
    case wrongThread(owner: ThreadIdentity)

    public var description: String {
        switch self {
        case .alreadyExecuting: "generator already executing: its own body resumed it"
        case .sendBeforeStart:
            "cannot send a value to a just-started generator: no yield waits for it yet; call start() first"
        case .alreadyStarted: "the generator has already started: call next() or send(_:)"
        case .ignoredExit: "the generator ignored GeneratorExit: it yielded while being closed; let the error pass"
        case .yieldOutsideBody:
            "yield was called outside the generator's body: it works only on the stack that the body runs on"
        case .notFinished: "the generator has not ended yet"
        case .raisedStopIteration:
            "generator raised StopIteration: return from the body to end it, or throw an error of your own"
        case .wrongThread(let owner):
            "the generator belongs to \(owner) and cannot be resumed elsewhere: make it on the thread that uses it"
        }
    }
}
