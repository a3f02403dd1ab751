import SwiftletCoroutines
public import SwiftletLoop

/// Calls a closure again and again while a descriptor is ready: a fiber that waits for it.
final class DescriptorWatch {
    private let fiber: Fiber<Void>

    /// On the loop's thread.
    init(_ descriptor: CInt, _ side: Readiness, on loop: EventLoop, _ body: @escaping () throws -> Void) {
        fiber = spawn(name: "\(side == .reading ? "reader" : "writer") of descriptor \(descriptor)") {
            while true {
                do {
                    _ = try waitUntilReady(descriptor, for: side)
                } catch let error as DescriptorError {
                    return loop.callExceptionHandler(
                        LoopFailure(.callbackError, "a watched descriptor cannot be waited for", error: error))
                }
                do {
                    try body()
                } catch {
                    // Its own end, or an error like any other: the result of a cancelled task, for one.
                    if error is CancellationError, AnyFiber.current?.isCancelled == true { throw error }
                    loop.callExceptionHandler(
                        LoopFailure(
                            .callbackError, "Exception in callback", subject: "descriptor: \(descriptor)", error: error)
                    )
                }
                // Whose callback leaves the descriptor ready must not keep the others from their turns.
                try yield()
            }
        }
    }

    func end() { fiber.cancel() }
}

extension EventLoop {
    /// Calls a closure whenever a descriptor can be read, in a fiber: it may wait. Replaces an earlier one.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`. What the closure throws goes to `exceptionHandler`.
    public func addReader(_ descriptor: CInt, _ body: @escaping () throws -> Void) throws(LoopError) {
        try removeReader(descriptor)
        asyncState.readers[descriptor] = DescriptorWatch(descriptor, .reading, on: self, body)
    }

    /// - Returns: false when there was none.
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    @discardableResult
    public func removeReader(_ descriptor: CInt) throws(LoopError) -> Bool {
        try requireOwnThread()
        let watch = asyncState.readers.removeValue(forKey: descriptor)
        watch?.end()
        return watch != nil
    }

    /// Calls a closure whenever a descriptor can be written, in a fiber: it may wait. Replaces an earlier one.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`. What the closure throws goes to `exceptionHandler`.
    public func addWriter(_ descriptor: CInt, _ body: @escaping () throws -> Void) throws(LoopError) {
        try removeWriter(descriptor)
        asyncState.writers[descriptor] = DescriptorWatch(descriptor, .writing, on: self, body)
    }

    /// - Returns: false when there was none.
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    @discardableResult
    public func removeWriter(_ descriptor: CInt) throws(LoopError) -> Bool {
        try requireOwnThread()
        let watch = asyncState.writers.removeValue(forKey: descriptor)
        watch?.end()
        return watch != nil
    }
}
