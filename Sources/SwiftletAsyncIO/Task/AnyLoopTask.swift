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
    /// Where it is: its own coroutine, then each future that is waited for, by the one before it. asyncio's `get_stack`, with
    /// places instead of frames; empty once it is done. To be asked on the loop's thread.
    ///
    /// Complexity: linear in the length of the chain; one that leads back to itself is cut there.
    public var stack: [String] {
        guard !isDone else { return [] }
        var places = [internals.coroutineInTask]
        var seen: Set<ObjectIdentifier> = [ObjectIdentifier(self)]
        var next = internals.awaited
        while let future = next, seen.insert(ObjectIdentifier(future)).inserted {
            places.append(future.description)
            next = (future as? any TaskInternals)?.awaited
        }
        return places
    }

    var internals: any TaskInternals { self as! any TaskInternals }
    var runsHere: Bool { internals.isRunBy(AnyCoroutine.currentRunner) }
    func startsWaiting(for future: AnyFuture) { if internals.awaited == nil { internals.awaited = future } }
    func stopsWaiting(for future: AnyFuture) { if internals.awaited === future { internals.awaited = nil } }
}

protocol TaskInternals: AnyObject {
    var number: Int { get }
    var awaited: AnyFuture? { get set }
    var coroutineInTask: String { get }
    func isRunBy(_ runner: UInt) -> Bool
}

/// Which task the caller runs in.
enum CurrentTask {
    @TaskLocal static var value: (any AnyLoopTask)?
}
