/// Where a `map` takes its jobs from, some at a time: compiled with the caller's types, so that taking one costs little.
@usableFromInline
struct JobSource<Job>: @unchecked Sendable {
    /// At most so many; none at the end. Called by one stack at a time.
    let take: (Int) -> [Job]

    @usableFromInline
    init(take: @escaping (Int) -> [Job]) { self.take = take }

    @inlinable
    init(_ jobs: sending some Sequence<Job>) {
        var iterator = jobs.makeIterator()
        self.init { most in Self.take(most, from: &iterator) }
    }

    /// The iterator lies in a box: it is opened once for all jobs.
    @inlinable
    static func take(_ most: Int, from iterator: inout some IteratorProtocol<Job>) -> [Job] {
        var batch: [Job] = []
        batch.reserveCapacity(most)
        while batch.count < most, let job = iterator.next() { batch.append(job) }
        return batch
    }
}
