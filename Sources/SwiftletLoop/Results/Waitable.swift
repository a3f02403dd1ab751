import CSwiftlet
import SwiftletCoroutines

/// Something that becomes ready once and that `wait` and `iwait` can wait for: fibers, results.
public protocol Waitable: AnyObject {
    /// Calls the body once when it is ready: on any thread, or here and now if it is ready. The body does not wait.
    ///
    /// - Returns: takes the body back.
    func whenReady(_ body: @escaping @Sendable () -> Void) -> @Sendable () -> Void

    /// Only this loop's own code can make it ready: with nothing else left to do, waiting for it is a deadlock.
    func isLocal(to loop: EventLoop) -> Bool
}

extension Waitable {
    public func isLocal(to loop: EventLoop) -> Bool { false }
}

extension AnyFiber: Waitable {
    public final func whenReady(_ body: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        if isFinishedHere {
            isObserved = true
            body()
            return {}
        }
        isObserved = true
        let link = rawLink { _ in body() }
        return { self.unlink(link) }
    }

    public final func isLocal(to loop: EventLoop) -> Bool { self.loop === loop }
}

extension AsyncResult: Waitable {
    public func whenReady(_ body: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let link = rawLink { _ in body() }
        return { self.unlink(link) }
    }
}

/// Waits until several things are ready, whatever the outcome of each. gevent's `wait`.
///
/// Cancellation: ends the wait.
/// - Parameters:
///   - objects: fibers, results and other things that become ready.
///   - timeout: how long to wait at most.
///   - count: how many to wait for; all by default.
/// - Returns: those that are ready, in the order in which they became so.
/// - Throws: `CancellationError`; `DeadlockError`.
public func wait<Object: Waitable>(
    _ objects: [Object], timeout: Duration? = nil, count: Int? = nil
) throws -> [Object] {
    try iwait(objects, timeout: timeout, count: count).rest()
}

/// The same for things of several types.
public func wait(
    _ objects: [any Waitable], timeout: Duration? = nil, count: Int? = nil
) throws -> [any Waitable] {
    try iwait(objects, timeout: timeout, count: count).rest()
}

/// Hands out things as they become ready. gevent's `iwait`.
///
/// ```swift
/// for fiber in iwait(fibers) { print(fiber.value ?? "failed") }
/// ```
/// - Parameters:
///   - objects: fibers, results and other things that become ready.
///   - timeout: how long to wait at most, in all; then the sequence ends.
///   - count: how many to hand out; all by default.
public func iwait<Object: Waitable>(
    _ objects: [Object], timeout: Duration? = nil, count: Int? = nil
) -> ReadySequence<Object> {
    ReadySequence(objects, until: timeout.map { .after($0) }, count: count) { $0 }
}

/// The same for things of several types.
public func iwait(
    _ objects: [any Waitable], timeout: Duration? = nil, count: Int? = nil
) -> ReadySequence<any Waitable> {
    ReadySequence(objects, until: timeout.map { .after($0) }, count: count) { $0 }
}
