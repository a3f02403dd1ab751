import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import TestSupport
import Testing

extension InterposeTests {
    struct SignalTests {
        // Case 30.
        @Test(arguments: Runner.allCases)
        func aSignalEndsASleepAndTellsWhatIsLeft(_ runner: Runner) async throws {
            install_counting_handler(SIGUSR1, true)
            try await runner.run {
                admit_signals()
                let thread = thread_number()
                let later = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                var wanted = timespec(tv_sec: 4, tv_nsec: 0)
                var left = timespec()
                #expect(outcome(nanosleep(&wanted, &left)) == "-1 \(EINTR)")
                #expect(left.tv_sec >= 1 && left.tv_sec < 4)
                later.end()
                #expect(counted_signals() == 1)
                let again = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                #expect(sleep(4) >= 1)
                again.end()
                let third = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                var nothing = pollfd(fd: -1, events: 0, revents: 0)
                #expect(outcome(poll(&nothing, 1, 4_000)) == "-1 \(EINTR)")
                third.end()
                let fourth = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                #expect(outcome(pause()) == "-1 \(EINTR)")
                fourth.end()
            }
            signal(SIGUSR1, SIG_DFL)
        }

        @Test(arguments: Runner.allCases)
        func whatTheKernelRestartsIsRestarted(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            install_counting_handler(SIGUSR1, true)
            let answer = try await runner.run {
                admit_signals()
                let thread = thread_number()
                let later = Later(30) {
                    _ = signal_thread(thread, SIGUSR1)
                    usleep(20_000)
                    write(writing, "x", 1)
                }
                var byte: UInt8 = 0
                let answer = outcome(read(reading, &byte, 1))
                later.end()
                return answer
            }
            #expect(answer == "1")
            #expect(counted_signals() == 1)
            install_counting_handler(SIGUSR1, false)
            let interrupted = try await runner.run {
                admit_signals()
                let thread = thread_number()
                let later = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                var byte: UInt8 = 0
                let answer = outcome(read(reading, &byte, 1))
                later.end()
                return answer
            }
            #expect(interrupted == "-1 \(EINTR)")
            signal(SIGUSR1, SIG_DFL)
            closeAll(reading, writing)
        }

        @Test func oneSignalEndsOneCall() async throws {
            install_counting_handler(SIGUSR1, true)
            try await onLoop {
                admit_signals()
                let thread = thread_number()
                let later = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                let sleepers = (0..<10).map { _ in spawn { usleep(100_000) == 0 } }
                let completed = try joinAll(sleepers).compactMap { try? $0.get() }
                #expect(completed.filter { $0 }.count == 9)
                later.end()
            }
            signal(SIGUSR1, SIG_DFL)
        }

        @Test func aHandlerOnTheFibersStackBlocks() async throws {
            _ = report
            install_sleeping_handler(SIGUSR2, 30)
            try await onLoop(parks: false) {
                let parks = try EventLoop.current.statistics.parks
                admit_signals()
                _ = signal_this_thread(SIGUSR2)
                #expect(slept_in_handler() >= 29)
                #expect(try EventLoop.current.statistics.parks == parks)
            }
            signal(SIGUSR2, SIG_DFL)
        }

        @Test func maskedCallsLetTheirSignalThrough() async throws {
            install_counting_handler(SIGUSR1, true)
            try await onLoop {
                admit_signals()
                var held = sigset_t()
                var before = sigset_t()
                sigemptyset(&held)
                sigaddset(&held, SIGUSR1)
                pthread_sigmask(SIG_BLOCK, &held, &before)
                let thread = thread_number()
                let later = Later(30) { _ = signal_thread(thread, SIGUSR1) }
                var limit = milliseconds(4_000)
                #expect(outcome(call_ppoll(nil, 0, &limit, &before)) == "-1 \(EINTR)")
                #expect(counted_signals() == 1)
                later.end()
                pthread_sigmask(SIG_SETMASK, &before, nil)
            }
            signal(SIGUSR1, SIG_DFL)
        }

