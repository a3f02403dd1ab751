/// What all tasks have in common, whatever their value.
public protocol AnyLoopTask: AnyFuture {
    /// `Task-n`, numbered through the process, unless set otherwise. To be set on the loop's thread.
    var name: String { get set }
    /// How often it was asked to end, less what `uncancel` took back.
    var cancelRequests: Int { get }
    /// Takes one request back. A running coroutine sees a cancellation all the same: Swift's own is a one-way flag.
    @discardableResult func uncancel() -> Int
}

extension AnyLoopTask {
    var internals: any TaskInternals { self as! any TaskInternals }
    var runsHere: Bool { internals.isRunBy(AnyCoroutine.currentRunner) }
    func startsWaiting(for future: AnyFuture) { if internals.awaited == nil { internals.awaited = future } }
    func stopsWaiting(for future: AnyFuture) { if internals.awaited === future { internals.awaited = nil } }
}

protocol TaskInternals: AnyObject {
    var number: Int { get }
    var awaited: AnyFuture? { get set }
    func isRunBy(_ runner: UInt) -> Bool
}

/// Which task the caller runs in.
enum CurrentTask {
    @TaskLocal static var value: (any AnyLoopTask)?
}
