/// What came of an attempt to give or take, or of a wait.
@usableFromInline
enum ExchangeOutcome: Sendable {
    case done
    /// The store is full, or empty.
    case mustWait
    case closed
    case timedOut
}

/// Where givers meet takers: under every queue and channel.
///
/// An item goes from the giver straight to the first waiting taker, from stack to stack; else into the store, if there is
/// room; else its giver waits with it. Takers wait only while the store is empty, givers only while it is full. Closed:
/// nothing is given any more, and what is stored can still be taken.
///
/// States: open -> closed.
@safe
@usableFromInline
final class Exchange<Element>: @unchecked Sendable {
    @usableFromInline typealias Outcome = ExchangeOutcome

    @usableFromInline
    struct State {
        @usableFromInline var store: ItemStore<Element>
        @usableFromInline let capacity: Int
        @usableFromInline var isClosed = false
        @usableFromInline var given = 0
        @usableFromInline var taken = 0
        /// How many of those given have been dealt with, for whom that matters.
        @usableFromInline var finished = 0
        @usableFromInline var givers = WaitQueue()
        @usableFromInline var takers = WaitQueue()
        @usableFromInline var peekers = WaitQueue()
        @usableFromInline var joiners = WaitQueue()

        @inlinable
        init(_ order: ItemStore<Element>.Order, capacity: Int) {
            store = ItemStore(order)
            self.capacity = capacity
        }

        /// Where the item of a waiting giver lies, or that of a waiting taker goes.
        @inlinable
        @inline(__always)
        func slot(_ node: WaitNodePointer) -> UnsafeMutablePointer<Element?> {
            // Safe: whoever waits here has set it to an optional element on its stack, which it cannot leave.
            unsafe node.pointee.slot.unsafelyUnwrapped.assumingMemoryBound(to: Element?.self)
        }

        @inlinable
        @inline(__always)
        mutating func give(_ item: inout Element?, _ elsewhere: inout WaitToken?) -> Outcome {
            if isClosed { return .closed }
            if let taker = unsafe takers.grantFirst(&elsewhere) {
                unsafe slot(taker).pointee = item.take()
                taken += 1
            } else if store.count < capacity {
                unsafe store.push(item.take().unsafelyUnwrapped)
                // One looks, and passes it on to the next.
                _ = unsafe peekers.grantFirst(&elsewhere)
            } else {
                return .mustWait
            }
            given += 1
            return .done
        }

        @inlinable
        @inline(__always)
        mutating func take(_ item: inout Element?, _ elsewhere: inout WaitToken?) -> Outcome {
            if store.count > 0 {
                item = store.pop()
                taken += 1
                if let giver = unsafe givers.grantFirst(&elsewhere) {
                    store.push(unsafe slot(giver).pointee.take().unsafelyUnwrapped)
                    given += 1
                }
                return .done
            }
            if let giver = unsafe givers.grantFirst(&elsewhere) {
                item = unsafe slot(giver).pointee.take()
                given += 1
                taken += 1
                return .done
            }
            return isClosed ? .closed : .mustWait
        }
    }

    @usableFromInline let shared: Guarded<State>
    @usableFromInline let kind: WaitKind

    @inlinable
    init(_ kind: WaitKind, _ order: ItemStore<Element>.Order, capacity: Int) {
        self.kind = kind
        shared = Guarded(State(order, capacity: capacity))
    }

    deinit { shared.destroy() }

    // MARK: Giving and taking

    /// Gives the item if that needs no waiting; what is not given stays.
    @inlinable
    func tryGive(_ item: inout Element?) -> Outcome { attempt(&item) { $0.give(&$1, &$2) } }

    /// Gives the item, waiting for room or a taker; what is not given stays.
    @inlinable
    func give(_ item: inout Element?, until deadline: Deadline?) throws -> Outcome {
        try unsafe move(
            &item, until: deadline, by: { $0.give(&$1, &$2) }, enqueue: { unsafe $0.givers.append($1) },
            leave: { unsafe $0.givers.remove($1) })
    }

    /// Takes an item if that needs no waiting.
    @inlinable
    func tryTake(_ item: inout Element?) -> Outcome { attempt(&item) { $0.take(&$1, &$2) } }

    /// Takes an item, waiting for one.
    @inlinable
    func take(_ item: inout Element?, until deadline: Deadline?) throws -> Outcome {
        try unsafe move(
            &item, until: deadline, by: { $0.take(&$1, &$2) }, enqueue: { unsafe $0.takers.append($1) },
            leave: { unsafe $0.takers.remove($1) })
    }

    /// A step of giving or taking, under the lock: the item of the caller, and whom to wake afterwards.
    @usableFromInline typealias Step = (inout State, inout Element?, inout WaitToken?) -> Outcome

    @inlinable
    @inline(__always)
    func attempt(_ item: inout Element?, _ step: Step) -> Outcome {
        var elsewhere: WaitToken?
        shared.lock()
        let outcome = step(&shared.state, &item, &elsewhere)
        shared.unlock()
        elsewhere?.wake()
        return outcome
    }

