import CSwiftlet
import SwiftletCoroutines
import SwiftletLoop

extension AnyFuture {
    /// Suspends the calling task until the future is done.
    ///
    /// Cancellation: of the task cancels the future, and so what that stands for, as in asyncio; `shield` keeps it off.
    /// - Throws: `CancellationError` when the task was cancelled before; `LoopError.closed`.
    final func untilDone() async throws {
        if isDone { return }
        try Task.checkCancellation()
        guard EventLoop.carrier === loop else { return try await untilDoneElsewhere() }
        let waiting = try noteWaiting()
        defer { waiting?.stopsWaiting(for: self) }
        await withTaskCancellationHandler {
            await suspend()
        } onCancel: {
            self.cancel()
        }
    }

    /// The same for a caller whose own cancellation must wait.
    final func untilDoneShielded() async {
        if !isDone { await suspend() }
    }

    private final func suspend() async {
        await withUnsafeContinuation { addObserver(.task($0)) }
    }

    private final func untilDoneElsewhere() async throws {
        let done = try observeElsewhere()
        do {
            _ = try await done.wait()
        } catch is CancellationError {
            cancel()
            throw CancellationError()
        }
        if !isDone { throw LoopError.closed }
    }

    /// Parks the calling stack until the future is done.
    ///
    /// - Returns: false when the deadline came first.
    final func parkUntilDone(until deadline: Deadline?, isShielded: Bool = false) throws -> Bool {
        if isDone { return true }
        guard loop.isCurrent else {
            let done = try observeElsewhere()
            if try done.wait(until: deadline) == nil { return false }
            if !isDone { throw LoopError.closed }
            return true
        }
        let waiting = try noteWaiting()
        defer { waiting?.stopsWaiting(for: self) }
        var mine: WaitToken?
        defer {
            if !isDone { observers.removeAll { if case .stack(let token) = $0 { token == mine } else { false } } }
        }
        return try park(.task, until: deadline, isShielded: isShielded) { token in
            mine = token
            addObserver(.stack(token))
        } == .woken
    }

    private final func observeElsewhere() throws -> Waiter<Void> {
        let done = Waiter<Void>()
        let accepted = loop.perform {
            if self.isDone { return done.resume(returning: ()) }
            self.loop.asyncState.add(foreign: done)
            self.addObserver(.elsewhere(done))
        }
        if !accepted, !isDone { throw LoopError.closed }
        if !accepted { done.resume(returning: ()) }
        return done
    }

    /// - Throws: `CoroutineError.awaitsItself`.
    private final func noteWaiting() throws -> (any AnyLoopTask)? {
        guard let task = CurrentTask.value, task.runsHere else { return nil }
        if task === self { throw CoroutineError.awaitsItself(task: task.name) }
        task.startsWaiting(for: self)
        return task
    }
}
