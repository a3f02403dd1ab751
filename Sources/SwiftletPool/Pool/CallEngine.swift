package import SwiftletLoop

/// What belongs to one loop, and is used from any thread.
package protocol LoopBound: AnyObject, Sendable {
    var loop: EventLoop { get }
}

/// What is under a pool: takes calls to where they run, and answers each once. All of it belongs to one loop.
package protocol CallEngine: LoopBound {
    /// How many calls its workers may be at. A `map` keeps twice as many under way.
    var slots: Int { get }
    /// Its workers are this very build: values may go to them as they lie in memory.
    var sharesBuild: Bool { get }

    /// How many jobs of a `map` go to a worker in one piece.
    func chunkSize(_ rule: ChunkRule, jobs: Int) -> Int

    /// Takes a call. On its loop.
    func submit(_ call: PoolCall)

    /// Answers the call now, and has its jobs ended. On its loop.
    func cancel(_ call: PoolCall, _ error: any Error)
}

extension LoopBound {
    /// Runs the body on the loop: at once if the caller is there.
    ///
    /// - Returns: false when the loop is closed; the body is never run then.
    @discardableResult
    package func enter(_ body: @escaping @Sendable () -> Void) -> Bool {
        if loop.isCurrent {
            body()
            return true
        }
        return loop.perform(body)
    }
}