        // Case 33.
        @Test(arguments: Runner.allCases)
        func childrenAreWaitedForBesideAHandlerOfTheUsers(_ runner: Runner) async throws {
            install_counting_handler(SIGCHLD, true)
            try await runner.run {
                admit_signals()
                let child = run_in_child(
                    { _ in
                        usleep(20_000)
                        return 5
                    }, nil)
                var status: CInt = 0
                #expect(waitpid(child, &status, 0) == child)
                #expect(status >> 8 == 5)
                #expect(counted_signals() == 1)
                #expect(waitpid(child, &status, WNOHANG) == -1)
            }
            signal(SIGCHLD, SIG_DFL)
        }

        // Case 32.
        @Test(
            .disabled(if: Sanitizer.isThread, "the thread sanitizer ends a forked process that starts threads"),
            arguments: Runner.allCases)
        func theChildOfAForkHasALoopOfItsOwn(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            final class Ends {
                let writing: CInt
                init(_ writing: CInt) { self.writing = writing }
            }
            let ends = Ends(writing)
            nonisolated(unsafe) let argument = Unmanaged.passUnretained(ends).toOpaque()
            try await runner.run {
                _ = try toThread { 1 }  // a pool that has been used
                let child = run_in_child(
                    { argument in
                        let writing = Unmanaged<Ends>.fromOpaque(argument!).takeUnretainedValue().writing
                        usleep(1000)  // no loop: the thread's own sleep
                        do {
                            let sum = try EventLoop.run(takesOver: false) {
                                let fibers = (1...3).map { number in
                                    spawn { () -> Int in usleep(1000) == 0 ? number : 0 }
                                }
                                let offloaded = try toThread { 10 }
                                return try joinAll(fibers).reduce(offloaded) { try $0 + $1.get() }
                            }
                            write(writing, "x", 1)
                            return CInt(sum)
                        } catch {
                            return 99
                        }
                    }, argument)
                var byte: UInt8 = 0
                var status: CInt = 0
                #expect(read(reading, &byte, 1) == 1)
                #expect(waitpid(child, &status, 0) == child)
                #expect(status == 16 << 8)
                usleep(1000)
            }
            withExtendedLifetime(ends) { closeAll(reading, writing) }
        }

        @Test func callsBeforeStartUpAreLibcs() {
            #expect(what_failed_before_start_up().map { String(cString: $0) } == nil)
        }

        /// In a child, whose loop has a fiber that must not go on while the handlers of `exit` run.
        @Test(.disabled(if: Sanitizer.isAny, "an exit under a sanitizer looks at other processes' memory"))
        func callsDuringExitBlock() async throws {
            let ends = UnsafeMutablePointer<CInt>.allocate(capacity: 2)
            defer { ends.deallocate() }
            #expect(pipe(ends) == 0)
            nonisolated(unsafe) let argument = ends
            try await Runner.fiber.run {
                let child = run_in_child(
                    { argument in
                        nonisolated(unsafe) let ends = argument!.assumingMemoryBound(to: CInt.self)
                        nonisolated(unsafe) let progress = UnsafeMutablePointer<CInt>.allocate(capacity: 1)
                        progress.pointee = 0
                        // What the test's process has buffered is not this one's to write.
                        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO)
                        do {
                            try EventLoop.run(takesOver: false) {
                                _ = try spawnAndPark {
                                    while true {
                                        usleep(1000)
                                        progress.pointee += 1
                                    }
                                }
                                usleep(5000)
                                exit_with_calls(ends[0], progress)
                            }
                        } catch {}
                        return 99
                    }, argument)
                usleep(30_000)
                #expect(write(argument[1], "p", 1) == 1)
                var status: CInt = 0
                #expect(waitpid(child, &status, 0) == child)
                #expect(status == 42 << 8, "\(status >> 8)")
            }
            closeAll(ends[0], ends[1])
        }
    }
}
