import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// A loop as Swift's concurrency runtime sees it. Two small objects: one that conforms to both protocols would take the
/// runtime's slow path.
@safe
final class LoopExecutors {
    let task: LoopTaskExecutor
    let serial: LoopSerialExecutor
    private let unownedTask: UnownedTaskExecutor
    private let unownedSerial: UnownedSerialExecutor

    init(_ loop: EventLoop) {
        task = LoopTaskExecutor(loop)
        serial = LoopSerialExecutor(loop)
        unsafe unownedTask = unsafe task.asUnownedTaskExecutor()
        unsafe unownedSerial = unsafe serial.asUnownedSerialExecutor()
    }

    @inline(__always)
    func run(_ job: UnsafeMutableRawPointer) {
        // Safe: every job in the queue came from `enqueue` as this very pointer, and runs once.
        unsafe unsafeBitCast(job, to: UnownedJob.self).runSynchronously(on: unownedTask)
    }

    /// A job of a task that prefers no executor. Run as the loop's, it would come back to the queue at each return from
    /// an `await`: the runtime would take the loop for another executor than the task's.
    @inline(__always)
    func runPlain(_ job: UnsafeMutableRawPointer) {
        unsafe unsafeBitCast(job, to: UnownedJob.self).runSynchronously(on: Self.generic)
    }

    /// The runtime's name for no serial executor: two zero words.
    private static let generic = unsafe unsafeBitCast((0, 0), to: UnownedSerialExecutor.self)

    @inline(__always)
    func runIsolated(_ job: UnsafeMutableRawPointer) {
        unsafe unsafeBitCast(job, to: UnownedJob.self).runSynchronously(
            isolatedTo: unownedSerial, taskExecutor: unownedTask)
    }
}

extension UnownedJob {
    /// The job as a queue item; what `runSynchronously` is later given back.
    @inline(__always)
    func item(_ tag: ReadyTag) -> UInt64 {
        unsafe UInt64(unsafeBitCast(self, to: UnsafeMutableRawPointer.self), tag)
    }
}

/// Runs a loop's tasks: for `Task(executorPreference:)` and `withTaskExecutorPreference`.
@safe
final class LoopTaskExecutor: TaskExecutor, @unchecked Sendable {
    // Safe: the loop owns this object; the runtime retains the object only together with jobs, which a closed loop refuses.
    unowned(unsafe) let loop: EventLoop

    init(_ loop: EventLoop) { unsafe self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        unsafe loop.submitJob(UnownedJob(job).item(.job))
    }
}

/// Runs actors that choose a loop as their executor, one job at a time.
@safe
final class LoopSerialExecutor: SerialExecutor, @unchecked Sendable {
    unowned(unsafe) let loop: EventLoop

    init(_ loop: EventLoop) { unsafe self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        unsafe loop.submitJob(UnownedJob(job).item(.isolatedJob))
    }

    func isIsolatingCurrentContext() -> Bool? {
        guard unsafe loop.isCurrent else { return false }
        return unsafe swiftlet_flow_of(loop.thread.pointee.current)!.pointee.is_isolated
    }

    func checkIsolated() {
        precondition(isIsolatingCurrentContext() == true, "not running on this loop's serial executor")
    }
}

extension EventLoop {
    /// Queues a job. A closed loop cannot run it, and nobody can tell its task: that is reported, once a loop.
    @inline(__always)
    func submitJob(_ job: UInt64) {
        if !submit(job) { reportLostJobs() }
    }

    @inline(never)
    func reportLostJobs() {
        guard !hasLostJobs.exchange(true, ordering: .relaxed) else { return }
        Report(
            .closedLoop,
            """
            a Swift task was to go on on a closed loop: it stays suspended for ever, and so does who awaits it. Await the \
            tasks of a loop before its end, and make no others with its executor afterwards.
            """
        ).post()
    }

    /// This loop for `Task(executorPreference:)` and `withTaskExecutorPreference`.
    public var taskExecutor: any TaskExecutor { unsafe executors.task }

    /// This loop as the executor of an actor: `nonisolated var unownedExecutor { loop.serialExecutor }`. Its jobs run on
    /// the loop's thread, one at a time; while one is parked the others wait.
    public var serialExecutor: UnownedSerialExecutor { unsafe executors.serial.asUnownedSerialExecutor() }
}
