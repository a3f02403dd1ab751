import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// Somebody who waits for the end of a fiber. Lies on the waiting stack, or in an array that it holds.
@safe
struct JoinNode {
    var token: WaitToken?
    /// How many more ends are wanted before the waiter is woken; shared by the nodes of one `joinAll`.
    var remaining: UnsafeMutablePointer<Int>?
    var finishedOrder: UnsafeMutablePointer<[Int]>?
    var index = 0
    /// A failure wakes the waiter at once.
    var endsAtFailure = false
    // A ring: the first one's `previous` is the last, so that the fiber keeps one pointer only.
    var next: UnsafeMutablePointer<JoinNode>?
    var previous: UnsafeMutablePointer<JoinNode>?

    mutating func complete(failed: Bool) {
        if let finishedOrder = unsafe finishedOrder { unsafe finishedOrder.pointee.append(index) }
        guard let remaining = unsafe remaining else {
            token?.wake()
            return
        }
        unsafe remaining.pointee -= 1
        if unsafe remaining.pointee == 0 || (failed && endsAtFailure) { token?.wake() }
    }
}

extension AnyFiber {
    /// Waits for the end; does not throw the fiber's error, but counts as having looked.
    ///
    /// Cancellation: ends the wait, not the fiber.
    /// - Returns: false when `timeout` came first.
    /// - Throws: `CancellationError`, `DeadlockError`.
    @discardableResult
    public final func join(timeout: Duration? = nil) throws -> Bool {
        try joinBlocking(until: timeout.map { .after($0) })
    }

    /// Waits for the end, from a task.
    ///
    /// Cancellation: ends the wait, not the fiber.
    @discardableResult
    public final func join(timeout: Duration? = nil) async throws -> Bool {
        try await joinFromTask(until: timeout.map { .after($0) })
    }

    final func joinFromTask(until deadline: Deadline?) async throws -> Bool {
        try await parkInTask { try self.joinBlocking(until: deadline) }
    }

    @usableFromInline
    final func joinBlocking(until deadline: Deadline?) throws -> Bool {
        if loop.isCurrent {
            isObserved = true
            if state == .finished { return true }
            if AnyFiber.current === self { throw FiberError.joinsItself(fiber: name) }
            var node = JoinNode()
            return try unsafe withUnsafeMutablePointer(to: &node) { node in
                try unsafe awaitNodes(deadline, [self], node)
            }
        }
        // From elsewhere: a fiber of the loop joins it and tells.
        let ended = Waiter<Bool>()
        let link = LinkToken()
        let accepted = loop.perform {
            self.isObserved = true
            if self.state == .finished { return ended.resume(returning: true) }
            self.makeExtras().links.add(link) { _ in ended.resume(returning: true) }
        }
        guard accepted else {
            // The loop's end, which the refusal makes visible here, has ended its fibers.
            if state == .finished { return true }
            throw LoopError.closed
        }
        // Who gives up leaves nothing behind. A loop that refuses this has ended the fiber, and its links with it.
        defer { if ended.isEmpty { loop.perform { self.unlink(link) } } }
        return try ended.wait(.otherLoop, until: deadline) ?? false
    }

    /// An event that is set when the fiber has ended. From any thread.
    final func endEvent() -> (event: Event, link: LinkToken) {
        let ended = Event()
        isObserved = true
        return (ended, rawLink { _ in ended.set() })
    }

    fileprivate final func addJoiner(_ node: UnsafeMutablePointer<JoinNode>) {
        // Safe here and below: whoever lies on the waiting stack is on the ring, and leaves it before that stack goes on.
        guard let first = unsafe joiners, let last = unsafe first.pointee.previous else {
            unsafe node.pointee.next = unsafe node
            unsafe node.pointee.previous = unsafe node
            unsafe joiners = unsafe node
            return
        }
        unsafe node.pointee.next = unsafe first
        unsafe node.pointee.previous = unsafe last
        unsafe last.pointee.next = unsafe node
        unsafe first.pointee.previous = unsafe node
    }

    final func removeJoiner(_ node: UnsafeMutablePointer<JoinNode>) {
        // A wait that was cancelled before it began has not put its node there.
        guard let next = unsafe node.pointee.next, let previous = unsafe node.pointee.previous else { return }
        unsafe previous.pointee.next = unsafe next
        unsafe next.pointee.previous = unsafe previous
        if unsafe joiners == node { unsafe joiners = unsafe next == node ? nil : next }
    }
}

/// Parks until the nodes' shared count, or the single node, says so; the nodes are off all lists afterwards.
private func awaitNodes(
    _ deadline: Deadline?, _ fibers: [AnyFiber], _ nodes: UnsafeMutablePointer<JoinNode>
) throws -> Bool {
    let waiting = unsafe currentThread().pointee.current!
    func leave() {
        for (index, fiber) in fibers.enumerated() where !fiber.isFinished { unsafe fiber.removeJoiner(nodes + index) }
    }
    do {
        let outcome = try park(.fiber, until: deadline) { token in
            for (index, fiber) in fibers.enumerated() where !fiber.isFinished {
                unsafe nodes[index].token = token
                unsafe fiber.addJoiner(nodes + index)
            }
            unsafe waiting.pointee.wait_object =
                unsafe fibers.count == 1 ? Unmanaged.passUnretained(fibers[0]).toOpaque() : nil
        }
        leave()
        return outcome == .woken
    } catch {
        leave()
        throw error
    }
}

