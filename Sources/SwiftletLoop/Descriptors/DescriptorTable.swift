import CSwiftlet
import Glibc
import SwiftletCoroutines

/// A side of a descriptor that can be waited for.
public enum Readiness: Sendable, Hashable {
    case reading
    case writing
}

/// What a loop knows of the descriptors that were waited for on it, and the kernel's poller behind it.
///
/// A `Descriptor` is registered once, edge-triggered on both sides: the kernel tells of each change to ready, and the flags
/// here remember it until a short or refused call shows that the side is drained. So a busy connection costs no call to
/// epoll_ctl at all. What belongs to somebody else is registered anew for each wait, for the sides that are waited for: a
/// socket has nearly always room to write, and who reads should not hear of that each time. An event carries the entry's generation: those of an earlier use of the number are dropped.
@safe
final class DescriptorTable {
    struct Entry {
        var generation: UInt32 = 0
        var isWatched = false
        var isReadable = true
        var isWritable = true
        /// The peer has closed: no further edge will come, so the reading side never counts as drained.
        var hasEnded = false
        /// A `Descriptor`'s own: it wants to hear of both sides.
        var isOwned = false
        /// Somebody has been told that several wait for it.
        var isSharingReported = false
        var readers = DescriptorQueue()
        var writers = DescriptorQueue()
    }

    private static let wakeUpTag = UInt64.max
    private static let eventCapacity = 512

    private var poller: CInt
    private var entries: UnsafeMutablePointer<Entry>
    private var capacity = 256
    private let events = UnsafeMutablePointer<swiftlet_poll_event>.allocate(capacity: eventCapacity)
    @exclusivity(unchecked) private(set) var watchedCount = 0
    /// Stacks parked on some descriptor.
    @exclusivity(unchecked) private(set) var waiterCount = 0
    /// Who wants to hear of ends, by descriptor. Looked at only when there is one.
    @exclusivity(unchecked) private var endObservers: [CInt: (Bool) -> Void] = [:]

    init?(wakeUp: CInt) {
        poller = swiftlet_poller_make()
        unsafe entries = .allocate(capacity: capacity)
        unsafe entries.initialize(repeating: Entry(), count: capacity)
        if poller < 0 || swiftlet_poller_watch_level(poller, wakeUp, Self.wakeUpTag) != 0 {
            let reason = swiftlet_errno()
            if poller >= 0 { _ = closeDescriptor(poller) }
            poller = -1
            swiftlet_set_errno(reason)
            return nil
        }
    }

    deinit { close() }

    /// Gives back what it holds: a closed loop is kept, but is nobody's any more.
    func close() {
        if poller >= 0 { _ = closeDescriptor(poller) }
        poller = -1
        guard capacity > 0 else { return }
        capacity = 0
        unsafe endObservers = [:]
        unsafe entries.deallocate()
        unsafe events.deallocate()
    }

    var watchesAny: Bool { unsafe watchedCount > 0 }

    func entry(_ descriptor: CInt) -> UnsafeMutablePointer<Entry> {
        let index = Int(descriptor)
        if index >= capacity { grow(toHold: index) }
        return unsafe entries + index
    }

    func noteDrained(_ descriptor: CInt, _ side: Readiness) {
        let entry = unsafe entry(descriptor)
        switch side {
        case .reading: unsafe entry.pointee.isReadable = unsafe entry.pointee.hasEnded
        case .writing: unsafe entry.pointee.isWritable = false
        }
    }

    /// A call that would have to wait: so the other side has not ended, whatever was told. For a datagram socket that is
    /// how an error ends that has been fetched.
    func noteRefused(_ descriptor: CInt, _ side: Readiness) {
        if side == .reading { unsafe entry(descriptor).pointee.hasEnded = false }
        noteDrained(descriptor, side)
    }

    private func grow(toHold index: Int) {
        precondition(capacity > 0, "a closed loop was asked for a descriptor")
        var bigger = capacity
        while bigger <= index { bigger *= 2 }
        let moved = UnsafeMutablePointer<Entry>.allocate(capacity: bigger)
        unsafe moved.moveInitialize(from: entries, count: capacity)
        unsafe (moved + capacity).initialize(repeating: Entry(), count: bigger - capacity)
        unsafe entries.deallocate()
        unsafe entries = unsafe moved
        capacity = bigger
    }

