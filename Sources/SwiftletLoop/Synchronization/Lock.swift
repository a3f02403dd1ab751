/// Mutual exclusion for fibers, tasks and threads. asyncio.Lock, trio.StrictFIFOLock.
///
/// ```swift
/// let lock = Lock()
/// try lock.withLock { try connection.send(request) }        // in a fiber, a thread or synchronous code of a task
/// try await lock.withLock { try await session.refresh() }   // in a task
/// ```
///
/// Acquiring it twice would wait for ever; it throws `LockError.alreadyHeld` instead.
public final class Lock: OwnedLock, @unchecked Sendable {
    public init() { super.init(isReentrant: false) }
}

/// A lock that its owner may acquire again, and is free when it has been released as often. threading.RLock, gevent's RLock.
public final class RLock: OwnedLock, @unchecked Sendable {
    public init() { super.init(isReentrant: true) }
}