/// Waits for the end of several fibers, of any loops.
///
/// Cancellation: ends the wait, not the fibers.
/// - Parameters:
///   - fibers: those to wait for.
///   - timeout: how long to wait at most.
///   - count: how many ends to wait for; all by default.
///   - rethrowing: throws the error of the first that fails, at once.
/// - Returns: those that have finished: all in the order given, or with `count` the first in the order of their ends.
@discardableResult
public func joinAll(
    _ fibers: [AnyFiber], timeout: Duration? = nil, count: Int? = nil, rethrowing: Bool = false
) throws -> [AnyFiber] {
    try joinEach(fibers, timeout: timeout, count: count, rethrowing: rethrowing)
}

private func joinEach<F: AnyFiber>(
    _ fibers: [F], timeout: Duration?, count: Int?, rethrowing: Bool
) throws -> [F] {
    let deadline = timeout.map { Deadline.after($0) }
    let wanted = min(count ?? fibers.count, fibers.count)
    guard fibers.allSatisfy({ $0.loop.isCurrent }) else {
        return try joinAllElsewhere(fibers, until: deadline, count: count, wanted: wanted, rethrowing: rethrowing)
    }
    for fiber in fibers { fiber.isObserved = true }
    var order = fibers.indices.filter { fibers[$0].isFinished }
    func failure() -> (any Error)? {
        guard rethrowing else { return nil }
        for index in order { if let error = fibers[index].error { return error } }
        return nil
    }
    if let error = failure() { throw error }
    let nodes = UnsafeMutablePointer<JoinNode>.allocate(capacity: max(fibers.count, 1))
    unsafe nodes.initialize(repeating: JoinNode(), count: fibers.count)
    defer {
        unsafe nodes.deinitialize(count: fibers.count)
        unsafe nodes.deallocate()
    }
    if order.count < wanted {
        if wanted == fibers.count, let current = AnyFiber.current, fibers.contains(where: { $0 === current }) {
            throw FiberError.joinsItself(fiber: current.name)
        }
        var remaining = wanted - order.count
        _ = try unsafe withUnsafeMutablePointer(to: &remaining) { remaining in
            try unsafe withUnsafeMutablePointer(to: &order) { order in
                for index in fibers.indices {
                    unsafe nodes[index] = unsafe JoinNode(
                        remaining: remaining, finishedOrder: order, index: index, endsAtFailure: rethrowing)
                }
                return try unsafe awaitNodes(deadline, fibers, nodes)
            }
        }
        if let error = failure() { throw error }
    }
    if count == nil { return fibers.filter(\.isFinished) }
    return order.prefix(wanted).map { fibers[$0] }
}

/// The same for fibers of one type: spelled out so that `joinAll(urls.map { url in spawn { … } })` type-checks.
@discardableResult
public func joinAll<Value>(
    _ fibers: [Fiber<Value>], timeout: Duration? = nil, count: Int? = nil, rethrowing: Bool = false
) throws -> [Fiber<Value>] {
    try joinEach(fibers, timeout: timeout, count: count, rethrowing: rethrowing)
}

/// The same where some of the fibers belong to other loops, or the caller has none: their loops tell of each end.
private func joinAllElsewhere<F: AnyFiber>(
    _ fibers: [F], until deadline: Deadline?, count: Int?, wanted: Int, rethrowing: Bool
) throws -> [F] {
    let order = Locked<[Int]>([])
    let enough = Waiter<Void>()
    @Sendable func ended(_ index: Int, failed: Bool) {
        let isEnough = order.withLock { order in
            order.append(index)
            return order.count == wanted || (rethrowing && failed)
        }
        if isEnough { enough.resume(returning: ()) }
    }
    var links: [LinkToken] = []
    for (index, fiber) in fibers.enumerated() {
        let link = LinkToken()
        links.append(link)
        let accepted = fiber.loop.perform {
            fiber.isObserved = true
            if fiber.state == .finished { return ended(index, failed: !fiber.isSuccessful) }
            fiber.makeExtras().links.add(link) { ended(index, failed: !$0.isSuccessful) }
        }
        if !accepted { ended(index, failed: !fiber.isSuccessful) }
    }
    defer {
        // Nothing stays behind with those that go on.
        for (fiber, link) in zip(fibers, links) where !fiber.isFinished { fiber.unlink(link) }
    }
    if wanted > 0 { _ = try enough.wait(.otherLoop, until: deadline) }
    let finished = order.withLock { $0 }
    if rethrowing {
        for index in finished { if let error = fibers[index].error { throw error } }
    }
    if count == nil { return fibers.indices.filter { finished.contains($0) }.map { fibers[$0] } }
    return finished.prefix(wanted).map { fibers[$0] }
}
