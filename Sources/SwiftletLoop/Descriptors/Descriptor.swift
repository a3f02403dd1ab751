import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// An open file descriptor that can be waited for. Owns the number: it is closed by `close()` or with the last reference.
///
/// The descriptor should be non-blocking. Use: call; when it would block, `drained` and `wait`; call again:
///
/// ```swift
/// while true {
///     try descriptor.waitUnlessReady(.reading)
///     let count = recv(descriptor.number, buffer, size, 0)
///     if count < 0, errno == EAGAIN { descriptor.drained(.reading); continue }
///     if count < size { descriptor.drained(.reading) }   // a short read has emptied a stream socket
///     return count
/// }
/// ```
///
/// Thread rules: it may be used from any loop or thread, by one at a time; it moves to the loop that waits on it. While a
/// stack waits for it on one loop, another loop that wants to wait gets a `DescriptorError`. Two stacks of one loop that
/// wait for one side are served in order of arrival. Closing wakes all, and may be done from any thread.
///
/// States of `owner`: nobody -> moving -> a loop <-> a loop with waiters; a loop -> moving. `close` takes it back to nobody
/// from everywhere. Only the owning loop's thread sets and clears the mark for waiters.
@safe
public final class Descriptor: @unchecked Sendable {
    private let openNumber: Atomic<CInt>
    /// The loop's address with marks in its low bits. Loops are never freed.
    private let owner = Atomic<UInt>(nobody)
    /// Stacks that wait; touched by the owning loop's thread.
    private var waiting = 0
    /// Which registration on the loop is ours: by the time a message gets there, the number may be another's. Written
    /// while `owner` is marked as moving.
    private var generation: UInt32 = 0

    private static let nobody: UInt = 0
    private static let hasWaiters: UInt = 1
    private static let isMoving: UInt = 2
    private static let marks: UInt = 3

    /// Takes over an open descriptor.
    public init(owning number: CInt) {
        openNumber = Atomic(number)
        DescriptorOrigins.note(number)
    }

    deinit { close() }

    /// The kernel's number, or -1 once closed.
    public var number: CInt { openNumber.load(ordering: .relaxed) }

    public var isClosed: Bool { number < 0 }

