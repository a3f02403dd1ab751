/// What a queue or channel is doing, and has done so far. A snapshot.
public struct QueueStatistics: Sendable, Hashable {
    /// How many items are in it.
    public var count: Int
    /// How many it holds before putting or sending waits; `Int.max` for any number.
    public var capacity: Int
    /// How many wait to put or send.
    public var waitingToPut: Int
    /// How many wait to get or receive.
    public var waitingToGet: Int
    /// How many items were put or sent.
    public var puts: Int
    /// How many were got or received, or dropped by an immediate shutdown.
    public var gets: Int
    /// Of a queue: for how many `taskDone()` has not been called yet.
    public var unfinished: Int
    /// It was shut down or closed.
    public var isClosed: Bool
}

extension Exchange {
    var capacity: Int { shared.withLock { $0.capacity } }

    var statistics: QueueStatistics {
        shared.withLock {
            QueueStatistics(
                count: $0.store.count, capacity: $0.capacity, waitingToPut: $0.givers.count,
                waitingToGet: $0.takers.count + $0.peekers.count, puts: $0.given, gets: $0.taken,
                unfinished: $0.given - $0.finished, isClosed: $0.isClosed)
        }
    }
}
