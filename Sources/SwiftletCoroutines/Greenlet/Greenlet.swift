/// A coroutine that names whom to switch to. There is no scheduler: control goes where `switch` sends it.
///
/// ```swift
/// let pong = Greenlet<Int> { ball in
///     var ball = ball
///     while true { ball = try Greenlet<Int>.current.parent!.switch(ball + 1)! }
/// }
/// try pong.switch(0)  // 1
/// try pong.switch(5)  // 6
/// ```
///
/// The first `switch` starts the body and passes its argument; each later one becomes the return value of the
/// `switch` in which the body waits. When the body ends, control and its result go to the parent. When the last
/// reference to a suspended greenlet goes, `GreenletExit` is thrown into it, so that it unwinds.
/// The source is Python's greenlet; `Message` replaces its untyped arguments.
///
/// Thread rules: a greenlet belongs to the thread that made it; switching to it elsewhere throws
/// `GreenletError.wrongThread`. It may be dropped anywhere.
@safe
public final class Greenlet<Message>: Equatable, CustomStringConvertible {
    let core: GreenletCore<Message>

    init(core: GreenletCore<Message>) {
        self.core = core
        core.handle = self
    }

    /// Makes a greenlet; its body does not start yet.
    ///
    /// - Parameters:
    ///   - name: how overflow reports and diagnostics call it.
    ///   - parent: where control goes at its end; by default the greenlet that makes it.
    ///   - stackSize: bytes of address space for the stack, 32 KB to 8 MB; memory is used only as touched.
    ///   - run: the body. The `Message` or `Message?` that it returns is what the `switch` that waits in the parent
    ///     returns; a body that returns nothing makes it `nil`. Any other type of result arrives there as
    ///     `GreenletError.resultIsNoMessage`.
    public convenience init<Outcome>(
        name: String? = nil, parent: Greenlet? = nil, stackSize: Int = StackSize.default,
        _ run: @escaping (Message) throws -> Outcome
    ) {
        // One initializer for all three: overloads by the closure's result are ambiguous to the type checker.
        let body: (Message) throws -> Message? = { message in
            let outcome = try run(message)
            if let result = outcome as? Message? { return result }
            if outcome is Void { return nil }
            throw GreenletError.resultIsNoMessage("\(Outcome.self)")
        }
        self.init(core: GreenletCore(name: name, parent: parent ?? .current, stackSize: stackSize, body: body))
    }

    deinit { core.handleIsGone() }

    /// The greenlet that runs now; the thread's (or fiber's) main one when no other does.
    public static var current: Greenlet { GreenletCore<Message>.current.publicHandle }

    /// Continues this greenlet and passes it a message. Dead ones pass control on to their parent.
    ///
    /// - Returns: what somebody later passes to the calling greenlet; `nil` when that was nothing.
    /// - Throws: what somebody throws into the calling greenlet; `GreenletError` on misuse.
    @discardableResult
    public func `switch`(_ message: Message) throws -> Message? { try core.switchTo(message) }

    /// Continues this greenlet and passes nothing. Starting a body that wants a message this way throws
    /// `GreenletError.missingFirstMessage`.
    @discardableResult
    public func `switch`() throws -> Message? { try core.switchTo((() as? Message)) }

    /// Continues this greenlet by throwing an error at its suspension point. The body of one that has not started
    /// never runs; the error goes to its parent.
    ///
    /// - Returns: what somebody later passes to the calling greenlet.
    @discardableResult
    public func `throw`(_ error: any Error = GreenletExit()) throws -> Message? { try core.throwInto(error) }

    /// Where control goes when this greenlet ends; `nil` for a main greenlet.
    public var parent: Greenlet? { core.parent }

    /// Changes the parent.
    ///
    /// - Throws: `GreenletError.cyclicParents`, `.wrongThread`, or `.mainHasNoParent`; the old parent is kept.
    public func setParent(_ new: Greenlet) throws { try core.setParent(new) }

    /// The body has ended, or never will start.
    public var isDead: Bool { core.state == .dead }

    /// Started and not dead.
    public var isActive: Bool { core.state == .active }

    /// The name given at its making.
    public var name: String? { core.name }

    public static func == (left: Greenlet, right: Greenlet) -> Bool { left.core === right.core }

    public var description: String {
        "<Greenlet \(core.isMain ? "main" : name ?? "unnamed") \(core.state)>"
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

extension Greenlet {
    /// Sets or removes this thread's trace callback. It is told of each transfer of control between greenlets of this
    /// message type, after it has happened. A callback that throws is removed and its error reported.
    public static func setTrace(_ callback: ((GreenletEvent, _ from: Greenlet, _ to: Greenlet) throws -> Void)?) {
        GreenletThread.current.traces[ObjectIdentifier(Message.self)] = callback
    }
}
