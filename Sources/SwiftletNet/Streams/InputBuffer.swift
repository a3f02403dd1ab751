import SwiftletCoroutines
package import SwiftletLoop

/// What has come over a connection and has not been used yet. Used by one stack at a time.
package final class InputBuffer {
    private static let largeCapacity = 64 * 1024

    private var storage: UnsafeMutablePointer<UInt8>?
    private var capacity = 0
    private var start = 0
    private var end = 0

    /// Makes an empty buffer.
    package init() {}

    deinit { release() }

    /// The unused bytes. Valid until the next call of `fill`.
    package var bytes: UnsafeBufferPointer<UInt8> {
        guard let storage else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: storage + start, count: end - start)
    }

    package var isEmpty: Bool { start == end }

    /// Drops bytes from the front.
    package func consume(_ count: Int) {
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Reads more bytes behind the others.
    ///
    /// - Returns: how many; 0 at the end of the stream.
    package func fill(from stream: any ByteSource, until deadline: Deadline?) throws -> Int {
        if storage == nil || isEmpty {
            // Who waits for nothing yet holds no memory: ten thousand idle connections would hold 160 MB.
            release()
            try stream.waitForInput(until: deadline)
        }
        makeRoom()
        let space = UnsafeMutableRawBufferPointer(start: storage! + end, count: capacity - end)
        let count = try stream.read(into: space, until: deadline)
        end += count
        return count
    }

    /// Gives its memory back unless something is in it: nobody is going to read for some time.
    package func rest() {
        if isEmpty { release() }
    }

    private func makeRoom() {
        if storage == nil {
            storage = InputMemory.take()
            capacity = InputMemory.size
        }
        guard end == capacity else { return }
        // A full buffer means that there is more than it holds, so it grows, at first to what makes calls worth it.
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: max(Self.largeCapacity, (end - start) * 2))
        let count = end - start
        larger.update(from: storage! + start, count: count)
        release()
        storage = larger
        capacity = max(Self.largeCapacity, count * 2)
        end = count
    }

    private func release() {
        if let storage {
            if capacity == InputMemory.size { InputMemory.give(storage) } else { storage.deallocate() }
        }
        storage = nil
        (capacity, start, end) = (0, 0, 0)
    }
}