    /// Registers the descriptor, or asks the kernel again for its present readiness.
    ///
    /// - Parameter side: which one is waited for; nil for a `Descriptor`'s own.
    /// - Returns: false for files that are always ready.
    func watch(_ descriptor: CInt, _ side: Readiness? = nil) throws(DescriptorError) -> Bool {
        let entry = unsafe entry(descriptor)
        if side == nil { unsafe entry.pointee.isOwned = true }
        let isOwned = unsafe entry.pointee.isOwned
        let reads = unsafe isOwned || side == .reading || !entry.pointee.readers.isEmpty
        let writes = unsafe isOwned || side == .writing || !entry.pointee.writers.isEmpty
        let tag = unsafe UInt64(entry.pointee.generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        var isNew = unsafe !entry.pointee.isWatched
        for _ in 0..<2 {
            if swiftlet_poller_watch(poller, descriptor, tag, reads, writes, isNew) == 0 {
                if unsafe !entry.pointee.isWatched { unsafe watchedCount += 1 }
                unsafe entry.pointee.isWatched = true
                return true
            }
            switch swiftlet_errno() {
            // The number was closed and reused behind our back, or registered by an earlier user of it.
            case ENOENT where !isNew: isNew = true
            case EEXIST where isNew: isNew = false
            case EPERM: return false
            case let code: throw DescriptorError(operation: "epoll_ctl", descriptor: descriptor, errno: code)
            }
        }
        throw DescriptorError(operation: "epoll_ctl", descriptor: descriptor, errno: swiftlet_errno())
    }

    /// Forgets the descriptor, which is about to be closed or to move to another loop, and wakes everybody who waits
    /// for it.
    ///
    /// - Parameter isClosing: the kernel will forget it by itself, with the last duplicate of the number. A duplicate that
    ///   somebody keeps costs an event here and there, whose generation is over.
    func forget(_ descriptor: CInt, isClosing: Bool = false, for loop: EventLoop) {
        let entry = unsafe entry(descriptor)
        if unsafe entry.pointee.isWatched {
            // ENOENT: the kernel had forgotten it already.
            if !isClosing { _ = swiftlet_poller_forget(poller, descriptor) }
            unsafe watchedCount -= 1
        }
        if unsafe !endObservers.isEmpty { unsafe endObservers[descriptor] = nil }
        let generation = unsafe entry.pointee.generation &+ 1
        var (readers, writers) = unsafe (entry.pointee.readers, entry.pointee.writers)
        unsafe entry.pointee = Entry(generation: generation)
        readers.wakeAll(.closed, on: loop)
        writers.wakeAll(.closed, on: loop)
    }

    /// Keeps a closure to be called when the descriptor's other side ends or is lost.
    func observeEnd(of descriptor: CInt, _ observer: @escaping (Bool) -> Void) {
        unsafe endObservers[descriptor] = observer
    }

    /// Looks at the poller and wakes those whose descriptors have become ready. `timeout` in nanoseconds.
    func poll(for loop: EventLoop, timeout: Int64) {
        let count = unsafe swiftlet_poller_wait(poller, events, CInt(Self.eventCapacity), timeout)
        guard count > 0 else {
            if count < 0, swiftlet_errno() == EINTR { swiftlet_foreign_interrupt() }
            return
        }
        for index in 0..<Int(count) {
            let event = unsafe events[index]
            if event.tag == Self.wakeUpTag { continue }
            let entry = unsafe entry(CInt(bitPattern: UInt32(truncatingIfNeeded: event.tag)))
            guard unsafe entry.pointee.isWatched, unsafe UInt64(entry.pointee.generation) == event.tag >> 32 else {
                continue
            }
            if event.has_ended {
                unsafe entry.pointee.hasEnded = true
                unsafe endObservers[CInt(bitPattern: UInt32(truncatingIfNeeded: event.tag))]?(event.is_lost)
            }
            if event.is_readable {
                unsafe entry.pointee.isReadable = true
                wakeNext(CInt(bitPattern: UInt32(truncatingIfNeeded: event.tag)), .reading, event.told, for: loop)
            }
            if event.is_writable {
                unsafe entry.pointee.isWritable = true
                wakeNext(CInt(bitPattern: UInt32(truncatingIfNeeded: event.tag)), .writing, event.told, for: loop)
            }
        }
    }

    /// Wakes who has waited longest. Those behind keep their places; the next follows if that one leaves the side ready.
    private func wakeNext(_ descriptor: CInt, _ side: Readiness, _ told: UInt16, for loop: EventLoop) {
        let entry = unsafe entry(descriptor)
        let hasMore =
            unsafe side == .reading
            ? entry.pointee.readers.wakeFirst(on: loop, told) : entry.pointee.writers.wakeFirst(on: loop, told)
        guard hasMore else { return }
        let generation = unsafe entry.pointee.generation
        // Behind the woken stack in the ready queue: its call has been made when this runs.
        loop.submit(
            ClosureCallback { [unowned loop] in
                let entry = unsafe self.entry(descriptor)
                let isReady = unsafe side == .reading ? entry.pointee.isReadable : entry.pointee.isWritable
                guard isReady, unsafe entry.pointee.generation == generation else { return }
                self.wakeNext(descriptor, side, 0, for: loop)
            }.item)
    }

    /// Parks the caller until the side is ready; the flags have been looked at.
    func wait(_ descriptor: CInt, _ side: Readiness, until deadline: Deadline?) throws -> WaitOutcome {
        var node = DescriptorQueue.Node()
        unsafe waiterCount += 1
        defer { unsafe waiterCount -= 1 }
        return try unsafe withUnsafeMutablePointer(to: &node) { node in
            do {
                let outcome = try park(side == .reading ? .readable : .writable, until: deadline) { token in
                    unsafe enqueue(node, descriptor, side, token)
                }
                if outcome == .timedOut { unsafe leave(descriptor, side, node) }
                return outcome
            } catch {
                unsafe leave(descriptor, side, node)
                throw error
            }
        }
    }

    func enqueue(
        _ node: UnsafeMutablePointer<DescriptorQueue.Node>, _ descriptor: CInt, _ side: Readiness, _ token: WaitToken
    ) {
        unsafe node.pointee.context = token.wait.context
        unsafe node.pointee.id = token.wait.id
        unsafe token.wait.context.pointee.wait_object = unsafe UnsafeMutableRawPointer(bitPattern: Int(descriptor))
        let entry = unsafe entry(descriptor)
        if side == .reading {
            unsafe entry.pointee.readers.append(node)
        } else {
            unsafe entry.pointee.writers.append(node)
        }
    }

    func leave(_ descriptor: CInt, _ side: Readiness, _ node: UnsafeMutablePointer<DescriptorQueue.Node>) {
        let entry = unsafe entry(descriptor)
        if side == .reading {
            unsafe entry.pointee.readers.remove(node)
        } else {
            unsafe entry.pointee.writers.remove(node)
        }
    }
}

/// Stacks that wait for one side of one descriptor, in order of arrival. The nodes lie on the waiting stacks.
@safe
struct DescriptorQueue {
    @safe
    struct Node {
        var context: ContextPointer?
        var id: UInt64 = 0
        var isQueued = false
        /// What the kernel told when this one was woken, by poll's bits.
        var told: UInt16 = 0
        var next: UnsafeMutablePointer<Node>?
        var previous: UnsafeMutablePointer<Node>?
    }

