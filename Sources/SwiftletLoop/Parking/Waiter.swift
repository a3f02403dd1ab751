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
/// States: empty -> waiting -> decided, or empty -> decided. One stack may wait for it, once or again.
public final class Waiter<Value>: @unchecked Sendable {
    private enum State {
        case empty
        case waiting(WaitToken)
        case decided(Result<Value, any Error>)
    }

    private let state = Locked<State>(.empty)

    public init() {}

    /// Provides the value. Later results are dropped.
    public func resume(returning value: sending Value) { resume(with: .success(value)) }

    /// Provides an error, which the waiting stack throws. Later results are dropped.
    public func resume(throwing error: any Error) { resume(with: .failure(error)) }

    private func resume(with result: Result<Value, any Error>) {
        let token: WaitToken? = state.withLock { state in
            switch state {
            case .decided: return nil
            case .empty:
                state = .decided(result)
                return nil
            case .waiting(let token):
                state = .decided(result)
                return token
            }
        }
        // Outside the lock: waking a stack of this loop may not run it, but posting to another takes that one's lock.
        token?.wake()
    }

    /// Waits for the result.
    ///
    /// Cancellation: ends the wait; the result stays for whoever asks again.
    /// - Returns: the value; `nil` when the deadline came first.
    /// - Throws: the error provided; `CancellationError`.
    public func wait(until deadline: Deadline? = nil) throws -> Value? { try wait(.waiter, until: deadline) }

    /// Waits for the result, from a task.
    @concurrent
    public func wait(until deadline: Deadline? = nil) async throws -> sending Value? {
        try await parkInTask { _ = try self.wait(.waiter, until: deadline) }
        nonisolated(unsafe) let value = try decided()?.get()
        return unsafe value
    }

    func wait(_ kind: WaitKind, until deadline: Deadline? = nil, isShielded: Bool = false) throws -> Value? {
        if let result = decided() { return try result.get() }
        let loop = EventLoop.currentIfAny
        unsafe loop?.foreignWaits += 1
        defer { unsafe loop?.foreignWaits -= 1 }
        do {
            _ = try park(kind, until: deadline, isShielded: isShielded) { token in
                let isLate = state.withLock { state in
                    if case .decided = state { return true }
                    state = .waiting(token)
                    return false
                }
                if isLate { token.wake() }
            }
        } catch {
            forgetToken()
            throw error
        }
        if let result = decided() { return try result.get() }
        forgetToken()
        return nil
    }

    private func decided() -> Result<Value, any Error>? {
        state.withLock { state in
            if case .decided(let result) = state { return result }
            return nil
        }
    }

    private func forgetToken() {
        state.withLock { state in
            if case .waiting = state { state = .empty }
        }
    }
}
