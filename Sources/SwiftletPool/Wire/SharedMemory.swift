import CSwiftletPool
import Glibc
import SwiftletCoroutines

/// Memory that another process can be given: large payloads are written into it, and go without being copied again.
///
/// A fresh page costs several times what it takes to fill it. So memory that nobody uses any more is kept for the next payload,
/// as long as there is a socket that may need it.
final class SharedMemory: @unchecked Sendable {
    /// From how many bytes on what is encoded is written here.
    static let smallest = 1 << 20

    private struct Region {
        let descriptor: CInt
        let start: UnsafeMutableRawPointer
        let capacity: Int

        func free() {
            swiftlet_pool_unmap(start, capacity)
            Glibc.close(descriptor)
        }
    }

    private struct Store {
        /// Bytes that are kept at most.
        static let limit = 256 << 20

        var unused: [Region] = []
        var bytes = 0
        var sockets = 0
        var lastNumber: UInt64 = 0
    }

    private static let store = Locked(Store())

    /// Which one it is, on its way to another process and back.
    let number: UInt64
    private let region: Region

    var start: UnsafeMutableRawPointer { region.start }
    var capacity: Int { region.capacity }
    var descriptor: CInt { region.descriptor }

    /// - Returns: `nil` when there is no descriptor or no memory for it.
    init?(atLeast size: Int) {
        let capacity = (max(size, 1) + 0xffff) & ~0xffff
        let (number, kept) = Self.store.withLock { store -> (UInt64, Region?) in
            store.lastNumber += 1
            let fits = store.unused.lastIndex { $0.capacity >= capacity && $0.capacity <= 2 * capacity }
            let kept = fits.map { store.unused.remove(at: $0) }
            store.bytes -= kept?.capacity ?? 0
            return (store.lastNumber, kept)
        }
        self.number = number
        if let kept {
            region = kept
            return
        }
        var start: UnsafeMutableRawPointer?
        let descriptor = swiftlet_pool_share(capacity, &start)
        guard descriptor >= 0, let start else { return nil }
        region = Region(descriptor: descriptor, start: start, capacity: capacity)
    }

    /// - Returns: `nil` when there is no descriptor or no memory for it.
    convenience init?(copying bytes: UnsafeRawBufferPointer) {
        self.init(atLeast: bytes.count)
        UnsafeMutableRawBufferPointer(start: start, count: bytes.count).copyMemory(from: bytes)
    }

    deinit {
        let isKept = Self.store.withLock { store in
            guard store.sockets > 0, store.bytes + region.capacity <= Store.limit else { return false }
            store.bytes += region.capacity
            store.unused.append(region)
            return true
        }
        if !isKept { region.free() }
    }

    /// Unused memory is kept from now on.
    static func socketOpened() { store.withLock { $0.sockets += 1 } }

    /// With the last socket goes what is kept.
    static func socketClosed() {
        let unused = store.withLock { store -> [Region] in
            store.sockets -= 1
            guard store.sockets == 0 else { return [] }
            defer { (store.unused, store.bytes) = ([], 0) }
            return store.unused
        }
        for region in unused { region.free() }
    }
}

/// Memory of the other process that came with a frame. That process hears of it once nobody uses it here any more.
final class LentMemory: @unchecked Sendable {
    private let descriptor: CInt
    private let size: Int
    private let giveBack: @Sendable () -> Void
    private var mapped: UnsafeRawPointer?

    /// - Parameter descriptor: is taken over.
    init(_ descriptor: CInt, size: Int, giveBack: @escaping @Sendable () -> Void) {
        self.descriptor = descriptor
        self.size = size
        self.giveBack = giveBack
    }

    deinit {
        if let mapped { swiftlet_pool_unmap(mapped, size) }
        Glibc.close(descriptor)
        giveBack()
    }

    /// What lies in it, good as long as this object.
    func bytes() throws(WireError) -> UnsafeRawBufferPointer {
        if mapped == nil { mapped = swiftlet_pool_map(descriptor, size) }
        guard let mapped else { throw .system("map shared memory", errno) }
        return UnsafeRawBufferPointer(start: mapped, count: size)
    }
}