    /// Gives or takes, waiting in line where the first attempt finds nobody to deal with.
    @inlinable
    @inline(__always)
    func move(
        _ item: inout Element?, until deadline: Deadline?, by step: Step,
        enqueue: (inout State, WaitNodePointer) -> Void, leave: (inout State, WaitNodePointer) -> Void
    ) throws -> Outcome {
        var elsewhere: WaitToken?
        shared.lock()
        var outcome = step(&shared.state, &item, &elsewhere)
        guard outcome == .mustWait else {
            shared.unlock()
            elsewhere?.wake()
            return outcome
        }
        var node = WaitNode()
        return try unsafe withUnsafeMutablePointer(to: &item) { item in
            try unsafe withUnsafeMutablePointer(to: &node) { node in
                unsafe node.pointee.slot = UnsafeMutableRawPointer(item)
                let isOnTime = try unsafe waitInLine(
                    kind, shared.spin, node, until: deadline,
                    attempt: {
                        outcome = unsafe step(&shared.state, &item.pointee, &elsewhere)
                        return outcome != .mustWait
                    },
                    enqueue: { unsafe enqueue(&shared.state, node) }, leave: { unsafe leave(&shared.state, node) })
                elsewhere?.wake()
                if outcome != .mustWait { return outcome }
                if unsafe node.pointee.state == .refused { return .closed }
                return isOnTime ? .done : .timedOut
            }
        }
    }

    /// Waits for a stored item, and answers it without taking it.
    func peek(_ item: inout Element?, until deadline: Deadline?) throws -> Outcome {
        while true {
            let outcome = tryPeek(&item)
            guard outcome == .mustWait else { return outcome }
            var node = WaitNode()
            shared.lock()
            if shared.state.store.count > 0 || shared.state.isClosed {
                shared.unlock()
                continue
            }
            let isOnTime = try unsafe withUnsafeMutablePointer(to: &node) { node in
                try unsafe waitInLine(
                    kind, shared.spin, node, until: deadline,
                    attempt: { shared.state.store.count > 0 || shared.state.isClosed },
                    enqueue: { unsafe shared.state.peekers.append(node) },
                    leave: { unsafe shared.state.peekers.remove(node) })
            }
            if !isOnTime { return .timedOut }
        }
    }

    func tryPeek(_ item: inout Element?) -> Outcome {
        var elsewhere: WaitToken?
        shared.lock()
        item = shared.state.store.next
        let isClosed = shared.state.isClosed
        if item != nil { _ = unsafe shared.state.peekers.grantFirst(&elsewhere) }
        shared.unlock()
        elsewhere?.wake()
        return item != nil ? .done : isClosed ? .closed : .mustWait
    }

    /// Ends the giving; waiting givers are refused, and waiting takers too, since there is nothing left for them.
    ///
    /// - Returns: whether this call closed it, and what was dropped.
    @usableFromInline
    func close(dropping: Bool) -> Bool {
        var elsewhere: [WaitToken] = []
        let (closes, dropped) = shared.withLock { state in
            let closes = !state.isClosed
            state.isClosed = true
            _ = state.givers.decideAll(as: .refused, &elsewhere)
            _ = state.takers.decideAll(as: .refused, &elsewhere)
            _ = state.peekers.decideAll(as: .refused, &elsewhere)
            guard dropping else { return (closes, ItemStore<Element>?.none) }
            state.finished += state.store.count
            state.taken += state.store.count
            let dropped = state.store.removeAll()
            if state.finished >= state.given { _ = state.joiners.decideAll(as: .granted, &elsewhere) }
            return (closes, dropped)
        }
        elsewhere.wakeAll()
        return withExtendedLifetime(dropped) { closes }
    }

    // MARK: Dealing with everything

    /// One of those taken has been dealt with. False when all were before.
    func finishOne() -> Bool {
        var elsewhere: [WaitToken] = []
        let isOwed = shared.withLock { state in
            guard state.finished < state.given else { return false }
            state.finished += 1
            if state.finished == state.given { _ = state.joiners.decideAll(as: .granted, &elsewhere) }
            return true
        }
        elsewhere.wakeAll()
        return isOwed
    }

    /// Waits until all that was given has been dealt with.
    func waitUntilFinished(until deadline: Deadline?) throws -> Bool {
        shared.lock()
        if shared.state.finished >= shared.state.given {
            shared.unlock()
            return true
        }
        var node = WaitNode()
        return try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                kind, shared.spin, node, until: deadline,
                attempt: { shared.state.finished >= shared.state.given },
                enqueue: { unsafe shared.state.joiners.append(node) },
                leave: { unsafe shared.state.joiners.remove(node) })
        }
    }
}

/// A value on its way to the one other stack that will use it.
@usableFromInline
struct Handed<Value>: @unchecked Sendable {
    @usableFromInline let value: Value

    @inlinable
    init(_ value: Value) { self.value = value }
}

extension Exchange {
    /// Gives from a task: see `parkInTask`.
    @inlinable
    func giveInTask(_ item: sending Element, until deadline: Deadline?) async throws -> Outcome {
        var slot: Element? = item
        if EventLoop.mayPark(#isolation) { return try give(&slot, until: deadline) }
        let outcome = tryGive(&slot)
        guard outcome == .mustWait else { return outcome }
        let handed = Handed(slot)
        return try await parkInTask {
            var slot = handed.value
            return try self.give(&slot, until: deadline)
        }
    }

    /// Takes from a task: see `parkInTask`.
    @inlinable
    func takeInTask(_ item: inout Element?, until deadline: Deadline?) async throws -> Outcome {
        if EventLoop.mayPark(#isolation) { return try take(&item, until: deadline) }
        let outcome = tryTake(&item)
        guard outcome == .mustWait else { return outcome }
        let taken = try await parkInTask {
            var slot: Element?
            let outcome = try self.take(&slot, until: deadline)
            return Handed((item: slot, outcome: outcome))
        }
        item = taken.value.item
        return taken.value.outcome
    }
}
