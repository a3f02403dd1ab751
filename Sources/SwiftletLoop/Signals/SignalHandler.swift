import CSwiftlet
import Glibc
import SwiftletCoroutines

/// Runs the body in a fiber of its own on the calling thread's loop each time the process gets the signal. gevent's
/// `signal_handler`.
///
/// ```swift
/// try onSignal(SIGTERM) { try server.stop() }
/// ```
/// The signal does nothing else any more, until the last handler for it is cancelled: then it does again what it did before.
/// Several handlers for one signal all run, in the order of their making. A loop that ends takes its handlers with it. An
/// error that the body throws is reported.
///
/// - Parameters:
///   - signal: such as `SIGINT`. Those that a program gets by an error of its own, such as `SIGSEGV`, cannot be handled.
///   - file: where the handler is made, for reports.
///   - line: the same.
///   - body: plain synchronous code.
/// - Returns: the handler, to cancel it. It stays without being kept.
/// - Throws: `SignalError`; `LoopError`.
@discardableResult
public func onSignal(
    _ signal: CInt, file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping @Sendable () throws -> Void
) throws -> SignalHandler {
    guard ![SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGURG].contains(signal) else {
        throw SignalError(signal: signal, errno: 0)
    }
    let loop = try EventLoop.current
    let handler = SignalHandler(signal, on: loop) {
        loop.spawn(name: "handler of signal \(signal)", file: file, line: line, body)
    }
    try SignalDispatcher.shared.add(handler)
    unsafe loop.foreignWaits += 1  // a signal may wake whoever waits: such a loop is in no deadlock
    return handler
}

/// What `onSignal` has set up.
public final class SignalHandler: Sendable {
    /// The signal's number.
    public let signal: CInt
    fileprivate let loop: EventLoop
    fileprivate let run: @Sendable () -> Void

    fileprivate init(_ signal: CInt, on loop: EventLoop, run: @escaping @Sendable () -> Void) {
        self.signal = signal
        self.loop = loop
        self.run = run
    }

    /// Takes the handler back. Twice does nothing. From any thread.
    public func cancel() {
        guard SignalDispatcher.shared.remove(self) else { return }
        if loop.isCurrent { unsafe loop.foreignWaits -= 1 } else { loop.perform { unsafe self.loop.foreignWaits -= 1 } }
    }
}

/// A signal cannot be handled.
public struct SignalError: Error, Hashable, CustomStringConvertible {
    public let signal: CInt
    /// The kernel's answer; 0 when the library needs the signal itself or it tells of an error that cannot be mended.
    public let errno: CInt

    public var description: String {
        let reason =
            unsafe errno == 0
            ? "it tells of a crash, or the library uses it itself" : String(cString: strerror(errno))
        return "signal \(signal) cannot be handled: \(reason); use another, such as SIGTERM or SIGUSR1"
    }
}

/// Passes signals on to the loops of their handlers, on a thread of its own that starts with the first handler.
final class SignalDispatcher: Sendable {
    static let shared = SignalDispatcher()

    private struct State {
        var handlers: [SignalHandler] = []
        var isRunning = false
    }

    private let state = Locked(State())

    func add(_ handler: SignalHandler) throws {
        try state.withLock { state in
            if !state.isRunning {
                let status = swiftlet_signal_open()
                guard status == 0 else { throw SignalError(signal: handler.signal, errno: -status) }
                try startThread(name: "swiftlet-signal") { self.serve() }
                state.isRunning = true
            }
            if !state.handlers.contains(where: { $0.signal == handler.signal }) {
                let status = swiftlet_signal_watch(handler.signal)
                guard status == 0 else { throw SignalError(signal: handler.signal, errno: -status) }
            }
            state.handlers.append(handler)
        }
    }

    /// False when it had been removed before.
    func remove(_ handler: SignalHandler) -> Bool { remove { $0 === handler } > 0 }

    /// For a loop that ends.
    func forget(_ loop: EventLoop) {
        let count = remove { $0.loop === loop }
        unsafe loop.foreignWaits -= count
    }

    private func remove(where isRemoved: (SignalHandler) -> Bool) -> Int {
        state.withLock { state in
            let removed = state.handlers.filter(isRemoved)
            state.handlers.removeAll(where: isRemoved)
            for signal in Set(removed.map(\.signal)) where !state.handlers.contains(where: { $0.signal == signal }) {
                swiftlet_signal_unwatch(signal)
            }
            return removed.count
        }
    }

    private func serve() {
        while case let signal = swiftlet_signal_next(), signal > 0 {
            for handler in state.withLock({ $0.handlers }) where handler.signal == signal { handler.run() }
        }
    }
}
