import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// Receives signals one by one while a region runs. trio's `open_signal_receiver`.
///
/// ```swift
/// try withSignals(SIGHUP, SIGTERM) { signals in
///     while try signals.receive() == SIGHUP { try reload() }
/// }
/// ```
/// Their default actions are not taken meanwhile; handlers that the program has set are called too. Signals that came and were
/// not received are raised again at the region's end, when they do again what they did before: so one that ends the process
/// is not lost.
///
/// - Throws: `SignalError`; what the body throws.
public func withSignals<Value>(_ signals: CInt..., body: (SignalReceiver) throws -> Value) throws -> Value {
    let receiver = try SignalReceiver(signals)
    defer { receiver.close() }
    return try body(receiver)
}

/// The same for a region of async code.
public func withSignals<Value>(
    _ signals: CInt..., isolation: isolated (any Actor)? = #isolation, body: (SignalReceiver) async throws -> Value
) async throws -> Value {
    let receiver = try SignalReceiver(signals)
    defer { receiver.close() }
    return try await body(receiver)
}

/// What `withSignals` gives to its body.
public final class SignalReceiver: Sendable {
    private let listeners: [SignalListener]
    /// Readable when one of the signals has come.
    private let anyOfThem: CInt
    /// Whose turn it is: a signal that comes all the time does not keep the others back.
    private let turn = Atomic<Int>(0)

    fileprivate init(_ signals: [CInt]) throws {
        listeners = try signals.map { try SignalListener($0) }
        anyOfThem = unsafe swiftlet_signal_any_of(listeners.map(\.descriptor), CInt(listeners.count))
        guard anyOfThem >= 0 else { throw SignalError(signal: signals.first ?? 0, errno: swiftlet_errno()) }
    }

    /// Waits for the next signal. Several of them that are pending take turns; one that came several times is one, as with the
    /// kernel.
    ///
    /// Cancellation: ends the wait; no signal is taken then.
    /// - Parameter timeout: how long to wait at most.
    /// - Returns: its number.
    /// - Throws: `DeadlineExceeded` after `timeout`; `CancellationError`.
    public func receive(timeout: Duration? = nil) throws -> CInt {
        let deadline = timeout.map { Deadline.after($0) }
        while true {
            if let signal = receiveNoWait() { return signal }
            guard try waitUntilReady(anyOfThem, for: .reading, until: deadline) else { throw DeadlineExceeded() }
        }
    }

    /// Waits for the next signal, from a task.
    ///
    /// Cancellation: ends the wait; no signal is taken then.
    public func receive(timeout: Duration? = nil) async throws -> CInt {
        if let signal = receiveNoWait() { return signal }
        return try await parkInTask { try self.receive(timeout: timeout) }
    }

    /// A signal that has come, or `nil`.
    public func receiveNoWait() -> CInt? {
        let first = turn.load(ordering: .relaxed)
        for step in listeners.indices {
            let place = (first + step) % listeners.count
            guard swiftlet_signal_take(listeners[place].descriptor) > 0 else { continue }
            turn.store(place + 1, ordering: .relaxed)
            return listeners[place].signal
        }
        return nil
    }

    fileprivate func close() {
        notifyClosing(anyOfThem)
        Glibc.close(anyOfThem)
        // To the process, as it came.
        for listener in listeners where listener.forget() { kill(getpid(), listener.signal) }
    }
}
