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
                try yield()
                journal.note("first")
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
}
