import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

private let userSignals = Tally()

@Suite struct RunnerTests {
    @Test func runUntil() async throws {
        try await onOwnStack { (loop) throws -> Void in
            // The coroutine is made outside of the macro: in it, the compiler takes this closure for that of the next one.
            let first = Coroutine { 1 }
            #expect(try loop.run(until: first) == 1)
            let coroutine = Coroutine("once") { 2 }
            #expect(try loop.run(until: coroutine) == 2)
            #expect(throws: CoroutineError.alreadyAwaited(coroutine: "once")) { try loop.run(until: coroutine) }
            #expect(throws: Failure(3)) {
                try loop.run(until: Coroutine { () async throws -> Int in throw Failure(3) })
            }
            let future = try loop.createFuture(of: Int.self)
            try loop.callLater(.milliseconds(1)) { try future.setResult(4) }
            #expect(try loop.run(until: future) == 4)
            try loop.callSoon { loop.stop() }
            try loop.runForever()
            try loop.run(
                until: Coroutine { () async throws -> Void in
                    #expect(throws: LoopError.alreadyRunning) { try runAgain(loop) }
                    #expect(throws: LoopError.alreadyRunning) { try AsyncIO.run { 1 } }
                    #expect(throws: LoopError.alreadyRunning) { try AsyncIO.Runner() }
                })
        }
    }

    @Test func aLoopThatRunsDoesNotRunForEver() async throws {
        try await onLoop { (loop) async throws -> Void in
            #expect(throws: LoopError.alreadyRunning) { try loop.runForever() }
            let fiber = spawn { try loop.runForever() }
            await #expect(throws: LoopError.alreadyRunning) { try await fiber.get() }
            #expect(LoopError.alreadyRunning.description.contains("This event loop is already running"))
            onThreadAndEnd { #expect(throws: LoopError.wrongThread) { try loop.runForever() } }
        }
    }

    @Test func whatIsLeftIsCancelledAndWaitedFor() async throws {
        ReportLog.begin()
        try await onFreshThread { () throws -> Void in
            let cleanedUp = Tally()
            for round in 1...2 {
                let value = try AsyncIO.run(takesOver: false) { () async throws -> Int in
                    let loop = try EventLoop.running
                    #expect(loop.allTasks.count == 1)
                    for _ in 0..<3 {
                        try loop.createTask(
                            Coroutine {
                                defer { cleanedUp.add() }
                                try await sleep(.seconds(100))
                            })
                    }
                    await turns()
                    return round
                }
                #expect(value == round && cleanedUp.count == 3 * round)
                #expect(EventLoop.currentIfAny == nil)
            }
            let failures = SharedJournal<LoopFailure>()
            #expect(throws: Failure(5)) {
                try AsyncIO.run(takesOver: false) { () async throws -> Void in
                    let loop = try EventLoop.running
                    loop.exceptionHandler = { failures.note($0) }
                    try loop.createTask(
                        Coroutine { do { try await sleep(.seconds(100)) } catch { throw Failure(6) } })
                    await turns()
                    throw Failure(5)
                }
            }
            #expect(failures.entries.map { $0.error as? Failure } == [Failure(6)])
            #expect(swiftlet_stack_count(currentThread()).live == 0)
        }
    }

    /// E28: the loop is closed with what ran on it, and the next run has another.
    @Test func theLoopIsGoneAfterARun() async throws {
        ReportLog.begin()
        try await onFreshThread { () throws -> Void in
            var earlier: EventLoop?
            for _ in 0..<2 {
                let kept = SharedJournal<EventLoop>()
                try AsyncIO.run(takesOver: false) { () async throws -> Void in
                    let loop = try EventLoop.running
                    kept.note(loop)
                    #expect(try await loop.runInExecutor { 1 }.value == 1)
                    #expect(throws: LoopError.alreadyRunning) { try AsyncIO.run { 1 } }
                }
                #expect(EventLoop.currentIfAny == nil)
                #expect(kept.entries[0] !== earlier)
                #expect(throws: LoopError.closed) { try kept.entries[0].callSoonThreadSafe {} }
                earlier = kept.entries[0]
            }
        }
    }

    @Test func aRunnerKeepsItsLoop() async throws {
        try await onFreshThread { () throws -> Void in
            let runner = try AsyncIO.Runner(debug: true)
            #expect(runner.loop.configuration.isDebug)
            for number in 0..<3 {
                #expect(try runner.run { try EventLoop.running === EventLoop.current ? number : -1 } == number)
            }
            try runner.close()
            try runner.close()
            #expect(throws: LoopError.closed) { try runner.run { 1 } }
        }
    }

    @Test func aReaderOutlivesAnyErrorOfItsOwn() async throws {
        try await onLoop { (loop) async throws -> Void in
            var ends: [CInt] = [0, 0]
            #expect(pipe(&ends) == 0)
            let (reading, writing) = (ends[0], ends[1])
            let failures = collectFailures(loop)
            let calls = Tally()
            let done = try loop.createFuture(of: Void.self)
            #expect(write(writing, "abc", 3) == 3)
            try loop.addReader(reading) {
                var byte: UInt8 = 0
                #expect(read(reading, &byte, 1) == 1)
                if calls.add() == 3 { try done.setResult(()) }
                throw CancellationError()  // as the result of a cancelled task does
            }
            try await done.value
            await turns()
            #expect(calls.count == 3 && failures.entries.count == 3)
            #expect(try loop.removeReader(reading))
            for end in ends { close(end) }
        }
    }

    @Test func readersAndWriters() async throws {
        try await onLoop { (loop) async throws -> Void in
            var ends: [CInt] = [0, 0]
            #expect(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
            let (reading, writing) = (ends[0], ends[1])
            let bytes = Tally()
            let done = try loop.createFuture(of: Void.self)
            try loop.addReader(reading) { Issue.record("replaced") }
            // One byte a call: what is left has to come up again.
            try loop.addReader(reading) {
                var byte: UInt8 = 0
                if read(reading, &byte, 1) == 1, bytes.add() == 3 { try done.setResult(()) }
            }
            let failures = collectFailures(loop)
            try loop.addWriter(writing) {
                #expect(write(writing, "abc", 3) == 3)
                #expect(try loop.removeWriter(writing))
                throw Failure(2)
            }
            try await done.value
            #expect(bytes.count == 3 && failures.entries.map { $0.error as? Failure } == [Failure(2)])
            #expect(try loop.removeReader(reading))
            #expect(try !loop.removeReader(reading))
            #expect(try !loop.removeWriter(writing))
            #expect(write(writing, "d", 1) == 1)
            try await sleep(.milliseconds(5))
            #expect(bytes.count == 3)
            for end in ends { close(end) }
        }
    }

    @Test func signalsBesideAHandlerOfTheProgram() async throws {
        signal(SIGUSR1) { _ in userSignals.add() }
        try await onLoop { (loop) async throws -> Void in
            letIn(SIGUSR1)
            let received = Tally()
            let done = try loop.createFuture(of: Void.self)
            try loop.addSignalHandler(SIGUSR1) {
                if received.add() == 2 { try done.setResult(()) } else { raise(SIGUSR1) }
            }
            raise(SIGUSR1)
            try await done.value
            #expect(received.count == 2 && userSignals.count == 2)
            #expect(try loop.removeSignalHandler(SIGUSR1))
            #expect(try !loop.removeSignalHandler(SIGUSR1))
            raise(SIGUSR1)
            await turns()
            #expect(received.count == 2 && userSignals.count == 3)
            #expect(throws: SignalError(signal: SIGKILL, errno: EINVAL)) { try loop.addSignalHandler(SIGKILL) {} }
        }
        signal(SIGUSR1, SIG_DFL)
    }

    @Test func controlCCancelsTheMainTask() async throws {
        await #expect(processExitsWith: .exitCode(7)) {
            let cleanedUp = Tally()
            do {
                try await onFreshThread {
                    letInterruptsIn()
                    try AsyncIO.run(takesOver: false) { () async throws -> Void in
                        defer { cleanedUp.add() }
                        raise(SIGINT)
                        try await sleep(.seconds(100))
                    }
                }
            } catch is AsyncIO.Interrupted {
                exit(cleanedUp.count == 1 && swiftlet_signal_is_default(SIGINT) ? 7 : 8)
            }
        }
        // The second one ends the process, even if the loop is held up.
        await #expect(processExitsWith: .signal(SIGINT)) {
            try await onFreshThread {
                letInterruptsIn()
                try AsyncIO.run(takesOver: false) { () async throws -> Void in
                    raise(SIGINT)
                    raise(SIGINT)
                    while true {}
                }
            }
        }
    }

    @Test func debugModeFromTheEnvironment() async throws {
        await #expect(processExitsWith: .exitCode(5)) {
            setenv("SWIFTLET_DEBUG", "1", 1)
            let isDebug = try await onFreshThread {
                try AsyncIO.run(takesOver: false) { try EventLoop.running.configuration.isDebug }
            }
            exit(isDebug ? 5 : 6)
        }
    }
}

/// Lets the calling thread have a signal: it inherits the mask of one of Swift's pool, which blocks them all.
private func letIn(_ signal: CInt) {
    var mask = sigset_t()
    sigemptyset(&mask)
    sigaddset(&mask, signal)
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
}

/// In a process of its own, where whoever started the tests may have had the signal ignored. A hang ends it too.
private func letInterruptsIn() {
    alarm(20)
    signal(SIGINT, SIG_DFL)
    letIn(SIGINT)
}

private func runAgain(_ loop: EventLoop) throws { _ = try loop.run(until: Coroutine("inner") { 1 }) }