    /// Parks unless the side may be ready. What is believed may be out of date in the optimistic direction only.
    ///
    /// - Parameters:
    ///   - side: what is waited for.
    ///   - deadline: when to give up; asked only when there is something to wait for.
    /// - Throws: `DescriptorError` when it is or gets closed, `DeadlineExceeded`, `CancellationError`.
    @inline(__always)
    public func waitUnlessReady(_ side: Readiness, until deadline: @autoclosure () -> Deadline? = nil) throws {
        let number = number
        guard number >= 0 else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF) }
        // Another loop's knowledge is of no use here, and a closed one hears nothing any more.
        guard let loop = unsafe ownLoop else { return }
        let isReady = unsafe loop._withUnsafeGuaranteedRef { loop in
            let entry = unsafe loop.descriptors.entry(number)
            return unsafe side == .reading ? entry.pointee.isReadable : entry.pointee.isWritable
        }
        if !isReady { try unsafe wait(side, on: loop.takeUnretainedValue(), until: deadline()) }
    }

    /// The calling thread's loop if the descriptor belongs to it. Not counted, since each read and write asks.
    @inline(__always)
    private var ownLoop: Unmanaged<EventLoop>? {
        // Safe: the thread's record owns a reference, and nobody else closes the thread's loop.
        guard let loop = unsafe swiftlet_thread_if_made()?.pointee.loop,
            UInt(bitPattern: loop) == owner.load(ordering: .acquiring) & ~Self.marks
        else { return nil }
        return unsafe Unmanaged.fromOpaque(loop)
    }

    /// Notes that a call on this side was refused or left the side empty, and makes sure that the next change to ready
    /// will be seen.
    ///
    /// - Throws: `DescriptorError` when it is closed, or waited for on another loop.
    public func drained(_ side: Readiness) throws {
        try onOwnLoop { number, loop in loop.descriptors.noteDrained(number, side) }
    }

    @inline(__always)
    private func onOwnLoop(_ body: (_ number: CInt, EventLoop) -> Void) throws {
        let number = number
        guard number >= 0 else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF) }
        if let loop = unsafe ownLoop {
            unsafe loop._withUnsafeGuaranteedRef { body(number, $0) }
            if swiftlet_socket_may_lie() { _ = try unsafe loop.takeUnretainedValue().descriptors.watch(number) }
        } else if let current = EventLoop.currentIfAny {
            try move(to: current)
            body(number, current)
        }
    }

    /// Has a closure called on the calling loop when the other side ends (false) or is lost (true), also while nobody waits
    /// for the descriptor. It must not park. It is forgotten when the descriptor is closed or moves to another loop.
    ///
    /// On a plain thread it does nothing.
    /// - Throws: `DescriptorError` when it is closed, or waited for on another loop.
    public func observeEnd(_ observer: @escaping (_ isLost: Bool) -> Void) throws {
        guard let current = EventLoop.currentIfAny else { return }
        let number = number
        guard number >= 0 else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF) }
        if owner.load(ordering: .acquiring) & ~Self.marks != address(of: current) { try move(to: current) }
        current.descriptors.observeEnd(of: number, observer)
    }

    /// Says of a new connection that its peer speaks second: then its first `waitUnlessReady(.reading)` parks, instead of
    /// being followed by a call that is refused, with memory in hand. Does nothing once the descriptor belongs to the loop,
    /// and on a plain thread.
    ///
    /// - Throws: `DescriptorError` when it is closed, or waited for on another loop.
    public func expectsNoInput() throws {
        guard let current = EventLoop.currentIfAny else { return }
        let number = number
        guard number >= 0 else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF) }
        guard owner.load(ordering: .acquiring) & ~Self.marks != address(of: current) else { return }
        // Input that is there already is not lost: adding a descriptor reports what it is ready for, also edge-triggered.
        try move(to: current)
        current.descriptors.noteDrained(number, .reading)
    }

    /// For a call that was refused (EAGAIN): on a loop the next `waitUnlessReady` parks; on a plain thread, blocks until the
    /// side is ready.
    public func refused(_ side: Readiness, until deadline: Deadline? = nil) throws {
        if EventLoop.currentIfAny != nil {
            return try onOwnLoop { number, loop in loop.descriptors.noteRefused(number, side) }
        }
        if try !blockUntilReady(number, side, until: deadline) { throw DeadlineExceeded() }
    }

    private func wait(_ side: Readiness, on loop: EventLoop, until deadline: Deadline?) throws {
        let number = number
        let mine = address(of: loop)
        if waiting == 0 {
            let (isMarked, now) = owner.compareExchange(
                expected: mine, desired: mine | Self.hasWaiters, ordering: .acquiringAndReleasing)
            guard isMarked else {
                let errno = now == Self.nobody ? EBADF : EBUSY
                throw DescriptorError(operation: "wait", descriptor: number, errno: errno)
            }
        }
        waiting += 1
        defer {
            waiting -= 1
            if waiting == 0 {
                // Fails when it has been closed meanwhile.
                _ = owner.compareExchange(
                    expected: mine | Self.hasWaiters, desired: mine, ordering: .acquiringAndReleasing)
            }
        }
        loop.noteWait(for: number, side)
        switch try loop.descriptors.wait(number, side, until: deadline) {
        case .timedOut: throw DeadlineExceeded()
        case .closed: throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF)
        default: return
        }
    }

    private func address(of loop: EventLoop) -> UInt {
        unsafe UInt(bitPattern: Unmanaged.passUnretained(loop).toOpaque())
    }

    private func loop(at address: UInt) -> EventLoop? {
        // Safe: closed loops are kept.
        unsafe UnsafeRawPointer(bitPattern: address & ~Self.marks).map {
            unsafe Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue()
        }
    }

    private func move(to new: EventLoop) throws {
        let number = number
        let mine = address(of: new)
        let old = owner.load(ordering: .acquiring)
        guard old & Self.marks == 0,
            owner.compareExchange(
                expected: old, desired: mine | Self.isMoving, ordering: .acquiringAndReleasing
            ).exchanged
        else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBUSY) }
        leave(loop(at: old), number)
        let entry = unsafe new.descriptors.entry(number)
        // A number that was used before without our notice: what was known of it is void.
        if unsafe entry.pointee.isWatched { new.descriptors.forget(number, for: new) }
        do {
            _ = try new.descriptors.watch(number)
        } catch {
            owner.store(Self.nobody, ordering: .releasing)
            throw error
        }
        generation = unsafe new.descriptors.entry(number).pointee.generation
        let isOurs = owner.compareExchange(
            expected: mine | Self.isMoving, desired: mine, ordering: .acquiringAndReleasing
        ).exchanged
        if isOurs { return }
        // Closed meanwhile, by somebody who could not know of the new registration.
        new.descriptors.forget(number, isClosing: true, for: new)
        throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF)
    }

    private func leave(_ loop: EventLoop?, _ number: CInt, isClosing: Bool = false) {
        guard let loop, !loop.isClosed else { return }
        if loop.isCurrent {
            loop.descriptors.forget(number, isClosing: isClosing, for: loop)
        } else {
            let generation = generation
            loop.perform {
                guard unsafe loop.descriptors.entry(number).pointee.generation == generation else { return }
                loop.descriptors.forget(number, isClosing: isClosing, for: loop)
            }
        }
    }

    /// Closes the descriptor and wakes whoever waits for it with an error. Closing twice does nothing.
    public func close() {
        let number = openNumber.exchange(-1, ordering: .acquiringAndReleasing)
        guard number >= 0 else { return }
        DescriptorOrigins.forget(number)
        let last = owner.exchange(Self.nobody, ordering: .acquiringAndReleasing)
        if last & Self.isMoving == 0 { leave(loop(at: last), number, isClosing: true) }
        _ = closeDescriptor(number)
    }
}

