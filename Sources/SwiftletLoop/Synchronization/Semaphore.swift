/// Lets a number of fibers, tasks or threads in at a time. asyncio.Semaphore, gevent's Semaphore.
///
/// ```swift
/// let limit = Semaphore(100)
/// let fibers = urls.map { url in spawn { try limit.withPermit { try HTTP.get(url).text } } }
/// ```
public final class Semaphore: PermitPool, @unchecked Sendable {
    /// Makes a semaphore with a number of permits; a negative one counts as zero.
    public override init(_ permits: Int = 1) { super.init(permits) }

    /// Releases a permit. It need not have been acquired: so permits are added.
    @inlinable
    public func release() { releaseOne() }

    /// Releases several permits.
    public func release(_ count: Int) { for _ in 0..<max(count, 0) { releaseOne() } }
}

/// A semaphore that never has more permits than it began with. asyncio.BoundedSemaphore.
public final class BoundedSemaphore: PermitPool, @unchecked Sendable {
    /// How many permits there are.
    public let limit: Int

    /// Makes a semaphore with a number of permits; less than one counts as one.
    public override init(_ permits: Int = 1) {
        limit = max(permits, 1)
        super.init(limit)
    }

    /// Releases a permit.
    ///
    /// - Throws: `SemaphoreError.releasedTooOften` when none is out.
    public func release() throws(SemaphoreError) {
        shared.lock()
        guard shared.state.available < limit else {
            shared.unlock()
            throw .releasedTooOften(limit: limit)
        }
        let elsewhere = shared.state.putBack()
        shared.unlock()
        elsewhere?.wake()
    }
}

/// A semaphore was used in a way that can only be a mistake.
public enum SemaphoreError: Error, Hashable, CustomStringConvertible {
    /// More permits were released than acquired.
    case releasedTooOften(limit: Int)

    public var description: String {
        switch self {
        case .releasedTooOften(let limit):
            """
            the bounded semaphore has all its \(limit) permits already: somebody released one twice, or without acquiring \
            it. Use withPermit { }, or Semaphore to add permits
            """
        }
    }
}
