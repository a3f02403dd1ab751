import CSwiftlet
import Swiftlet
import TestSupport
import Testing

/// Threads behind a loop, and futures of others on it.
@Suite struct ExecutorTests {
    @Test func workOnTheLoopsThreads() async throws {
        try await onLoop { (loop) async throws -> Void in
            let home = swiftlet_thread_id()
            let gate = Waiter<Void>()
            let task = try loop.runInExecutor { () throws -> Bool in
                _ = try gate.wait()
                return swiftlet_thread_id() != home
            }
            await turns()
            #expect(!task.isDone)
            gate.resume(returning: ())
            #expect(try await task.value)
            let failing = try loop.runInExecutor { () throws -> Int in throw Failure(4) }
            await #expect(throws: Failure(4)) { try await failing.value }
            let pool = ThreadPool(size: 1)
            #expect(try await loop.runInExecutor(pool) { 5 }.value == 5)
            // Cancelling ends the wait, not the work.
            let blocked = Waiter<Void>()
            let done = Waiter<Int>()
            let cancelled = try loop.runInExecutor {
                _ = try blocked.wait()
                done.resume(returning: 6)
            }
            await turns()
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            blocked.resume(returning: ())
            #expect(try await done.wait() == 6)
            onThreadAndEnd { #expect(throws: LoopError.wrongThread) { try loop.runInExecutor { 1 } } }
        }
    }

    @Test func theExecutorIsSetAndShutDown() async throws {
        try await onLoop { (loop) async throws -> Void in
            let pool = ThreadPool(size: 1)
            try loop.setDefaultExecutor(pool)
            let gate = Waiter<Void>()
            let first = try loop.runInExecutor { _ = try gate.wait() }
            let second = try loop.runInExecutor { 2 }
            await #expect(throws: DeadlineExceeded.self) {
                try await loop.shutdownDefaultExecutor(timeout: .milliseconds(5))
            }
            #expect(!second.isDone)  // one thread at a time
            let error = #expect(throws: LoopError.executorShutDown) { try loop.runInExecutor { 3 } }
            #expect(error.map { "\($0)".contains("ThreadPool of your own") } == true)
            gate.resume(returning: ())
            try await loop.shutdownDefaultExecutor()
            func again() throws { try loop.shutdownDefaultExecutor(timeout: .seconds(50)) }
            try again()
            try await first.value
            #expect(try await second.value == 2)
            #expect(try await loop.runInExecutor(pool) { 4 }.value == 4)
        }
    }

    @Test func futuresOfOthers() async throws {
        let group = try EventLoopGroup(count: 1)
        let other = group.loops[0]
        try await onLoop { (loop) async throws -> Void in
            // Of another loop.
            let gate = Waiter<Int>()
            let foreign = try other.createTaskThreadSafe(Coroutine { try await gate.wait()! })
            let wrapped = try wrapFuture(foreign)
            #expect(wrapped !== foreign && wrapped.loop === loop)
            #expect(try wrapFuture(wrapped) === wrapped)
            await turns()
            #expect(!wrapped.isDone)
            gate.resume(returning: 1)
            #expect(try await wrapped.value == 1)
            let sleeper = try other.createTaskThreadSafe(Coroutine { try await sleep(.seconds(100)) })
            let doomed = try wrapFuture(sleeper)
            await turns()
            doomed.cancel()
            await #expect(throws: CancellationError.self) { try await doomed.value }
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            #expect(sleeper.isCancelled)
            // Of a thread.
            let result = AsyncResult<Int>()
            let ofThread = try wrapFuture(result)
            try await toThread { try result.set(2) }
            #expect(try await ofThread.value == 2)
            let failed = AsyncResult<Int>()
            try failed.setError(Failure(3))
            let ofFailed = try wrapFuture(failed)
            await #expect(throws: Failure(3)) { try await ofFailed.value }
            // Of Swift's own pool.
            let task = Task.detached { 4 }
            #expect(try await wrapFuture(task).value == 4)
            let endless = Task.detached { try await Task.sleep(for: .seconds(100)) }
            let ofEndless = try wrapFuture(endless)
            await turns()
            ofEndless.cancel()
            await #expect(throws: CancellationError.self) { try await ofEndless.value }
            #expect(endless.isCancelled)
        }
        group.stop()
    }

    private struct Counting: TaskFactory {
        let made: Tally

        func makeTask<Value>(
            _ coroutine: Coroutine<Value>, name: String?, eager: Bool, on loop: EventLoop
        ) throws(LoopError) -> LoopTask<Value> {
            try loop.createTaskWithoutFactory(coroutine, name: name ?? "counted-\(made.add())", eager: eager)
        }
    }

    @Test func tasksAreMadeByTheFactory() async throws {
        try await onLoop { (loop) async throws -> Void in
            let made = Tally()
            loop.taskFactory = Counting(made: made)
            let (first, named) = (
                try loop.createTask(Coroutine { 1 }), try loop.createTask(Coroutine { 2 }, name: "mine")
            )
            let ensured = try ensureFuture(Coroutine { 3 })
            #expect([first.name, named.name, ensured.name] == ["counted-1", "mine", "counted-2"])
            _ = try await (first.value, named.value, ensured.value)
            loop.taskFactory = EagerTaskFactory()
            // Made outside of the macro: in it, the compiler takes this closure for that of the next one.
            let eager = try loop.createTask(Coroutine { 4 })
            #expect(eager.isDone)
            loop.taskFactory = nil
            let plain = try loop.createTask(Coroutine { 5 })
            #expect(!plain.isDone)
            #expect(try await plain.value == 5)
            #expect(made.count == 2)
        }
    }

    @Test func sleepsWithResultsAndRegionsUntilADeadline() async throws {
        try await onLoop { (_) async throws -> Void in
            #expect(try await gather([Coroutine { try await sleep(.milliseconds(2), result: "b") }]) == ["b"])
            await #expect(throws: DeadlineExceeded.self) {
                try await withTimeout(at: .after(.milliseconds(2))) { _ in try await sleep(.seconds(100)) }
            }
            let value = try await withTimeout(at: .after(.seconds(50))) { timeout in timeout.when == nil ? 0 : 1 }
            #expect(value == 1)
        }
    }
}
