/// Items on their way from those who put them to those who get them, first in first out. asyncio.Queue, gevent's Queue and
/// JoinableQueue.
///
/// ```swift
/// let jobs = Queue<Job>(capacity: 100)
/// for _ in 0..<8 { spawn { for job in jobs { try job.run(); try jobs.taskDone() } } }
/// for job in all { try jobs.put(job) }
/// try jobs.join()
/// jobs.shutdown()
/// ```
///
/// Whoever waits is served in the order of arrival. Usable from fibers, tasks and plain threads of any loop. An item is
/// never lost: a wait that is cancelled has got nothing, or it has got its item and ends well.
///
/// States: open -> shut down.
public class Queue<Element>: @unchecked Sendable {
    @usableFromInline final let exchange: Exchange<Element>

    /// Makes a queue.
    ///
    /// - Parameter capacity: how many it holds before putting waits; `nil` for any number. Less than one counts as one.
    @inlinable
    public init(capacity: Int? = nil) {
        exchange = Exchange(.queue, .firstIn, capacity: capacity.map { Swift.max($0, 1) } ?? .max)
    }

    @inlinable
    init(_ order: ItemStore<Element>.Order, capacity: Int?) {
        exchange = Exchange(.queue, order, capacity: capacity.map { Swift.max($0, 1) } ?? .max)
    }

    /// Holds items from the beginning.
    init(_ store: ItemStore<Element>, capacity: Int) {
        exchange = Exchange(.queue, .firstIn, capacity: capacity)
        exchange.shared.withLock {
            $0.store = store
            $0.given = store.count
        }
    }

    // MARK: Putting

    /// Puts an item in, waiting for room.
    ///
    /// Cancellation: ends the wait; the item is not put then.
    /// - Throws: `QueueShutDown`; `QueueFull` after `timeout`; `CancellationError`.
    @inlinable
    public final func put(_ item: sending Element, timeout: Duration? = nil) throws {
        var slot: Element? = item
        try check(exchange.give(&slot, until: timeout.map { .after($0) }), QueueFull())
    }

    /// Puts an item in, waiting for room, from a task.
    ///
    /// Cancellation: ends the wait; the item is not put then.
    @inlinable
    public final func put(_ item: sending Element, timeout: Duration? = nil) async throws {
        try await check(exchange.giveInTask(item, until: timeout.map { .after($0) }), QueueFull())
    }

    /// Puts an item in if there is room.
    ///
    /// - Throws: `QueueFull`, `QueueShutDown`.
    @inlinable
    public final func putNoWait(_ item: sending Element) throws {
        var slot: Element? = item
        try check(exchange.tryGive(&slot), QueueFull())
    }

    // MARK: Getting

    /// Gets the next item, waiting for one.
    ///
    /// Cancellation: ends the wait; nothing is taken then.
    /// - Throws: `QueueShutDown` when it is shut down and empty; `QueueEmpty` after `timeout`; `CancellationError`.
    @inlinable
    public final func get(timeout: Duration? = nil) throws -> sending Element {
        var slot: Element?
        try check(exchange.take(&slot, until: timeout.map { .after($0) }), QueueEmpty())
        return unsafe handOver(slot)
    }

    /// Gets the next item, waiting for one, from a task.
    ///
    /// Cancellation: ends the wait; nothing is taken then.
    @inlinable
    public final func get(timeout: Duration? = nil) async throws -> sending Element {
        var slot: Element?
        try await check(exchange.takeInTask(&slot, until: timeout.map { .after($0) }), QueueEmpty())
        return unsafe handOver(slot)
    }

    /// Gets the next item if there is one.
    ///
    /// - Throws: `QueueEmpty`; `QueueShutDown` when it is shut down and empty.
    @inlinable
    public final func getNoWait() throws -> sending Element {
        var slot: Element?
        try check(exchange.tryTake(&slot), QueueEmpty())
        return unsafe handOver(slot)
    }

    /// The next item, which stays in the queue; waits for one.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: as `get`.
    public final func peek(timeout: Duration? = nil) throws -> Element {
        var slot: Element?
        try check(exchange.peek(&slot, until: timeout.map { .after($0) }), QueueEmpty())
        return slot!
    }

