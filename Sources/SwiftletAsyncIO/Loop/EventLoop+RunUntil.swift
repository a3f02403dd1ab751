import CSwiftlet
import SwiftletCoroutines
public import SwiftletLoop
import Synchronization

extension EventLoop {
    /// Runs the loop until something is done, and answers its value; a coroutine becomes a task. From the thread's own
    /// stack. asyncio's `run_until_complete`.
    ///
    /// - Throws: what awaiting throws; `LoopError.alreadyRunning` inside a loop, `.wrongThread`, `.closed`.
    @discardableResult
    public func run<A: Awaitable>(until awaitable: A) throws -> A.Value {
        try requireOwnStack()
        return try ensureFuture(awaitable, on: self).wait()
    }

    /// Cancels tasks, and runs the loop until they have ended. Tells the exception handler of those that failed.
    func endTasks(except kept: Set<AnyFuture> = []) {
        while true {
            let left = allTasks.filter { !kept.contains($0) && !$0.isDone }
            if left.isEmpty { return }
            for task in left { task.cancel() }
            for task in left {
                do {
                    _ = try task.parkUntilDone(until: nil, isShielded: true)
                } catch {
                    Report(.deadlock, "while tasks were ended: \(error)").post()
                    return
                }
                if task.state == .failed, !task.isObserved.exchange(true, ordering: .relaxed) {
                    callExceptionHandler(
                        LoopFailure(
                            .unretrievedError, "unhandled exception while the loop's tasks were ended",
                            subject: "task: \(task)", error: task.error))
                }
            }
        }
    }
}
