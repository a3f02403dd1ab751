import SwiftletCoroutines
import Synchronization

/// Pieces of memory that input is read into, of which all connections take turns: few hold any at the same time.
enum InputMemory {
    static let size = 16 * 1024
    /// Of memory that nobody uses, this much is kept.
    private static let limit = 64
    private static let free = Locked<[UnsafeMutablePointer<UInt8>]>([])
    /// What was given last: it is still in the processor's caches, and most are taken again before another is given.
    private static let last = Atomic<UInt>(0)

    static func take() -> UnsafeMutablePointer<UInt8> {
        UnsafeMutablePointer(bitPattern: last.exchange(0, ordering: .acquiring))
            ?? free.withLock { $0.popLast() } ?? .allocate(capacity: size)
    }

    static func give(_ memory: UnsafeMutablePointer<UInt8>) {
        let earlier = last.exchange(UInt(bitPattern: memory), ordering: .acquiringAndReleasing)
        guard let memory = UnsafeMutablePointer<UInt8>(bitPattern: earlier) else { return }
        let isKept = free.withLock { free in
            guard free.count < limit else { return false }
            free.append(memory)
            return true
        }
        if !isKept { memory.deallocate() }
    }
}
