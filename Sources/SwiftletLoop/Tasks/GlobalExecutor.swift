import CSwiftlet
import SwiftletCoroutines
import Synchronization

// The one file that uses SPI of the concurrency runtime: its executor factory, the only mechanism of 6.3 that also
// catches plain `Task { }`, detached tasks, the main actor, yields and sleeps. On other compilers than those it was tried
// with, loops serve tasks by executor preference alone.
#if compiler(>=6.3) && compiler(<6.4)
    @_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency
#endif

/// How Swift tasks get to a loop in this process.
public enum ExecutorMechanism: Sendable, Hashable, CustomStringConvertible {
    /// A loop is the process's default and main executor: every task without another executor runs on it.
    case defaultExecutor
    /// Only tasks that prefer a loop, and their children, run on it; plain `Task { }` runs in Swift's own pool.
    case preference

    public var description: String {
        switch self {
        case .defaultExecutor: "default and main executor"
        case .preference: "executor preference"
        }
    }
}

extension EventLoop {
    private static let installed = Locked<Bool>(false)

    /// How tasks get to loops at present.
    public static var executorMechanism: ExecutorMechanism {
        installed.withLock { $0 } ? .defaultExecutor : .preference
    }

    /// Makes the main thread's loop the process's default and main executor, for good. To be called on the main thread
    /// before any task is made; `EventLoop.run` on the main thread does it unless told otherwise.
    ///
    /// - Returns: the mechanism in force afterwards.
    @discardableResult
    public static func installAsGlobalExecutor() throws -> ExecutorMechanism {
        #if compiler(>=6.3) && compiler(<6.4)
            let loop = try EventLoop.current
            let isFirst = installed.withLock { isInstalled in
                defer { isInstalled = true }
                return !isInstalled
            }
            if isFirst {
                unsafe GlobalExecutorFactory.main = loop
                loop.isDefaultExecutor.store(true, ordering: .relaxed)
                swiftlet_keep_heap()
                _createExecutors(factory: GlobalExecutorFactory.self)
            }
        #endif
        return executorMechanism
    }
}

#if compiler(>=6.3) && compiler(<6.4)
    private struct GlobalExecutorFactory: ExecutorFactory {
        // Written once, before the runtime asks.
        nonisolated(unsafe) static var main: EventLoop!
        static var mainExecutor: any MainExecutor { unsafe MainLoopExecutor(main) }
        static var defaultExecutor: any TaskExecutor { unsafe DefaultLoopExecutor(main) }
    }

    /// The main actor's executor.
    @safe
    private final class MainLoopExecutor: MainExecutor, @unchecked Sendable {
        let loop: EventLoop

        init(_ loop: EventLoop) { self.loop = loop }

        var isMainExecutor: Bool { true }

        func enqueue(_ job: consuming ExecutorJob) { loop.submitJob(UnownedJob(job).item(.isolatedJob)) }

        func checkIsolated() { precondition(loop.isCurrent, "not on the main actor") }

        func isIsolatingCurrentContext() -> Bool? {
            unsafe loop.isCurrent && swiftlet_flow_of(loop.thread.pointee.current)!.pointee.is_isolated
        }

        func run() throws { try loop.runForever() }

        func stop() { loop.stop() }

        func runUntil(_ condition: () -> Bool) throws { while !condition() { try yield() } }
    }

    /// Runs every task without another executor, and their sleeps.
    @safe
    private final class DefaultLoopExecutor: TaskExecutor, SchedulingExecutor, @unchecked Sendable {
        let loop: EventLoop

        init(_ loop: EventLoop) { self.loop = loop }

        func enqueue(_ job: consuming ExecutorJob) { loop.submitJob(UnownedJob(job).item(.plainJob)) }

        func enqueue<C: Clock>(
            _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
        ) {
            loop.scheduleJob(UnownedJob(job).item(.plainJob), after: delay as? Duration ?? .zero)
        }
    }

    extension LoopTaskExecutor: SchedulingExecutor {
        func enqueue<C: Clock>(
            _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
        ) {
            unsafe loop.scheduleJob(UnownedJob(job).item(.job), after: delay as? Duration ?? .zero)
        }
    }

    extension EventLoop {
        fileprivate func scheduleJob(_ item: UInt64, after delay: Duration) {
            let deadline = Deadline.after(delay).nanoseconds
            if isCurrent { return scheduleTimer(for: item, at: deadline) }
            if !perform({ self.scheduleTimer(for: item, at: deadline) }) { reportLostJobs() }
        }
    }
#endif
