import CSwiftlet
import SwiftletCoroutines
import Synchronization

extension EventLoop {
    /// Runs a synchronous program on the calling thread's loop and returns its result.
    ///
    /// The body runs in a fiber: whatever it and the fibers that it spawns wait for parks only them. When it ends, fibers
    /// that still run are cancelled and waited for, and a loop that was made here is closed.
    ///
    /// With `takesOver` the main thread's loop stays open, since the runtime's executors refer to it. It is emptied instead:
    /// its tasks of asyncio's kind are cancelled and waited for like fibers, calls that were not made yet (`callSoon`,
    /// `callLater`, …) are called off, readers and signal handlers end, and settings are what they were. So the next run
    /// finds nothing of this one. Swift's own tasks (`Task { }`) belong to the process, here as elsewhere: one that has not
    /// ended goes on when the thread waits again.
    ///
    /// A loop that the program has made itself (`EventLoop.current`) keeps its calls, tasks and settings.
    ///
    /// - Parameters:
    ///   - takesOver: on the main thread, makes the loop the process's default and main executor first, so that plain
    ///     `Task { }` and the main actor run on it too.
    ///   - file: where the program begins, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code.
    /// - Throws: what the body throws; `LoopError.alreadyRunning` inside a loop; `DeadlockError`.
    public static func run<Value>(
        takesOver: Bool = true, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping () throws -> Value
    ) throws -> Value {
        try withLoop(takesOver: takesOver) { loop in
            let main = unsafe Fiber(body, loop: Unmanaged.passUnretained(loop).toOpaque(), file: file, line: line)
            loop.schedule(main, name: "main", after: nil, stackSize: StackSize.default)
            main.makeExtras().isMain = true
            return try main.get()
        }
    }

    /// Runs an asynchronous program on the calling thread's loop and returns its result.
    ///
    /// The body runs in a task on the loop, and so do its child tasks; with `takesOver`, on the main thread, plain
    /// `Task { }` too.
    /// - Throws: what the body throws; `LoopError.alreadyRunning` inside a loop.
    // Else it would be taken for synchronous closures too, as it has fewer defaulted parameters.
    @_disfavoredOverload
    public static func run<Value>(
        takesOver: Bool = true, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping @Sendable () async throws -> sending Value
    ) throws -> Value {
        try withLoop(takesOver: takesOver) { loop in
            let done = Waiter<Value>()
            loop.makeTask(name: "main") {
                do {
                    done.resume(returning: try await body())
                } catch {
                    done.resume(throwing: error)
                }
            }
            return try done.wait(.task)!
        }
    }

    package static func withLoop<Value>(takesOver: Bool, _ body: (EventLoop) throws -> Value) throws -> Value {
        let thread = unsafe currentThread()
        guard unsafe thread.pointee.current == swiftlet_thread_root(thread) else {
            throw LoopError.alreadyRunning
        }
        if let loop = unsafe EventLoop.running(on: thread), unsafe !loop.isMadeByRun {
            let before = Set(loop.liveFibers())
            defer {
                let left = loop.liveFibers().filter { !before.contains($0) }
                loop.reportLeftFibers(left)
                loop.cancel(left)
                loop.reportOpenDescriptors()
            }
            return try body(loop)
        }
        let loop = try EventLoop.current
        unsafe loop.isMadeByRun = true
        if takesOver, swiftlet_thread_id() == swiftlet_process_id() { try installAsGlobalExecutor() }
        let (configuration, exceptionHandler) = (loop.configuration, loop.exceptionHandler)
        let result = Result { try body(loop) }
        loop.reportLeftFibers(loop.liveFibers())
        unsafe loop.attachment?.runEnds()
        if loop.isDefaultExecutor.load(ordering: .relaxed) {
            loop.endRun()
            loop.configuration = configuration
            loop.exceptionHandler = exceptionHandler
        } else {
            try loop.close()
        }
        return try result.get()
    }

    /// Runs the loop until a fiber has ended, and returns its result. From the thread's own stack.
    public func run<Value>(until fiber: Fiber<Value>) throws -> Value { try fiber.get() }

    /// Runs the loop until `stop()`. From the thread's own stack.
    ///
    /// - Throws: `LoopError.alreadyRunning` inside a loop, `.wrongThread`, `.closed`.
    public func runForever() throws {
        try requireOwnStack()
        _ = try makeStopWaiter().wait(.stop)
    }

    /// - Throws: `LoopError.alreadyRunning` inside a loop, `.wrongThread`, `.closed`.
    package func requireOwnStack() throws(LoopError) {
        try requireOwnThread()
        if EventLoop.carrier != nil { throw .alreadyRunning }
    }

    private func makeStopWaiter() -> Waiter<Void> {
        let stopped = Waiter<Void>()
        stopWaiters.withLock { $0.append(stopped) }
        return stopped
    }

    /// Lets `runForever` return. From any thread; does nothing when the loop does not run for ever.
    public func stop() {
        let waiters = stopWaiters.withLock { waiters in
            defer { waiters = [] }
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: ()) }
    }

    // MARK: The shared loop

    private static let shared = Locked<EventLoop?>(nil)

    /// Runs synchronous code that parks on a loop of a thread of its own, for tasks that are on no loop.
    @usableFromInline
    static func onSharedLoop<Value: Sendable>(_ body: @Sendable () throws -> Value) async throws -> Value {
        let loop = try sharedLoop()
        // The same task goes there, so that its cancellation, priority and task-local values go along.
        return try await withTaskExecutorPreference(loop.taskExecutor) { @concurrent in try body() }
    }

    package static func sharedLoop() throws -> EventLoop {
        try shared.withLock { shared in
            if let shared { return shared }
            let made = try startOnThread(name: "swiftlet-shared")
            shared = made
            return made
        }
    }

    /// In the child of a fork, where its thread is not.
    static func forgetSharedLoop() { shared.withLock { $0 = nil } }

    /// Runs async code of the calling task on the loop that runs the caller, else on the shared one.
    ///
    /// The body is `@concurrent`, and must do something synchronous before it awaits: of a function that only calls another
    /// one, which would stay where it is called, the compiler drops the change of executors.
    @concurrent
    package static func onLoop<Value: Sendable>(
        _ body: @escaping @Sendable @concurrent (EventLoop) async throws -> Value
    ) async throws -> Value {
        if let loop = carrier { return try await body(loop) }
        let loop = try sharedLoop()
        return try await withTaskExecutorPreference(loop.taskExecutor) { @concurrent in try await body(loop) }
    }

    /// Starts a thread that runs a loop until `stop()`.
    static func startOnThread(name: String) throws -> EventLoop {
        let started = Waiter<EventLoop>()
        try startThread(name: name) {
            do {
                let loop = try EventLoop.current
                let stopped = loop.makeStopWaiter()  // before anybody else can call stop()
                started.resume(returning: loop)
                _ = try stopped.wait(.stop)
                try loop.close()
            } catch {
                started.resume(throwing: error)
            }
        }
        return try started.wait(.thread, isShielded: true)!
    }
}
