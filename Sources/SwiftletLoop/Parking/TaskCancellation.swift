import CSwiftlet

/// Waits, in a task, so that cancelling the task ends the wait.
func withTaskCancellationRecord(_ token: WaitToken, _ wait: () -> WaitOutcome) -> WaitOutcome {
    var token = token
    return unsafe withUnsafeMutablePointer(to: &token) { token in
        // Called at once if the task is cancelled already; else on whatever thread cancels it, but never after the
        // record's removal, so the token may lie on this stack.
        var record = unsafe swiftlet_cancellation_record(
            handler: { unsafe $0!.assumingMemoryBound(to: WaitToken.self).pointee.wake(.cancelled) },
            argument: unsafe token,
            runtime_record: nil)
        unsafe swiftlet_cancellation_add(&record)
        let outcome = wait()
        unsafe swiftlet_cancellation_remove(&record)
        return outcome
    }
}
