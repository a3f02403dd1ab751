import CSwiftlet
import SwiftletCoroutines

/// One result that somebody waits for and somebody else, on any thread, provides. Decided exactly once: by a value, an
/// error, a timeout or a cancellation, whichever comes first.
///
/// ```swift
/// let answer = Waiter<Int>()
/// library.ask { answer.resume(returning: $0) }   // calls back on some thread of its own
/// print(try answer.wait()!)                      // parks only this fiber or task
/// ```
///
/// States: empty -> decided. Several stacks may wait for it: all get the result.
@safe
public final class Waiter<Value>: @unchecked Sendable {
    struct State {
        var result: Result<Value, any Error>?
        var queue = WaitQueue()
    }

    let shared = Guarded(State())

    public init() {}

    deinit { shared.destroy() }

    /// Provides the value. Later results are dropped.
    public func resume(returning value: sending Value) { resume(with: .success(value)) }

    /// Provides an error, which the waiting stack throws. Later results are dropped.
    public func resume(throwing error: any Error) { resume(with: .failure(error)) }

    func resume(with result: Result<Value, any Error>) {
        var elsewhere: [WaitToken] = []
        shared.withLock { state in
            guard state.result == nil else { return }
            state.result = result
            _ = state.queue.decideAll(as: .granted, &elsewhere)
        }
        elsewhere.wakeAll()
    }

    /// Waits for the result.
    ///
    /// Cancellation: ends the wait; the result stays for whoever asks again.
    /// - Returns: the value; `nil` when the deadline came first.
    /// - Throws: the error provided; `CancellationError`.
    public func wait(until deadline: Deadline? = nil) throws -> Value? { try wait(.waiter, until: deadline) }

    /// Waits for the result, from a task.
    public func wait(until deadline: Deadline? = nil) async throws -> sending Value? {
        try await parkInTask { _ = try self.wait(.waiter, until: deadline) }
        nonisolated(unsafe) let value = try shared.withLock { $0.result }?.get()
        return unsafe value
    }

    package func wait(_ kind: WaitKind, until deadline: Deadline? = nil, isShielded: Bool = false) throws -> Value? {
        shared.lock()
        if let result = shared.state.result {
            shared.unlock()
            return try result.get()
        }
        let loop = EventLoop.currentIfAny
        unsafe loop?.foreignWaits += 1
        defer { unsafe loop?.foreignWaits -= 1 }
        var node = WaitNode()
        let isDecided = try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                kind, shared.spin, node, until: deadline, isShielded: isShielded,
                attempt: { shared.state.result != nil }, enqueue: { unsafe shared.state.queue.append(node) },
                leave: { unsafe shared.state.queue.remove(node) })
        }
        return isDecided ? try shared.withLock { $0.result }?.get() : nil
    }

    /// Nothing has been provided yet.
    package var isEmpty: Bool { shared.withLock { $0.result == nil } }
}
