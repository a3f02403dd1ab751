/// Chooses in which of a pool's queues a job waits. aiomultiprocess's `Scheduler`.
///
/// Each worker serves one queue; with one queue, the default, all do, and the least loaded of them takes the next job.
public protocol PoolScheduler: Sendable {
    /// Chooses the queue for a job, by its place in the list. Called on one thread.
    mutating func choose(among queues: [QueueLoad]) -> Int
}

/// What there is to do in one of a pool's queues.
public struct QueueLoad: Sendable, Hashable {
    /// Calls that no worker has taken yet.
    public let waiting: Int
    /// Calls that its workers are at.
    public let running: Int
    /// How many workers serve it.
    public let workers: Int
}

/// The queue with the least to do for each of its workers.
public struct LeastLoaded: PoolScheduler {
    public init() {}

    public mutating func choose(among queues: [QueueLoad]) -> Int {
        func load(_ queue: QueueLoad) -> Double {
            Double(queue.waiting + queue.running) / Double(max(queue.workers, 1))
        }
        return queues.indices.min { load(queues[$0]) < load(queues[$1]) } ?? 0
    }
}

/// One queue after the other.
public struct RoundRobin: PoolScheduler {
    private var next = 0

    public init() {}

    public mutating func choose(among queues: [QueueLoad]) -> Int {
        defer { next += 1 }
        return next % queues.count
    }
}
