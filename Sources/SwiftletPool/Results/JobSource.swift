/// Where a `map` takes its jobs from, some at a time: compiled with the caller's types, so that taking one costs little.
@usableFromInline
struct JobSource<Job>: @unchecked Sendable {
    /// At most so many; none at the end. Called by one stack at a time.
    let take: (Int) -> [Job]
    /// The same for jobs of a plain type: puts them where it is told to, one after the other as in an array.
    let takePlain: (Int, UnsafeMutableRawPointer) -> Int

    @usableFromInline
    init(take: @escaping (Int) -> [Job], takePlain: @escaping (Int, UnsafeMutableRawPointer) -> Int) {
        self.take = take
        self.takePlain = takePlain
    }

    @inlinable
    init(_ jobs: sending some Sequence<Job>) {
        var iterator = jobs.makeIterator()
        self.init(
            take: { most in Self.take(most, from: &iterator) },
            takePlain: { most, place in Self.takePlain(most, from: &iterator, to: place) })
    }

    /// The iterator lies in a box: it is opened once for all jobs.
    @inlinable
    static func take(_ most: Int, from iterator: inout some IteratorProtocol<Job>) -> [Job] {
        var batch: [Job] = []
        batch.reserveCapacity(most)
        while batch.count < most, let job = iterator.next() { batch.append(job) }
        return batch
    }

    @inlinable
    static func takePlain(
        _ most: Int, from iterator: inout some IteratorProtocol<Job>, to place: UnsafeMutableRawPointer
    ) -> Int {
        var count = 0
        while count < most, let job = iterator.next() {
            // Types without content take no room.
            if MemoryLayout<Job>.size > 0 {
                withUnsafeBytes(of: job) { bytes in
                    (place + count * MemoryLayout<Job>.stride).copyMemory(
                        from: bytes.baseAddress!, byteCount: bytes.count)
                }
            }
            count += 1
        }
        return count
    }
}
