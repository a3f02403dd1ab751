import SwiftletCoroutines
import SwiftletLoop
import Synchronization

/// What asyncio keeps with a loop. Only the loop's thread touches it, but for what is locked.
final class LoopState: LoopAttachment, @unchecked Sendable {
    unowned(unsafe) let loop: EventLoop
    /// Strong: asyncio's own loop forgets tasks that nobody else holds.
    var tasks: [ObjectIdentifier: any AnyLoopTask] = [:]
    /// Begun and not yet ended: closed when the loop ends.
    var generators: [ObjectIdentifier: any AnyAsyncGenerator] = [:]
    var readers: [CInt: DescriptorWatch] = [:]
    var writers: [CInt: DescriptorWatch] = [:]
    var signals: [CInt: SignalWatch] = [:]
    var taskFactory: (any TaskFactory)?
    /// Whose threads `runInExecutor` uses.
    var executor = ThreadPool.shared
    /// What they were given, and may still do.
    var executing: [any ExecutorWork] = []
    var isExecutorShutDown = false
    private var lastNumber: UInt64 = 0
    /// Waits from other threads: they must end when the loop does.
    private let foreign = Locked<[ObjectIdentifier: WeakWaiter]>([:])

    init(_ loop: EventLoop) { self.loop = loop }

    func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    var allTasks: [any AnyLoopTask] { tasks.values.sorted { $0.internals.number < $1.internals.number } }

    func add(foreign waiter: Waiter<Void>) {
        foreign.withLock { waiters in
            if waiters.count >= 32 { waiters = waiters.filter { $0.value.waiter != nil } }
            waiters[ObjectIdentifier(waiter)] = WeakWaiter(waiter: waiter)
        }
    }

    private struct WeakWaiter { weak var waiter: Waiter<Void>? }

    func runEnds() { loop.endTasks() }

    func loopEnds() {
        if generators.isEmpty { return }
        do {
            try shielded { try blockOn { [loop] in await loop.closeAsyncGenerators() } }
        } catch {
            Report(.deadlock, "while async generators were closed: \(error)").post()
        }
    }

    func loopCloses() {
        for signal in signals.values { signal.end() }
        for task in allTasks {
            loop.callExceptionHandler(
                LoopFailure(.pendingTask, "Task was destroyed but it is pending!", subject: "task: \(task)"))
        }
        let waiters = foreign.withLock { waiters in
            defer { waiters = [:] }
            return waiters.values.compactMap(\.waiter)
        }
        for waiter in waiters { waiter.resume(returning: ()) }
        tasks = [:]
        taskFactory = nil
        executing = []
    }
}

extension EventLoop {
    var asyncState: LoopState {
        if let state = attachment { return unsafeDowncast(state, to: LoopState.self) }
        let state = LoopState(self)
        attachment = state
        return state
    }
}