    private var first: UnsafeMutablePointer<Node>?
    private var last: UnsafeMutablePointer<Node>?

    var isEmpty: Bool { unsafe first == nil }

    /// The stack that has waited longest and still does.
    var longest: ContextPointer? {
        var node = unsafe first
        while let here = unsafe node {
            let context = unsafe here.pointee.context!
            if unsafe context.pointee.wait_id == here.pointee.id { return unsafe context }
            unsafe node = unsafe here.pointee.next
        }
        return nil
    }

    mutating func append(_ node: UnsafeMutablePointer<Node>) {
        unsafe node.pointee.isQueued = true
        unsafe node.pointee.next = nil
        unsafe node.pointee.previous = unsafe last
        if let last = unsafe last { unsafe last.pointee.next = unsafe node } else { unsafe first = unsafe node }
        unsafe last = unsafe node
    }

    /// Takes a node out; one whose turn has come is out already.
    mutating func remove(_ node: UnsafeMutablePointer<Node>) {
        guard unsafe node.pointee.isQueued else { return }
        unsafe node.pointee.isQueued = false
        let (next, previous) = unsafe (node.pointee.next, node.pointee.previous)
        if let previous = unsafe previous {
            unsafe previous.pointee.next = unsafe next
        } else {
            unsafe first = unsafe next
        }
        if let next = unsafe next {
            unsafe next.pointee.previous = unsafe previous
        } else {
            unsafe last = unsafe previous
        }
    }

    /// Wakes the first whose wait is still pending; answers whether others wait behind it.
    mutating func wakeFirst(on loop: EventLoop, _ told: UInt16) -> Bool {
        while let node = unsafe first {
            unsafe remove(node)
            unsafe node.pointee.told = told
            let context = unsafe node.pointee.context!
            guard unsafe loop.decideHere(context, node.pointee.id, .woken) else { continue }
            unsafe swiftlet_context_prefetch(context)
            break
        }
        return unsafe first != nil
    }

    /// Wakes all, in order.
    mutating func wakeAll(_ outcome: WaitOutcome, on loop: EventLoop) {
        while let node = unsafe first {
            unsafe remove(node)
            unsafe loop.decideHere(node.pointee.context!, node.pointee.id, outcome)
        }
    }
}