/// A wait for a descriptor could not be done.
public struct DescriptorError: Error, Hashable, CustomStringConvertible {
    public let operation: String
    public let descriptor: CInt
    public let errno: CInt

    public var description: String {
        switch errno {
        case EBADF: "\(operation): descriptor \(descriptor) is closed"
        case EBUSY:
            "\(operation): another loop waits for descriptor \(descriptor); use it from one loop at a time, or give each a duplicate"
        default:
            unsafe "\(operation) on descriptor \(descriptor) failed: \(String(cString: strerror(errno))) (errno \(errno))"
        }
    }
}

/// EINTR on close still closes (Linux), so the result says nothing that a caller could use.
func closeDescriptor(_ number: CInt) -> CInt { Glibc.close(number) }

/// Parks until a descriptor that belongs to somebody else is ready. One call to the kernel a wait; for own connections
/// `Descriptor` is cheaper.
///
/// - Returns: false when the deadline came first.
/// - Throws: `DescriptorError`, `CancellationError`.
public func waitUntilReady(_ number: CInt, for side: Readiness, until deadline: Deadline? = nil) throws -> Bool {
    guard number >= 0 else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF) }
    guard let loop = EventLoop.currentIfAny else { return try blockUntilReady(number, side, until: deadline) }
    let entry = unsafe loop.descriptors.entry(number)
    unsafe entry.pointee.isReadable = false
    unsafe entry.pointee.isWritable = false
    guard try loop.descriptors.watch(number, side) else { return true }
    loop.noteWait(for: number, side)
    switch try loop.descriptors.wait(number, side, until: deadline) {
    case .timedOut: return false
    case .closed: throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF)
    default: return true
    }
}

/// Blocks a plain thread. Enclosing deadlines end the wait; a cancellation from elsewhere is heard before it only.
private func blockUntilReady(_ number: CInt, _ side: Readiness, until deadline: Deadline?) throws -> Bool {
    try checkCancellation()
    var limit = deadline?.nanoseconds ?? .max
    var limitingScope: CancelScope?
    if let innermost = unsafe CancelScope.innermost(of: currentThread().pointee.current),
        let nearest = try innermost.nearestDeadline(before: limit)
    {
        limitingScope = nearest
        limit = nearest.deadlineNanoseconds
    }
    let now = swiftlet_now()
    let timeout = limit == .max ? -1 : limit > now ? Int64(clamping: limit - now) : 0
    let ready = swiftlet_wait_ready(number, side == .writing, timeout)
    if ready < 0 { throw DescriptorError(operation: "poll", descriptor: number, errno: swiftlet_errno()) }
    if ready == 0, let limitingScope {
        limitingScope.expire()
        throw CancellationError()
    }
    return ready > 0
}

/// Wakes everybody on this loop who waits for a descriptor that is about to be closed elsewhere than by `Descriptor`.
public func notifyClosing(_ number: CInt) {
    guard let loop = EventLoop.currentIfAny, number >= 0 else { return }
    loop.descriptors.forget(number, for: loop)
}