    /// The next item, which stays in the queue, if there is one.
    ///
    /// - Throws: as `getNoWait`.
    public final func peekNoWait() throws -> Element {
        var slot: Element?
        try check(exchange.tryPeek(&slot), QueueEmpty())
        return slot!
    }

    @inlinable
    @inline(__always)
    final func check(_ outcome: Exchange<Element>.Outcome, _ shortage: @autoclosure () -> some Error) throws {
        switch outcome {
        case .done: return
        case .closed: throw QueueShutDown()
        case .mustWait, .timedOut: throw shortage()
        }
    }

    // MARK: Joining

    /// One of the items that were got has been dealt with.
    ///
    /// - Throws: `QueueError.taskDoneTooOften`.
    public final func taskDone() throws(QueueError) {
        if !exchange.finishOne() { throw .taskDoneTooOften }
    }

    /// Waits until `taskDone()` was called for every item that was put.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false when `timeout` came first.
    @discardableResult
    public final func join(timeout: Duration? = nil) throws -> Bool {
        try exchange.waitUntilFinished(until: timeout.map { .after($0) })
    }

    /// Waits until `taskDone()` was called for every item that was put, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: false when `timeout` came first.
    @discardableResult
    public final func join(timeout: Duration? = nil) async throws -> Bool {
        let deadline = timeout.map { Deadline.after($0) }
        return try await parkInTask { try self.exchange.waitUntilFinished(until: deadline) }
    }

    // MARK: Ending and looking

    /// Ends the putting: who puts, or waits to, gets `QueueShutDown`. Items that are in it can still be got, unless
    /// `immediate`: then they are dropped, and count as dealt with. Calling it again does no harm.
    public final func shutdown(immediate: Bool = false) { _ = exchange.close(dropping: immediate) }

    /// It was shut down.
    public final var isShutDown: Bool { exchange.shared.withLock { $0.isClosed } }
    /// How many items are in it.
    public final var count: Int { exchange.shared.withLock { $0.store.count } }
    /// None is in it.
    public final var isEmpty: Bool { count == 0 }
    /// Putting would wait.
    public final var isFull: Bool { exchange.shared.withLock { $0.store.count >= $0.capacity } }
    /// How many it holds before putting waits; `nil` for any number.
    public final var capacity: Int? { exchange.capacity == .max ? nil : exchange.capacity }
    /// What is in it, who waits, and what has gone through.
    public final var statistics: QueueStatistics { exchange.statistics }
}

/// gevent's name for a queue that can be joined: here each can.
public typealias JoinableQueue = Queue

/// gevent's name for a queue that cannot be joined: here each can, and costs no more.
public typealias SimpleQueue = Queue

extension Queue where Element: Sendable {
    /// Another queue that holds the same items, has the same capacity and gives in the same order. gevent's `copy`.
    ///
    /// It is open, nobody waits for it, and its items count as put there: `join` waits for them.
    /// - Complexity: O(n) in the number of items, when one of the two changes.
    public final func copy() -> Queue {
        let (store, capacity) = exchange.shared.withLock { ($0.store, $0.capacity) }
        return Queue(store, capacity: capacity)
    }
}

/// Gives the smallest item first; equal ones in the order in which they were put. asyncio.PriorityQueue.
///
/// The comparison runs under the queue's lock: it must not wait, nor use the queue.
public final class PriorityQueue<Element>: Queue<Element>, @unchecked Sendable {
    /// Makes a queue that gives first what precedes all others.
    @inlinable
    public init(capacity: Int? = nil, by precedes: @escaping @Sendable (Element, Element) -> Bool) {
        super.init(.smallest(precedes), capacity: capacity)
    }

    /// Makes a queue that gives the smallest item first.
    @inlinable
    public init(capacity: Int? = nil) where Element: Comparable {
        super.init(.smallest { $0 < $1 }, capacity: capacity)
    }
}

/// Gives the item first that was put last. asyncio.LifoQueue.
public final class LifoQueue<Element>: Queue<Element>, @unchecked Sendable {
    @inlinable
    public override init(capacity: Int? = nil) { super.init(.lastIn, capacity: capacity) }
}
