import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// Where descriptors were made: noted while somebody inspects the process.
package enum DescriptorOrigins {
    private static let isOn = Atomic<Bool>(false)
    private static let origins = Locked<[CInt: Origin]>([:])
    /// When a descriptor of a number was last made; kept when that is closed.
    private static let times = Locked<[CInt: UInt64]>([:])

    private struct Origin {
        let frames: [UInt]
        let loop: ObjectIdentifier?
    }

    /// From now on, each new one is noted.
    package static func begin() { isOn.store(true, ordering: .relaxed) }

    package static func end() {
        isOn.store(false, ordering: .relaxed)
        origins.withLock { $0 = [:] }
        times.withLock { $0 = [:] }
        for loop in EventLoop.all where loop.hasSuspendedTasks { loop.suspendedTasks.forgetAll() }
    }

    /// The backtraces of those that are open.
    package static var all: [CInt: [UInt]] { origins.withLock { $0.mapValues(\.frames) } }

    /// When the last descriptor of the number was made, in nanoseconds of CLOCK_MONOTONIC, and whether it is open still. Nothing is
    /// known of one that was made before the inspection began.
    package static func last(_ number: CInt) -> (time: UInt64, isOpen: Bool)? {
        guard let time = times.withLock({ $0[number] }) else { return nil }
        return (time, origins.withLock { $0[number] != nil })
    }

    /// Somebody inspects the process.
    static var areNoted: Bool { isOn.load(ordering: .relaxed) }

    /// Where the caller is: for other things than descriptors that must be closed. Empty while nobody inspects the process.
    package static var here: [UInt] { isOn.load(ordering: .relaxed) ? frames() : [] }

    @inline(__always)
    static func note(_ number: CInt) {
        if isOn.load(ordering: .relaxed) { noteHere(number) }
    }

    @inline(__always)
    static func forget(_ number: CInt) {
        if isOn.load(ordering: .relaxed) { origins.withLock { $0[number] = nil } }
    }

    @inline(never)
    private static func noteHere(_ number: CInt) {
        let frames = frames()
        let loop = EventLoop.currentIfAny.map { ObjectIdentifier($0) }
        // As events are stamped: also in a simulation by the real clock.
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        times.withLock { $0[number] = now }
        origins.withLock { $0[number] = Origin(frames: frames, loop: loop) }
    }

    @inline(never)
    private static func frames() -> [UInt] {
        unsafe withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 24) { frames in
            let count = unsafe swiftlet_backtrace_here(frames.baseAddress, CInt(frames.count))
            return unsafe frames.prefix(Int(count)).map { UInt(bitPattern: $0) }
        }
    }

    /// Those that were made on a loop and are open, by where they were made.
    static func open(on loop: EventLoop) -> [(frames: [UInt], numbers: [CInt])] {
        guard isOn.load(ordering: .relaxed) else { return [] }
        let mine = origins.withLock { origins in origins.filter { $0.value.loop == ObjectIdentifier(loop) } }
        let groups = Dictionary(grouping: mine.keys) { mine[$0]!.frames }
        return groups.map { ($0.key, $0.value.sorted()) }.sorted { $0.numbers.count > $1.numbers.count }
    }
}
