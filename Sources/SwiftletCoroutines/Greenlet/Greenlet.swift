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
public final class Greenlet<Message>: AnyGreenlet {
    /// Makes a greenlet; its body does not start yet.
    ///
    /// - Parameters:
    ///   - name: how overflow reports and diagnostics call it.
    ///   - parent: where control goes at its end; by default the greenlet that makes it.
    ///   - stackSize: bytes of address space for the stack, 32 KB to 8 MB; memory is used only as touched.
    ///   - run: the body. The `Message` or `Message?` that it returns is what the `switch` that waits in the parent
    ///     returns; a body that returns nothing makes it `nil`. Any other type of result arrives there as
    ///     `GreenletError.resultIsNoMessage`.
    public init<Outcome>(
        name: String? = nil, parent: Greenlet? = nil, stackSize: Int = StackSize.default,
        _ run: @escaping (Message) throws -> Outcome
    ) {
        // One initializer for all three: overloads by the closure's result are ambiguous to the type checker.
        let body: (ErasedValue) throws -> ErasedValue? = { message in
            let outcome = try run(message.value(as: Message.self))
            if let result = outcome as? Message? { return result.map { ErasedValue($0) } }
            if outcome is Void { return nil }
            throw GreenletError.resultIsNoMessage("\(Outcome.self)")
        }
        super.init(
            core: GreenletCore(
                name: name, family: ObjectIdentifier(Message.self), parent: parent ?? .current, stackSize: stackSize,
                body: body))
    }

    init(handleOf core: GreenletCore) { super.init(core: core) }

    /// The greenlet that runs now; the thread's (or fiber's) main one when no other does.
    public static var current: Greenlet {
        Greenlet(handleOf: GreenletThread.core(family: ObjectIdentifier(Message.self)))
    }

    /// Continues this greenlet and passes it a message. Dead ones pass control on to their parent.
    ///
    /// - Returns: what somebody later passes to the calling greenlet; `nil` when that was nothing.
    /// - Throws: what somebody throws into the calling greenlet; `GreenletError` on misuse.
    @inlinable
    @discardableResult
    public func `switch`(_ message: Message) throws -> Message? {
        try core.switchTo(ErasedValue(message)).map { $0.value(as: Message.self) }
    }

    /// Continues this greenlet and passes nothing. Starting a body that wants a message this way throws
    /// `GreenletError.missingFirstMessage`.
    @inlinable
    @discardableResult
    public func `switch`() throws -> Message? {
        try core.switchTo((() as? Message).map { ErasedValue($0) }).map { $0.value(as: Message.self) }
    }

    /// Continues this greenlet by throwing an error at its suspension point. The body of one that has not started
    /// never runs; the error goes to its parent.
    ///
    /// - Returns: what somebody later passes to the calling greenlet.
    @discardableResult
    public func `throw`(_ error: any Error = GreenletExit()) throws -> Message? {
        try core.throwInto(error).map { $0.value(as: Message.self) }
    }

    /// Where control goes when this greenlet ends; `nil` for a main greenlet.
    public var parent: Greenlet? { core.parent.map { Greenlet(handleOf: $0.core) } }

    /// Changes the parent.
    ///
    /// - Throws: `GreenletError.cyclicParents`, `.wrongThread`, or `.mainHasNoParent`; the old parent is kept.
    public func setParent(_ new: Greenlet) throws { try core.setParent(new) }

    /// Sets or removes this thread's trace callback. It is told of each transfer of control between greenlets of this
    /// message type, after it has happened. A callback that throws is removed and its error reported.
    public static func setTrace(_ callback: ((GreenletEvent, _ from: Greenlet, _ to: Greenlet) throws -> Void)?) {
        let erased = callback.map { callback in
            { (event: GreenletEvent, from: GreenletCore, to: GreenletCore) throws in
                try callback(event, Greenlet(handleOf: from), Greenlet(handleOf: to))
            }
        }
        GreenletThread.current.setTrace(erased, family: ObjectIdentifier(Message.self))
    }
}
