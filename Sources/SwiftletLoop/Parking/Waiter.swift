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
/// States: empty -> waiting -> decided, or empty -> decided. Several stacks may wait for it: all get the result.
public final class Waiter<Value>: @unchecked Sendable {
    private enum State {
        case empty
        case waiting(WaitToken, others: [WaitToken])
        case decided(Result<Value, any Error>)
    }

    private let state = Locked<State>(.empty)

    public init() {}

    /// Provides the value. Later results are dropped.
    public func resume(returning value: sending Value) { resume(with: .success(value)) }

    /// Provides an error, which the waiting stack throws. Later results are dropped.
    public func resume(throwing error: any Error) { resume(with: .failure(error)) }

    func resume(with result: Result<Value, any Error>) {
        let tokens: [WaitToken] = state.withLock { state in
            switch state {
            case .decided: return []
            case .empty:
                state = .decided(result)
                return []
            case .waiting(let token, let others):
                state = .decided(result)
                return [token] + others
            }
        }
        // Outside the lock: posting to another loop takes that one's lock.
        for token in tokens { token.wake() }
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
        var mine: WaitToken?
        do {
            _ = try park(kind, until: deadline, isShielded: isShielded) { token in
                mine = token
                let isLate = state.withLock { state in
                    switch state {
                    case .decided: return true
                    case .empty: state = .waiting(token, others: [])
                    case .waiting(let first, let others): state = .waiting(first, others: others + [token])
                    }
                    return false
                }
                if isLate { token.wake() }
            }
        } catch {
            forget(mine)
            throw error
        }
        if let result = decided() { return try result.get() }
        forget(mine)
        return nil
    }

    /// Nothing has been provided yet.
    var isEmpty: Bool { decided() == nil }

    private func decided() -> Result<Value, any Error>? {
        state.withLock { state in
            if case .decided(let result) = state { return result }
            return nil
        }
    }

    private func forget(_ token: WaitToken?) {
        guard let token else { return }
        state.withLock { state in
            guard case .waiting(let first, let others) = state else { return }
            let rest = ([first] + others).filter { $0 != token }
            state = rest.first.map { .waiting($0, others: Array(rest.dropFirst())) } ?? .empty
        }
    }
}
