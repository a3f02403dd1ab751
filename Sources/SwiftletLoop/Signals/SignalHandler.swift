import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// Runs the body in a fiber of its own on the calling thread's loop when the process has got the signal. gevent's
/// `signal_handler`.
///
/// ```swift
/// try onSignal(SIGTERM) { try server.stop() }
/// ```
/// The signal's default action is not taken while there is a handler; a handler that the program has set by other means is
/// called too. Several handlers for one signal all run. A signal that comes several times before the loop's turn runs
/// each once, as with the kernel. Handlers end with `EventLoop.run` or their loop. An error that the body throws is reported.
///
/// - Parameters:
///   - signal: such as `SIGINT`. Those that tell of an error of the program's own, such as `SIGSEGV`, cannot be handled.
///   - file: where the handler is made, for reports.
///   - line: the same.
///   - body: plain synchronous code.
/// - Returns: the handler, to cancel it. It stays without being kept.
/// - Throws: `SignalError`; `LoopError`.
@discardableResult
public func onSignal(
    _ signal: CInt, file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Void
) throws -> SignalHandler {
    _ = try EventLoop.current
    let listener = try SignalListener(signal)
    let watcher = spawn(name: "watcher of signal \(signal)", file: file, line: line) {
        defer { notifyClosing(listener.descriptor) }
        while try waitUntilReady(listener.descriptor, for: .reading) {
            guard swiftlet_signal_take(listener.descriptor) > 0 else { continue }
            spawn(name: "handler of signal \(signal)", file: file, line: line, body)
        }
    }
    watcher.makeExtras().isBackground = true
    return SignalHandler(signal, watcher)
}

/// What `onSignal` has set up.
public final class SignalHandler: Sendable {
    /// The signal's number.
    public let signal: CInt
    private let watcher: AnyFiber

    fileprivate init(_ signal: CInt, _ watcher: AnyFiber) {
        self.signal = signal
        self.watcher = watcher
    }

    /// Takes the handler back, in the loop's next turn. With the last one for its signal, the signal does again what it did
    /// before. Twice does nothing. From any thread.
    public func cancel() { watcher.cancel() }
}

/// Listens to a signal as long as it lives, also if the fiber that holds it never runs.
final class SignalListener: Sendable {
    let descriptor: CInt
    let signal: CInt
    private let hasEnded = Atomic<Bool>(false)

    init(_ signal: CInt) throws {
        guard ![SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGURG].contains(signal) else {
            throw SignalError(signal: signal, errno: 0)
        }
        self.signal = signal
        descriptor = swiftlet_signal_listen(signal, false)
        if descriptor < 0 { throw SignalError(signal: signal, errno: swiftlet_errno()) }
    }

    deinit { forget() }

    /// Ends listening.
    ///
    /// - Returns: the signal had come and was not taken.
    @discardableResult
    func forget() -> Bool {
        if descriptor < 0 || hasEnded.exchange(true, ordering: .relaxed) { return false }
        return swiftlet_signal_forget(signal, descriptor) > 0
    }
}

/// A signal cannot be handled.
public struct SignalError: Error, Hashable, CustomStringConvertible {
    public let signal: CInt
    /// The kernel's answer; 0 when the library needs the signal itself or it tells of an error that cannot be mended.
    public let errno: CInt

    public init(signal: CInt, errno: CInt) {
        self.signal = signal
        self.errno = errno
    }

    public var description: String {
        let reason =
            unsafe errno == 0
            ? "it tells of a crash, or the library uses it itself" : String(cString: strerror(errno))
        return "signal \(signal) cannot be handled: \(reason); use another, such as SIGTERM or SIGUSR1"
    }
}
