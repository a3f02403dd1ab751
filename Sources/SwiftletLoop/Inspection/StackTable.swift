import CSwiftlet

/// Backtraces, each kept once: of a hundred thousand coroutines most wait in the same few places.
struct StackTable {
    private(set) var stacks: [[UInt]] = []
    private var places: [[UInt]: Int] = [:]
    /// The place of the backtrace that was put in last, which is often the next one too.
    private var latest: Int?

    /// The place of a backtrace, which is put in if it is new.
    mutating func place(of frames: UnsafeBufferPointer<UInt>) -> Int? {
        guard !frames.isEmpty else { return nil }
        if let latest, stacks[latest].count == frames.count, unsafe stacks[latest].elementsEqual(frames) {
            return latest
        }
        let key = unsafe Array(frames)
        if let known = places[key] {
            latest = known
            return known
        }
        stacks.append(key)
        places[key] = stacks.count - 1
        latest = stacks.count - 1
        return latest
    }
}
