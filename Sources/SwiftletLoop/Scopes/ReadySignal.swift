import SwiftletCoroutines

/// How a child that `SpawnScope.start` waits for says that it is ready, and with what: a port, a connection, nothing.
///
/// States: starting -> ready | ended | abandoned -> ended. Who started the child gets its value or its error, exactly
/// one; an abandoned child is one whose starter was cancelled first.
///
/// Thread rules: may be called from any thread.
public final class ReadySignal<Ready>: @unchecked Sendable {
    private enum State {
        case starting
        case ready
        case abandoned
        case ended
    }

    private let state = Locked(State.starting)
    private let result = Waiter<Ready>()

    /// Lets who called `start` go on.
    ///
    /// - Throws: `SpawnScopeError.alreadyReady` the second time; `CancellationError` when the starter was cancelled.
    public func callAsFunction(_ value: sending Ready) throws {
        try state.withLock { state in
            switch state {
            case .starting: state = .ready
            case .ready: throw SpawnScopeError.alreadyReady
            case .abandoned, .ended: throw CancellationError()
            }
        }
        result.resume(returning: value)
    }

    /// Waits for the value or the error.
    func wait(orCancel cancel: () -> Void) throws -> Ready {
        do {
            return try result.wait()!
        } catch {
            let found = state.withLock { state in
                defer { if state == .starting { state = .abandoned } }
                return state
            }
            if found == .starting { cancel() }
            // Ready in the very moment of a cancellation: the value is not lost, the next wait throws. Other errors (`kill`, a
            // timeout) are thrown once only; the child is the scope's then.
            if found == .ready, !(error is CancellationError) { throw error }
            do {
                return try result.wait(.waiter, isShielded: true)!
            } catch is CancellationError {
                throw error
            }
        }
    }
}

extension ReadySignal where Ready == Void {
    /// Lets who called `start` go on.
    public func callAsFunction() throws { try self(()) }
}

/// A child's way to being ready, as its scope sees it.
@usableFromInline
protocol StartingChild: Sendable {
    /// The child has ended. True when that is the starter's business: it was not ready yet.
    func end(_ error: (any Error)?) -> Bool
}

extension ReadySignal: StartingChild {
    @usableFromInline
    func end(_ error: (any Error)?) -> Bool {
        let wasReady = state.withLock { state in
            if state == .ready { return true }
            state = .ended
            return false
        }
        if !wasReady { result.resume(throwing: error ?? SpawnScopeError.endedBeforeReady) }
        return !wasReady
    }
}
