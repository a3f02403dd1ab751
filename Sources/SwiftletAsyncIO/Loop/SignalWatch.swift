import CSwiftlet
import SwiftletCoroutines
public import SwiftletLoop

/// Calls a closure in the loop when a signal has come.
final class SignalWatch {
    private let signal: CInt
    private let descriptor: CInt
    private let watch: DescriptorWatch
    private var hasEnded = false

    /// On the loop's thread.
    init(_ signal: CInt, once: Bool = false, on loop: EventLoop, _ body: @escaping () throws -> Void)
        throws(SignalError)
    {
        let descriptor = swiftlet_signal_listen(signal, once)
        if descriptor < 0 { throw SignalError(signal: signal, errno: swiftlet_errno()) }
        self.signal = signal
        self.descriptor = descriptor
        watch = DescriptorWatch(descriptor, .reading, on: loop) {
            if swiftlet_signal_take(descriptor) > 0 { try body() }
        }
    }

    func end() {
        if hasEnded { return }
        hasEnded = true
        watch.end()
        notifyClosing(descriptor)
        swiftlet_signal_forget(signal, descriptor)
    }
}

extension EventLoop {
    /// Calls a closure in the loop when a signal comes, in a fiber: it may wait. Replaces an earlier one. A signal that
    /// comes several times before the closure's turn calls it once, as with the kernel.
    ///
    /// The program's own handler, if it had one, is called too; the default action is not taken.
    /// - Throws: `SignalError` for one that cannot be caught; `LoopError.wrongThread`, `.closed`. What the closure throws
    ///   goes to `exceptionHandler`.
    public func addSignalHandler(_ signal: CInt, _ body: @escaping () throws -> Void) throws {
        try removeSignalHandler(signal)
        asyncState.signals[signal] = try SignalWatch(signal, on: self, body)
    }

    /// Takes the closure back; with the last one of the process the earlier action is in force again.
    ///
    /// - Returns: false when there was none.
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    @discardableResult
    public func removeSignalHandler(_ signal: CInt) throws(LoopError) -> Bool {
        try requireOwnThread()
        let watch = asyncState.signals.removeValue(forKey: signal)
        watch?.end()
        return watch != nil
    }
}

/// A signal could not be listened to.
public struct SignalError: Error, Hashable, CustomStringConvertible {
    public let signal: CInt
    public let errno: CInt

    public init(signal: CInt, errno: CInt) {
        self.signal = signal
        self.errno = errno
    }

    public var description: String {
        errno == 22
            ? "signal \(signal) cannot be caught"
            : "cannot listen to signal \(signal) (errno \(errno)): remove other handlers, or raise the limit of descriptors"
    }
}
