import CSwiftlet
import SwiftletCoroutines

/// Each call finds those task-local values bound that its caller has: asyncio's `context`, which is bound around the asking.
extension EventLoop {
    /// Calls a closure in the next turn, after what is ready already.
    ///
    /// - Throws: `LoopError.wrongThread`, with the remedy; `.closed`. What the closure throws goes to `exceptionHandler`.
    @discardableResult
    public func callSoon(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Void
    ) throws(LoopError) -> Handle {
        try requireOwnThread()
        let call = makeCall(keepingTaskLocalValues(body), at: 0, file: file, line: line)
        unsafe swiftlet_ring_push(&core.pointee.ready, call.item)
        return Handle(call: call)
    }

    /// Calls a closure after a while. Equal deadlines keep the order of the calls.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`. What the closure throws goes to `exceptionHandler`.
    @discardableResult
    public func callLater(
        _ delay: Duration, file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Void
    ) throws(LoopError) -> TimerHandle {
        try callAt(.after(delay), file: file, line: line, body)
    }

    /// Calls a closure at some time. Equal deadlines keep the order of the calls.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`. What the closure throws goes to `exceptionHandler`.
    @discardableResult
    public func callAt(
        _ deadline: Deadline, file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Void
    ) throws(LoopError) -> TimerHandle {
        try requireOwnThread()
        let call = makeCall(keepingTaskLocalValues(body), at: max(deadline.nanoseconds, 1), file: file, line: line)
        scheduleTimer(for: call.item, at: call.deadline)
        return TimerHandle(call: call)
    }

    /// Calls a closure in one of the next turns, from any thread; those of one thread in their order.
    ///
    /// - Parameters:
    ///   - key: collapses calls: while one with an equal key is under way, further ones are dropped.
    ///   - file: where it is asked for, for reports.
    ///   - line: the same.
    ///   - body: what to call.
    /// - Returns: `nil` when it was collapsed into an earlier call.
    /// - Throws: `LoopError.closed`. What the closure throws goes to `exceptionHandler`.
    @discardableResult
    public func callSoonThreadSafe<Key: Hashable & Sendable>(
        collapsing key: Key, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping @Sendable () throws -> Void
    ) throws(LoopError) -> Handle? {
        let key = SendableKey(key)
        guard pendingKeys.withLock({ $0.insert(key).inserted }) else { return nil }
        let call = CollapsedCall(key, keepingTaskLocalValues(body), on: self, file: file, line: line)
        do {
            try post(call)
        } catch {
            pendingKeys.withLock { _ = $0.remove(key) }
            throw error
        }
        return Handle(call: call)
    }

    /// Calls a closure in one of the next turns, from any thread; those of one thread in their order.
    ///
    /// - Throws: `LoopError.closed`. What the closure throws goes to `exceptionHandler`.
    @discardableResult
    public func callSoonThreadSafe(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping @Sendable () throws -> Void
    ) throws(LoopError) -> Handle {
        let call = ScheduledCall(keepingTaskLocalValues(body), on: self, at: 0, file: file, line: line)
        try post(call)
        return Handle(call: call)
    }

    /// For callers that are known to be on the loop's thread.
    package func callInNextTurn(file: StaticString, line: UInt32, _ body: @escaping () throws -> Void) {
        unsafe swiftlet_ring_push(&core.pointee.ready, makeCall(body, at: 0, file: file, line: line).item)
    }

    @inline(__always)
    private func makeCall(
        _ body: @escaping () throws -> Void, at deadline: UInt64, file: StaticString, line: UInt32
    ) -> ScheduledCall {
        guard let call = unsafe spareCalls.popLast() else {
            return ScheduledCall(body, on: self, at: deadline, file: file, line: line)
        }
        call.begin(body, at: deadline, file: file, line: line)
        return call
    }

    /// The loop is done with a call.
    @inline(__always)
    func giveBack(_ callback: consuming Callback) {
        guard callback.isReusable, isKnownUniquelyReferenced(&callback), unsafe spareCalls.count < Self.spareCallLimit
        else { return }
        // Safe: only a scheduled call says that it is reusable.
        unsafe spareCalls.append(unsafeDowncast(callback, to: ScheduledCall.self))
    }

    /// More than one sweep of the timers frees at its least.
    private static var spareCallLimit: Int { 128 }

    private func post(_ call: ScheduledCall) throws(LoopError) {
        let item = call.item
        if submit(item) { return }
        unsafe Unmanaged<Callback>.fromOpaque(item.pointer).release()
        throw .closed
    }

    /// - Throws: `LoopError.wrongThread`, `.closed`, unless the caller is on this loop's thread.
    package func requireOwnThread() throws(LoopError) {
        if isCurrent { return }
        throw isClosed ? .closed : .wrongThread
    }
}

/// A key of any type, which may cross threads.
struct SendableKey: Hashable, @unchecked Sendable {
    private let key: AnyHashable

    // Sendable, as the type that comes in is.
    init(_ key: some Hashable & Sendable) { self.key = AnyHashable(key) }
}
