import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// Threads for work that cannot be made to park: `getaddrinfo`, disk files, C code that computes.
///
/// Bounded: at most `capacity` threads; further work queues in order. An idle thread ends after a while, or once the pool is
/// closed. Each thread holds a reference to the pool.
@safe
package final class OffloadPool: @unchecked Sendable {
    package static let shared = OffloadPool(capacity: min(32, sysconf(Int32(_SC_NPROCESSORS_ONLN)) + 4))

    private struct State {
        var queue: [@Sendable () -> Void] = []
        var head = 0
        var threads = 0
        var idle = 0
        var isClosed = false
    }

    let capacity: Int
    private let idleLimit: Duration
    private var state = State()  // under the mutex
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(capacity: Int, idleLimit: Duration = .seconds(10)) {
        self.capacity = capacity
        self.idleLimit = idleLimit
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// How much it has to do.
    var depth: (threads: Int, idle: Int, queued: Int, capacity: Int) {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return (state.threads, state.idle, state.queue.count - state.head, capacity)
    }

    /// Around a fork, whose child has none of the threads, nor anybody who waits for what is queued.
    func prepareFork() { unsafe pthread_mutex_lock(mutex) }

    func endFork(inChild: Bool) {
        if inChild {
            state = State()
            unsafe pthread_cond_init(condition, nil)
        }
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Its threads end when the queue is empty.
    func close() {
        unsafe pthread_mutex_lock(mutex)
        state.isClosed = true
        unsafe pthread_cond_broadcast(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    package func submit(_ work: @escaping @Sendable () -> Void) {
        let work = EventLoop.countedInSimulation(work)
        unsafe pthread_mutex_lock(mutex)
        state.queue.append(work)
        var startsThread = false
        // An idle thread counts as idle until it has run: one signal may not be taken for two.
        if state.queue.count - state.head <= state.idle {
            unsafe pthread_cond_signal(condition)
        } else if state.threads < capacity {
            state.threads += 1
            startsThread = true
        }
        unsafe pthread_mutex_unlock(mutex)
        if startsThread { startThread() }
    }

    private func startThread() {
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, nil,
            { pool in
                unsafe swiftlet_thread_name("swiftlet-offload")
                unsafe Unmanaged<OffloadPool>.fromOpaque(pool!).takeRetainedValue().serve()
                return nil
            }, unsafe Unmanaged.passRetained(self).toOpaque())
        if status == 0 {
            pthread_detach(thread)
            return
        }
        unsafe Unmanaged.passUnretained(self).release()  // the thread's reference
        unsafe pthread_mutex_lock(mutex)
        state.threads -= 1
        let isAlone = state.threads == 0
        unsafe pthread_mutex_unlock(mutex)
        // Others will serve the queue. With none at all, the work is done here rather than never.
        if isAlone { while let work = next(mayWait: false) { work() } }
    }

    private func serve() {
        while let work = next(mayWait: true) { work() }
    }

    private func next(mayWait: Bool) -> (@Sendable () -> Void)? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while state.head == state.queue.count {
            state.queue.removeAll(keepingCapacity: true)
            state.head = 0
            guard mayWait, !state.isClosed else {
                if mayWait { state.threads -= 1 }
                return nil
            }
            var limit = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &limit)
            let end = limit.tv_nsec + Int(idleLimit.components.attoseconds / 1_000_000_000)
            limit.tv_sec += Int(idleLimit.components.seconds) + end / 1_000_000_000
            limit.tv_nsec = end % 1_000_000_000
            state.idle += 1
            ServiceThreads.enter()
            let status = unsafe pthread_cond_timedwait(condition, mutex, &limit)
            ServiceThreads.leave()
            state.idle -= 1
            if status == ETIMEDOUT, state.head == state.queue.count {
                state.threads -= 1
                return nil
            }
        }
        let work = state.queue[state.head]
        state.queue[state.head] = {}
        state.head += 1
        return work
    }
}

/// Runs a closure on a thread of a bounded pool, while only the caller waits. For work that blocks and cannot park. It sees
/// the caller's task-local values.
///
/// Cancellation: ends the wait; the closure runs to its end and its result is dropped.
/// - Throws: what the closure throws; `CancellationError`.
public func toThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) throws -> Value {
    try offload(work)
}

func offload<Value: Sendable>(
    to pool: OffloadPool = .shared, _ work: @escaping @Sendable () throws -> Value
) throws -> Value {
    let done = Waiter<Value>()
    let work = keepingTaskLocalValues(work)
    pool.submit {
        do {
            done.resume(returning: try work())
        } catch {
            done.resume(throwing: error)
        }
    }
    return try done.wait(.thread)!
}

/// A closure that finds the present task-local values bound, whatever thread it is called on, outside of tasks.
package func keepingTaskLocalValues<Value>(
    _ work: @escaping @Sendable () throws -> Value
) -> @Sendable () throws -> Value {
    guard let values = TaskLocalValues.current() else { return work }
    return { try values.bound(during: work) }
}

/// The same for a closure that stays on its thread.
@inline(__always)
func keepingTaskLocalValues(_ work: @escaping () throws -> Void) -> () throws -> Void {
    guard unsafe swiftlet_may_have_task_locals(currentThread()), let values = TaskLocalValues.current() else {
        return work
    }
    return { try values.bound(during: work) }
}

/// Runs a closure on a thread of a bounded pool, from a task. It sees the task's task-local values.
///
/// Cancellation: ends the wait; the closure runs to its end and its result is dropped.
public func toThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    let done = Waiter<Value>()
    // A task of its own on the pool's thread: so that task-local values come along.
    Task(executorPreference: OffloadExecutor.shared) {
        done.resume(with: Result { try work() })
    }
    return try await parkInTask { try done.wait(.thread)! }
}

/// The pool's threads as an executor of tasks.
private final class OffloadExecutor: TaskExecutor {
    static let shared = OffloadExecutor()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        OffloadPool.shared.submit { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
