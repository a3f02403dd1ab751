import Synchronization

/// What all greenlets have in common, whatever their messages are.
///
/// A handle: the coroutine itself, its core, lives on while it runs or unwinds after its last handle is gone.
@safe
public class AnyGreenlet: Equatable, CustomStringConvertible {
    @usableFromInline final let core: GreenletCore

    init(core: GreenletCore) {
        self.core = core
        core.handleCount.add(1, ordering: .relaxed)
    }

    deinit {
        if core.handleCount.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { core.lostHandle() }
    }

    /// The body has ended, or never will start.
    public final var isDead: Bool { unsafe core.state == .dead }

    /// Started and not dead.
    public final var isActive: Bool { unsafe core.state == .active }

    /// The name given at its making.
    public final var name: String? { core.name }

    public static func == (left: AnyGreenlet, right: AnyGreenlet) -> Bool { left.core === right.core }

    public final var description: String {
        unsafe "<Greenlet \(core.isMain ? "main" : name ?? "unnamed") \(core.state)>"
    }
}

/// Thrown into a greenlet that is dropped or told to end. It ends the body quietly: the parent's `switch` returns
/// `nil`.
public struct GreenletExit: Error, Hashable {
    public init() {}
}

/// Misuse of a greenlet.
public enum GreenletError: Error, Hashable, CustomStringConvertible {
    /// A greenlet belongs to the thread that made it.
    case wrongThread(owner: ThreadIdentity, current: ThreadIdentity)
    /// The thread, fiber or task whose main greenlet this is has ended.
    case homeEnded
    /// It runs elsewhere, or waits in a loop: only that loop may continue it.
    case notSuspended
    /// A chain of parents would lead back to its start.
    case cyclicParents
    /// The main greenlet's parent cannot be set.
    case mainHasNoParent
    /// A body returned something that is neither a message nor nothing.
    case resultIsNoMessage(String)
    /// A body was started by `switch()`, but takes a message.
    case missingFirstMessage

    public var description: String {
        switch self {
        case .wrongThread(let owner, let current):
            "cannot switch to a different thread: the greenlet belongs to \(owner), the caller is \(current)"
        case .homeEnded: "cannot switch to a main greenlet whose thread, fiber or task has ended"
        case .notSuspended:
            "the greenlet waits in its loop or runs elsewhere: it cannot be switched to until it has switched"
        case .cyclicParents: "cyclic parent chain"
        case .mainHasNoParent: "the main greenlet has no parent"
        case .resultIsNoMessage(let type): "the body returned \(type), which is no message of its greenlet"
        case .missingFirstMessage: "the first switch starts the body and must pass its message: call switch(_:)"
        }
    }
}

/// One step that a trace callback is told of.
public enum GreenletEvent: Sendable, Hashable {
    case `switch`
    case `throw`
}
