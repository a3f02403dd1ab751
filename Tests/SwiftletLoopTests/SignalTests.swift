import Glibc
import Swiftlet
import TestSupport
import Testing

/// Signals on fibers. Each test has a signal of its own, as they share the process.
@Suite struct SignalTests {
    @Test func eachArrivalRunsTheHandlersInFibers() async throws {
        try await onLoop { () throws -> Void in
            let journal = SharedJournal<String>()
            let came = AsyncResult<Void>()
            let first = try onSignal(SIGUSR1) {
                #expect(AnyFiber.current != nil)
                let hasCome = try came.wait(timeout: .seconds(50))  // the other handler runs meanwhile
                journal.note(hasCome ? "first" : "alone")
            }
            let second = try onSignal(SIGUSR1) {
                journal.note("second")
                came.trySet(.success(()))
            }
            kill(getpid(), SIGUSR1)
            #expect(try came.wait(timeout: .seconds(50)))
            try EventLoop.current.joinFibers()
            #expect(journal.entries == ["second", "first"])
            first.cancel()
            first.cancel()
            let again = AsyncResult<Void>()
            try onSignal(SIGUSR1) { again.trySet(.success(())) }
            kill(getpid(), SIGUSR1)
            #expect(try again.wait(timeout: .seconds(50)))
            try EventLoop.current.joinFibers()
            #expect(journal.entries == ["second", "first", "second"])
            second.cancel()
        }
    }

    @Test func afterTheLastHandlerTheSignalDoesWhatItDidBefore() async throws {
        @Sendable func action() -> Bool {
            var action = sigaction()
            sigaction(SIGUSR2, nil, &action)
            return action.__sigaction_handler.sa_handler == nil  // SIG_DFL
        }
        #expect(action())
        try await onLoop { () throws -> Void in
            let handler = try onSignal(SIGUSR2) {}
            #expect(!action())
            handler.cancel()
            try yield()
            #expect(action())
            try onSignal(SIGUSR2) {}.cancel()  // before it has begun to watch
            try yield()
            #expect(action())
            try onSignal(SIGUSR2) {}
        }
        #expect(action())  // the loop has taken it along
    }

    @Test func aHandlerThatThrowsIsReported() async throws {
        try await onLoop { () throws -> Void in
            let came = AsyncResult<Void>()
            try onSignal(SIGWINCH) {
                came.trySet(.success(()))
                throw Failure(28_182)
            }
            kill(getpid(), SIGWINCH)
            #expect(try came.wait(timeout: .seconds(50)))
            try EventLoop.current.joinFibers()
        }
        #expect(ReportLog.reports(containing: "28182").count == 1)
    }

    @Test func someSignalsCannotBeHandled() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            for (signal, errno) in [(SIGSEGV, 0), (SIGKILL, EINVAL), (99, EINVAL)] {
                let error = try #require(#expect(throws: SignalError.self) { try onSignal(signal) {} })
                #expect(error.signal == signal && error.errno == errno)
                #expect(error.description.contains("signal \(signal) cannot be handled: "))
            }
        }
    }

    // Case 48.
    @Test func pendingSignalsTakeTurnsAndThoseLeftAreRaisedAgain() async throws {
        // A process of its own: what is raised again at the end reaches the process's own handlers.
        await #expect(processExitsWith: .exitCode(3)) {
            try await onFreshThread { () throws -> Void in
                letIn(SIGUSR1, SIGUSR2)
                signal(SIGUSR1) { _ in ownHandler.add() }
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    let loop = try EventLoop.current
                    try withSignals(SIGUSR1, SIGUSR2) { signals in
                        check(signals.receiveNoWait() == nil)
                        raise(SIGUSR1)
                        raise(SIGUSR2)
                        let first = try signals.receive()
                        raise(first)  // it must not come before the other one
                        let second = try signals.receive()
                        check(Set([first, second]) == [SIGUSR1, SIGUSR2])
                        try check(signals.receive() == first)
                        check(throws: DeadlineExceeded.self) { _ = try signals.receive(timeout: .milliseconds(1)) }
                        // One that waits parks, and the signal wakes it.
                        let parks = loop.statistics.parks
                        let waiting = spawn { try signals.receive() }
                        try sleep(.milliseconds(2))
                        check(!waiting.isFinished && loop.statistics.parks > parks)
                        raise(SIGUSR2)
                        try check(waiting.get(timeout: .seconds(50)) == SIGUSR2)
                        let cancelled = spawn { try signals.receive() }
                        try sleep(.milliseconds(1))
                        cancelled.cancel()
                        check(throws: CancellationError.self) { _ = try cancelled.get() }
                        try check(
                            blockOn { () async throws -> CInt in
                                raise(SIGUSR1)
                                return try await signals.receive()
                            } == SIGUSR1)
                        raise(SIGUSR1)
                        check(ownHandler.count == 4)
                    }
                    // What nobody received comes once more, to whichever thread lets it in.
                    try withTimeout(.seconds(20)) { while ownHandler.count < 5 { try sleep(.milliseconds(1)) } }
                    try withSignals(SIGUSR1) { _ in _ = raise(SIGUSR1) }
                    try withTimeout(.seconds(20)) { while ownHandler.count < 7 { try sleep(.milliseconds(1)) } }
                    check(throws: SignalError.self) { try withSignals(SIGSEGV) { _ in } }
                    check(throws: SignalError.self) { try withSignals(SIGKILL) { _ in } }
                }
            }
            exit(ownHandler.count == 7 ? 3 : 4)
        }
        // The default action is only put off.
        await #expect(processExitsWith: .signal(SIGUSR2)) {
            try await onFreshThread {
                letIn(SIGUSR2)
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    try withSignals(SIGUSR2) { _ in _ = raise(SIGUSR2) }
                    try sleep(.seconds(20))
                    exit(5)
                }
            }
        }
    }
}

private let ownHandler = Tally()

/// In a process of its own, whose exit code then is the line.
private func check(_ condition: Bool, line: UInt32 = #line) { if !condition { exit(CInt(line)) } }

private func check<Failure: Error>(throws type: Failure.Type, line: UInt32 = #line, _ body: () throws -> Void) {
    do {
        try body()
        exit(CInt(line))
    } catch {
        check(error is Failure, line: line)
    }
}

/// Lets the calling thread have signals: it inherits the mask of one of Swift's pool, which blocks them all.
private func letIn(_ signals: CInt...) {
    var mask = sigset_t()
    sigemptyset(&mask)
    for signal in signals { sigaddset(&mask, signal) }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
}
