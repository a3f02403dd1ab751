/// Takes items from a queue or channel until it is closed and empty.
@safe
public struct ItemIterator<Element>: IteratorProtocol {
    @usableFromInline let exchange: Exchange<Element>

    @inlinable
    init(_ exchange: Exchange<Element>) { self.exchange = exchange }

    /// The next item, waited for. `nil` at the end, and when the wait was cancelled: then every later wait of the caller
    /// throws, and `checkCancellation()` tells.
    @inlinable
    public mutating func next() -> Element? {
        var slot: Element?
        do {
            _ = try exchange.take(&slot, until: nil)
        } catch {
            return nil
        }
        return slot
    }
}

/// Takes items from a queue or channel, in a task, until it is closed and empty.
public struct AsyncItemIterator<Element>: AsyncIteratorProtocol {
    @usableFromInline let exchange: Exchange<Element>

    @inlinable
    init(_ exchange: Exchange<Element>) { self.exchange = exchange }

    /// The next item, waited for; `nil` at the end.
    ///
    /// - Throws: `CancellationError`.
    @inlinable
    public mutating func next() async throws -> Element? {
        var slot: Element?
        _ = try await exchange.takeInTask(&slot, until: nil)
        return slot
    }
}

extension Queue: Sequence, AsyncSequence {
    /// Gets items until the queue is shut down and empty. An item goes to one iteration only.
    @inlinable
    public func makeIterator() -> ItemIterator<Element> { ItemIterator(exchange) }

    @inlinable
    public func makeAsyncIterator() -> AsyncItemIterator<Element> { AsyncItemIterator(exchange) }
}

extension Channel: Sequence, AsyncSequence {
    /// Receives items until the channel is closed and empty. An item goes to one iteration only.
    @inlinable
    public func makeIterator() -> ItemIterator<Element> { ItemIterator(exchange) }

    @inlinable
    public func makeAsyncIterator() -> AsyncItemIterator<Element> { AsyncItemIterator(exchange) }
}
