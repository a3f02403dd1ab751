import CSwiftlet
import Glibc
import SwiftletCoroutines

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
/// Thread rules: it may be used from any loop or thread, by one at a time; it moves to the loop that waits on it. Two
/// stacks that wait for one side are served in order of arrival. Closing wakes all.
public final class Descriptor: @unchecked Sendable {
    /// The kernel's number, or -1 once closed.
    public private(set) var number: CInt
    private var loop: EventLoop?
    /// Which registration on the loop is ours: by the time a message gets there, the number may be another's.
    private var generation: UInt32 = 0

    /// Takes over an open descriptor.
    public init(owning number: CInt) { self.number = number }

    deinit { close() }

    public var isClosed: Bool { number < 0 }

    /// Parks unless the side may be ready. What is believed may be out of date in the optimistic direction only.
    ///
    /// - Throws: `DescriptorError` when it is or gets closed, `DeadlineExceeded`, `CancellationError`.
    @inline(__always)
    public func waitUnlessReady(_ side: Readiness, until deadline: Deadline? = nil) throws {
        // A closed loop's table hears nothing any more, though the thread may be the same.
        if let loop, loop.isCurrent, unsafe !loop.isClosed, number >= 0 {
            let entry = unsafe loop.descriptors.entry(number)
            let isReady = unsafe side == .reading ? entry.pointee.isReadable : entry.pointee.isWritable
            if isReady { return }
            try wait(side, on: loop, until: deadline)
        } else if number < 0 {
            throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF)
        }
    }

    /// Notes that a call on this side was refused or left the side empty, and makes sure that the next change to ready
    /// will be seen.
    public func drained(_ side: Readiness) throws {
        guard let thread = unsafe swiftlet_thread_if_made(), let current = unsafe EventLoop.running(on: thread) else {
            return
        }
        guard number >= 0 else { throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF) }
        if loop !== current { try move(to: current) }
        let entry = unsafe current.descriptors.entry(number)
        switch side {
        case .reading: unsafe entry.pointee.isReadable = unsafe entry.pointee.hasEnded
        case .writing: unsafe entry.pointee.isWritable = false
        }
    }

    /// For a call that was refused: on a loop the same as `drained`, and the next `waitUnlessReady` parks; on a plain
    /// thread, blocks until the side is ready.
    public func refused(_ side: Readiness, until deadline: Deadline? = nil) throws {
        if EventLoop.currentIfAny != nil { return try drained(side) }
        if try !blockUntilReady(number, side, until: deadline) { throw DeadlineExceeded() }
    }

    private func wait(_ side: Readiness, on loop: EventLoop, until deadline: Deadline?) throws {
        let number = number
        switch try unsafe loop.descriptors.wait(number, side, until: deadline) {
        case .timedOut: throw DeadlineExceeded()
        case .closed: throw DescriptorError(operation: "wait", descriptor: number, errno: EBADF)
        default: return
        }
    }

    private func move(to new: EventLoop) throws {
        leaveLoop(waking: .woken)  // who waits there looks again, and moves it back
        let entry = unsafe new.descriptors.entry(number)
        // A number that was used before without our notice: what was known of it is void.
        if unsafe entry.pointee.isWatched { unsafe new.descriptors.forget(number, for: new) }
        _ = try unsafe new.descriptors.watch(number)
        loop = new
        generation = unsafe new.descriptors.entry(number).pointee.generation
    }

    private func leaveLoop(waking outcome: WaitOutcome = .closed) {
        guard let loop else { return }
        self.loop = nil
        let number = number
        if unsafe loop.isClosed { return }
        if loop.isCurrent {
            unsafe loop.descriptors.forget(number, waking: outcome, for: loop)
        } else {
            let generation = generation
            loop.perform {
                guard unsafe loop.descriptors.entry(number).pointee.generation == generation else { return }
                unsafe loop.descriptors.forget(number, waking: outcome, for: loop)
            }
        }
    }

    /// Closes the descriptor and wakes whoever waits for it with an error. Closing twice does nothing.
    public func close() {
        guard number >= 0 else { return }
        leaveLoop()
        _ = closeDescriptor(number)
        number = -1
    }
}

/// A wait for a descriptor could not be done.
public struct DescriptorError: Error, Hashable, CustomStringConvertible {
    public let operation: String
    public let descriptor: CInt
    public let errno: CInt

    public var description: String {
        errno == EBADF
            ? "\(operation): descriptor \(descriptor) is closed"
            : unsafe "\(operation) on descriptor \(descriptor) failed: \(String(cString: strerror(errno))) (errno \(errno))"
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
    guard try unsafe loop.descriptors.watch(number) else { return true }
    switch try unsafe loop.descriptors.wait(number, side, until: deadline) {
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
    if let innermost = unsafe CancelScope.innermost(of: swiftlet_flow_of(currentThread().pointee.current)),
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
    unsafe loop.descriptors.forget(number, for: loop)
}
