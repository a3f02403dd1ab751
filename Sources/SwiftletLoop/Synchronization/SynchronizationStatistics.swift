/// What a lock, semaphore, event, condition, barrier or limiter is doing, and has done so far. A snapshot.
public struct SynchronizationStatistics: Sendable, Hashable {
    /// How many wait now.
    public var waiting: Int
    /// How many hold it now: of a lock 0 or 1, of a semaphore the permits that are out, at a barrier those who have come.
    public var holders: Int
    /// How often it was had: acquired, notified, passed.
    public var acquisitions: Int
    /// How often somebody had to wait.
    public var waits: Int
}
