/// Items on their way from senders to receivers, many of each, in the order sent. Go's `chan`, trio's memory channel.
///
/// ```swift
/// let numbers = Channel<Int>()
/// spawn { for n in 1...3 { try numbers.send(n) }; numbers.close() }
/// for n in numbers { print(n) }
/// ```
///
/// Without capacity it is a rendezvous: each send waits for its receiver. Whoever waits is served in the order of arrival.
/// Usable from fibers, tasks and plain threads of any loop. An item is never lost: a send that is cancelled has sent
/// nothing, a receive has taken nothing, or each has done its work and ends well.
///
/// States: open -> closed.
public final class Channel<Element>: @unchecked Sendable {
    @usableFromInline let exchange: Exchange<Element>

    /// Makes a channel.
    ///
    /// - Parameter capacity: how many items it holds before sending waits: none by default, `Int.max` for any number.
    @inlinable
    public init(capacity: Int = 0) { exchange = Exchange(.channel, .firstIn, capacity: Swift.max(capacity, 0)) }

    /// Sends an item, waiting for a receiver or for room.
    ///
    /// Cancellation: ends the wait; the item is not sent then.
    /// - Throws: `ChannelError.closed`, also when it is closed meanwhile; `DeadlineExceeded` after `timeout`;
    ///   `CancellationError`.
    @inlinable
    public func send(_ item: sending Element, timeout: Duration? = nil) throws {
        var slot: Element? = item
        try checkSent(exchange.give(&slot, until: timeout.map { .after($0) }))
    }

    /// Sends an item, waiting for a receiver or for room, from a task.
    ///
    /// Cancellation: ends the wait; the item is not sent then.
    @inlinable
    public func send(_ item: sending Element, timeout: Duration? = nil) async throws {
        try await checkSent(exchange.giveInTask(item, until: timeout.map { .after($0) }))
    }

    /// Sends an item if a receiver waits, or there is room.
    ///
    /// - Throws: `ChannelError.wouldWait`, `.closed`.
    @inlinable
    public func sendNoWait(_ item: sending Element) throws {
        var slot: Element? = item
        try checkSent(exchange.tryGive(&slot))
    }

    /// Receives the next item, waiting for one.
    ///
    /// Cancellation: ends the wait; nothing is taken then.
    /// - Returns: `nil` when the channel is closed and empty.
    /// - Throws: `DeadlineExceeded` after `timeout`; `CancellationError`.
    @inlinable
    public func receive(timeout: Duration? = nil) throws -> sending Element? {
        var slot: Element?
        if try exchange.take(&slot, until: timeout.map { .after($0) }) == .timedOut { throw DeadlineExceeded() }
        return unsafe handOverOptional(slot)
    }

    /// Receives the next item, waiting for one, from a task.
    ///
    /// Cancellation: ends the wait; nothing is taken then.
    /// - Returns: `nil` when the channel is closed and empty.
    @inlinable
    public func receive(timeout: Duration? = nil) async throws -> sending Element? {
        var slot: Element?
        if try await exchange.takeInTask(&slot, until: timeout.map { .after($0) }) == .timedOut {
            throw DeadlineExceeded()
        }
        return unsafe handOverOptional(slot)
    }

    /// Receives the next item if there is one, or a sender waits.
    ///
    /// - Returns: `nil` when the channel is closed and empty.
    /// - Throws: `ChannelError.wouldWait`.
    @inlinable
    public func receiveNoWait() throws(ChannelError) -> sending Element? {
        var slot: Element?
        if exchange.tryTake(&slot) == .mustWait { throw .wouldWait }
        return unsafe handOverOptional(slot)
    }

    @inlinable
    @inline(__always)
    func checkSent(_ outcome: Exchange<Element>.Outcome) throws {
        switch outcome {
        case .done: return
        case .closed: throw ChannelError.closed
        case .mustWait: throw ChannelError.wouldWait
        case .timedOut: throw DeadlineExceeded()
        }
    }

    /// Ends the sending: who sends, or waits to, gets `ChannelError.closed`. Items that it holds can still be received; then
    /// receivers get `nil` and iterations end.
    ///
    /// Closing again does nothing, so that each of several senders may do it in a `defer`.
    /// - Returns: whether this call closed it.
    @discardableResult
    public func close() -> Bool { exchange.close(dropping: false) }

    /// It was closed; it may still hold items.
    public var isClosed: Bool { exchange.shared.withLock { $0.isClosed } }
    /// How many items it holds. Those of waiting senders do not count.
    public var count: Int { exchange.shared.withLock { $0.store.count } }
    /// How many items it holds before sending waits.
    public var capacity: Int { exchange.capacity }
    /// What it holds, who waits, and what has gone through.
    public var statistics: QueueStatistics { exchange.statistics }
}

/// An item could not be sent or received.
public enum ChannelError: Error, Hashable, CustomStringConvertible {
    /// The channel is closed: nobody would receive the item.
    case closed
    /// It would have to wait.
    case wouldWait

    public var description: String {
        switch self {
        case .closed: "the channel is closed: whoever closes it must know that nobody sends any more"
        case .wouldWait:
            "nobody is ready at the other end of the channel: send and receive wait, their NoWait forms do not"
        }
    }
}

/// What came through an exchange belongs to the caller: the sender gave it away.
@unsafe
@inlinable
@inline(__always)
func handOver<Element>(_ item: Element?) -> sending Element {
    nonisolated(unsafe) let item = item
    return unsafe item.unsafelyUnwrapped
}

@unsafe
@inlinable
@inline(__always)
func handOverOptional<Element>(_ item: Element?) -> sending Element? {
    nonisolated(unsafe) let item = item
    return unsafe item
}
