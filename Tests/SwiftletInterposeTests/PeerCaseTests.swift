import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import TestSupport
import Testing

extension InterposeTests {
    /// What other runtimes promise of blocking calls: runtime-peers.md, section 6. The table of cases:
    ///
    /// | Case | Tests, each for fibers and for tasks |
    /// |---|---|
    /// | 25 | `WaitingTests.closingWakesWhoWaitsAndNobodyElse`, `anotherThreadsCloseWakesToo` |
    /// | 26 | `WaitingTests.twoReadersOfOneSocketAreServedInOrder`; strict: `aSecondReaderIsReportedOnRequest`, a report, since several readers are POSIX and no C code knows an error for them |
    /// | 27 | `timeLimitsAreKept`, `WaitingTests.noTimeNeverParks`, `aDescriptorThatIsPolledMayBeClosed` |
    /// | 28 | `ComparisonTests` with "SO_RCVTIMEO and SO_SNDTIMEO …" and "non-blocking by the user's wish" |
    /// | 29 | `WaitingTests.aClientAndAServerShareOneThread` |
    /// | 30 | `SignalTests.aSignalEndsASleepAndTellsWhatIsLeft` |
    /// | 32 | `SignalTests.theChildOfAForkHasALoopOfItsOwn`, `aForkLeavesTheParentsWaitsAlone` |
    /// | 33 | `SignalTests.childrenAreWaitedForBesideAHandlerOfTheUsers`, `ourProcessesAndAHandlerSeeTheEnd` |
    /// | 50 | `theOthersGoOnWhileOneReads` |
    struct PeerCaseTests {
        // Case 27.
        @Test(arguments: Runner.allCases)
        func timeLimitsAreKept(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            try await runner.run {
                var wanted = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                var limit = milliseconds(50)
                var ready: UInt32 = 0
                var left = 0
                var number: CInt = 0
                let poller = call_epoll_create(reading, 1)
                let calls: [(String, () -> CInt)] = [
                    ("poll", { poll(&wanted, 1, 50) }), ("ppoll", { call_ppoll(&wanted, 1, &limit, nil) }),
                    ("select", { call_select(reading, -1, 50, &ready, &left) }),
                    ("pselect", { call_pselect(reading, -1, 50, &ready) }),
                    ("epoll_wait", { call_epoll_wait(0, poller, 1, 50, &number) }),
                    ("epoll_pwait", { call_epoll_wait(1, poller, 1, 50, &number) }),
                    ("epoll_pwait2", { call_epoll_wait(2, poller, 1, 50, &number) }),
                ]
                for (name, call) in calls {
                    var result: CInt = -1
                    let watch = Stopwatch()
                    let time = ContinuousClock().measure { result = call() }
                    let atMost = watch.elapsed
                    #expect(result == 0, "\(name)")
                    #expect(time >= .milliseconds(50) && atMost < .milliseconds(1000), "\(name): \(time)")
                }
                close(poller)
            }
            closeAll(reading, writing)
        }

        // Case 32.
        @Test(arguments: Runner.allCases)
        func aForkLeavesTheParentsWaitsAlone(_ runner: Runner) async throws {
            count_forks()
            try await runner.run {
                let (here, there) = makePair()
                let reader = try spawnAndPark {
                    var byte: UInt8 = 0
                    return outcome(recv(here, &byte, 1, 0))
                }
                let sleeper = try spawnAndPark { outcome(usleep(20_000)) }
                // The child closes what it has; what is open in the parent is another's.
                let child = run_in_child(
                    { _ in
                        close_everything()
                        return counted_forks()
                    }, nil)
                var status: CInt = 0
                #expect(waitpid(child, &status, 0) == child)
                #expect(status == 1 << 8, "the handlers of fork ran \(status >> 8) times in the child")
                #expect(counted_forks() == 0)
                #expect(!reader.isFinished)
                send(there, "x", 1, 0)
                #expect(try reader.get() == "1")
                #expect(try sleeper.get() == "0")
                closeAll(here, there)
            }
        }

        // Case 33.
        @Test(arguments: Runner.allCases)
        func ourProcessesAndAHandlerSeeTheEnd(_ runner: Runner) async throws {
            install_counting_handler(SIGCHLD, true)
            try await runner.run {
                admit_signals()
                let status = try Subprocess.run(Command("sh", ["-c", "exit 3"])).status
                #expect(status == .exited(code: 3))
                // A signal to the process goes to any thread that admits it.
                while counted_signals() < 1 { try sleep(.milliseconds(1)) }
                #expect(throws: SubprocessError.self) {
                    try Subprocess.run(Command("sleep", ["1000"]), timeout: .milliseconds(50))
                }
                while counted_signals() < 2 { try sleep(.milliseconds(1)) }
                #expect(outcome(waitpid(-1, nil, WNOHANG)) == "-1 \(ECHILD)", "a zombie is left")
            }
            signal(SIGCHLD, SIG_DFL)
        }

        // Case 50.
        @Test(arguments: Runner.allCases)
        func theOthersGoOnWhileOneReads(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            let progress = Tally()
            @Sendable func readOne() -> String {
                var byte: UInt8 = 0
                return outcome(read(reading, &byte, 1))
            }
            _ = report
            switch runner {
            case .fiber:
                try await onLoop {
                    let reader = try spawnAndPark { readOne() }
                    let others = (0..<1000).map { _ in
                        spawn {
                            try yield()
                            usleep(1000)
                            progress.add()
                        }
                    }
                    try joinAll(others, rethrowing: true)
                    #expect(progress.count == 1000)
                    reader.cancel()
                    #expect(try reader.get() == "-1 \(ECANCELED)")
                }
            case .task:
                try await onTaskLoop { loop in
                    let reader = Task(executorPreference: loop.taskExecutor) { readOne() }
                    await withTaskGroup(of: Void.self) { group in
                        for _ in 0..<1000 {
                            group.addTask(executorPreference: loop.taskExecutor) {
                                await Task.yield()
                                usleep(1000)
                                progress.add()
                            }
                        }
                    }
                    #expect(progress.count == 1000)
                    reader.cancel()
                    #expect(await reader.value == "-1 \(ECANCELED)")
                }
            }
            closeAll(reading, writing)
        }
    }
}
