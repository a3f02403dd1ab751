/// Nothing was in the queue, and none came in time. asyncio.QueueEmpty, gevent.queue.Empty.
public struct QueueEmpty: Error, Hashable, CustomStringConvertible {
    public init() {}
    public var description: String { "the queue is empty: get() waits for an item, getNoWait() does not" }
}

/// The queue was full, and no room came in time. asyncio.QueueFull, gevent.queue.Full.
public struct QueueFull: Error, Hashable, CustomStringConvertible {
    public init() {}
    public var description: String { "the queue is full: put(_:) waits for room, putNoWait(_:) does not" }
}

/// The queue was shut down: nothing can be put, or nothing is left to get. asyncio.QueueShutDown, gevent's ShutDown.
public struct QueueShutDown: Error, Hashable, CustomStringConvertible {
    public init() {}
    public var description: String { "the queue was shut down: nothing more can be put, and nothing is left to get" }
}

/// A queue was used in a way that can only be a mistake.
public enum QueueError: Error, Hashable, CustomStringConvertible {
    /// `taskDone()` was called more often than items were put.
    case taskDoneTooOften

    public var description: String {
        switch self {
        case .taskDoneTooOften:
            "taskDone() was called more often than items were put: call it once for each item that get() answered"
        }
    }
}
