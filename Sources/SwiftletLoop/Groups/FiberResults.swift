import CSwiftlet
import SwiftletCoroutines

/// What `imap` and `imapUnordered` answer: one value an item. Asking for the next one parks until it is there.
///
/// A `for` loop cannot throw where it waits: an error ends it and is kept in `failure`. `next()` throws the error of an item
/// in its place, and goes on behind it when called again. When the object is dropped no further items are taken; those
/// under way are finished.
///
/// Thread rules: it belongs to the loop of its group.
public final class FiberResults<Value>: Sequence {
    private let state: State
    private let producer: Fiber<Void>
    /// What ended a `for` loop early.
    public private(set) var failure: (any Error)?

    /// Shared with the producer and the items' fibers, which do not keep the object itself alive.
    private final class State {
        let isOrdered: Bool
        let lookAhead: Int
        var ready: [Int: Result<Value, any Error>] = [:]
        /// Numbers of items, in the order of their ends; used when that is the order of handing out.
        var ended: [Int] = []
        var taken = 0
        var handedOut = 0
        var isProducing = true
        var failure: (any Error)?
        var consumers: [WaitToken] = []
        var producer: WaitToken?

        init(isOrdered: Bool, lookAhead: Int?) {
            self.isOrdered = isOrdered
            self.lookAhead = lookAhead.map { Swift.max(1, $0) } ?? .max
        }

        func wakeConsumers() {
            let tokens = consumers
            consumers = []
            for token in tokens { token.wake() }
        }

        func put(_ outcome: Result<Value, any Error>, for number: Int) {
            ready[number] = outcome
            if !isOrdered { ended.append(number) }
            wakeConsumers()
        }

        func pop() -> Result<Value, any Error>? {
            guard isOrdered || handedOut < ended.count else { return nil }
            guard let outcome = ready.removeValue(forKey: isOrdered ? handedOut : ended[handedOut]) else { return nil }
            handedOut += 1
            producer?.wake()
            return outcome
        }

        func waitUntilWanted() throws {
            while taken - handedOut >= lookAhead {
                defer { producer = nil }
                _ = try park(.fiber) { producer = $0 }
            }
        }
    }

    init<Items: Sequence>(
        _ items: Items, in group: FiberSet, isOrdered: Bool, lookAhead: Int?, file: StaticString, line: UInt32,
        _ body: @escaping (Items.Element) throws -> Value
    ) {
        group.loop.requireCurrent("a group of fibers")
        let state = State(isOrdered: isOrdered, lookAhead: lookAhead)
        self.state = state
        producer = spawn(file: file, line: line) {
            for item in items {
                try state.waitUntilWanted()
                let number = state.taken
                let fiber = try group.spawnMember(name: nil, until: nil, file: file, line: line) { try body(item) }
                state.taken += 1
                fiber.rawLink { fiber in
                    if let outcome = unsafe unsafeDowncast(fiber, to: Fiber<Value>.self).outcome {
                        state.put(outcome, for: number)
                    }
                }
            }
        }
        producer.rawLink { producer in
            state.isProducing = false
            state.failure = unsafe (producer as AnyFiber).failure
            producer.isObserved = true
            state.wakeConsumers()
        }
    }

    deinit { producer.cancel() }

    /// Waits for the next value.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Returns: `nil` when there are no more.
    /// - Throws: what the body threw for this item; `CancellationError`; `DeadlockError`.
    public func next() throws -> Value? {
        try producer.loop.requireOwnThread()
        while true {
            if let outcome = state.pop() { return try outcome.get() }
            if !state.isProducing, state.handedOut == state.taken {
                defer { state.failure = nil }
                if let failure = state.failure { throw failure }
                return nil
            }
            var mine: WaitToken?
            defer { state.consumers.removeAll { $0 == mine } }
            _ = try park(.fiber) { token in
                mine = token
                state.consumers.append(token)
            }
        }
    }

    public struct Iterator: IteratorProtocol {
        fileprivate let results: FiberResults

        public mutating func next() -> Value? {
            do {
                return try results.next()
            } catch {
                results.failure = error
                return nil
            }
        }
    }

    public func makeIterator() -> Iterator { Iterator(results: self) }
}
