import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import TestSupport
import Testing

extension InterposeTests {
    /// Blocking calls park, and end as they should.
    struct WaitingTests {
        @Test func aThousandSleepsOfTasksTakeTheTimeOfOne() async throws {
            _ = report
            try await onTaskLoop { loop in
                let watch = Stopwatch()
                let time = await ContinuousClock().measure {
                    await withTaskGroup(of: CInt.self) { group in
                        for _ in 0..<1000 { group.addTask(executorPreference: loop.taskExecutor) { usleep(200_000) } }
                        for await result in group { #expect(result == 0) }
                    }
                }
                #expect(time >= .milliseconds(200))
                #expect(watch.elapsed < .milliseconds(350) * Sanitizer.patience)
            }
        }

        // Case 25.
        @Test(arguments: Runner.allCases)
        func closingWakesWhoWaitsAndNobodyElse(_ runner: Runner) async throws {
            let (here, there) = makePair()
            let (other, otherThere) = makePair()
            let journal = SharedJournal<String>()
            try await together(
                runner,
                [
                    {
                        var byte: UInt8 = 0
                        let count = recv(here, &byte, 1, 0)
                        journal.note("first: \(outcome(count))")
                    },
                    {
                        close(here)
                        // The number is another's at once; what waited for the old one must not take from it.
                        #expect(dup2(other, here) == here)
                        send(otherThere, "x", 1, 0)
                        usleep(5000)
                        var byte: UInt8 = 0
                        journal.note("second: \(outcome(recv(here, &byte, 1, 0)))")
                    },
                ])
            #expect(journal.entries == ["first: -1 \(EBADF)", "second: 1"])
            closeAll(here, there, other, otherThere)
        }

        @Test(arguments: Runner.allCases)
        func anotherThreadsCloseWakesToo(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            let answer = try await runner.run {
                let later = Later { close(reading) }
                var byte: UInt8 = 0
                let answer = outcome(read(reading, &byte, 1))
                later.end()
                return answer
            }
            #expect(answer == "-1 \(EBADF)")
            close(writing)
        }

        /// Whatever gives up a number wakes who waits for it.
        @Test(arguments: ["pclose", "freopen", "fclose", "closefrom", "close_range", "dup3"])
        func eachWayOfClosingWakes(_ way: String) async throws {
            let (reading, writing) = makePipe()
            // At the end of what is open, where closefrom hits nobody else.
            let number = fcntl(reading, F_DUPFD, 900)
            nonisolated(unsafe) let file: UnsafeMutablePointer<FILE>? =
                switch way {
                case "pclose": popen("sleep 0.05", "r")
                case "freopen", "fclose": fdopen(number, "r")
                default: nil
                }
            let waited = way == "pclose" ? fileno(file) : number
            try await onLoop {
                let reader = try spawnAndPark {
                    var byte: UInt8 = 0
                    return outcome(read(waited, &byte, 1))
                }
                switch way {
                case "pclose": pclose(file)
                case "freopen": _ = freopen("/dev/null", "r", file)
                case "fclose": fclose(file)
                case "closefrom": closefrom(number)
                case "close_range": call_close_range(number)
                default: call_dup3(writing, number)
                }
                #expect(try reader.get() == "-1 \(EBADF)")
            }
            switch way {
            case "freopen": fclose(file)
            case "dup3": close(number)
            default: break
            }
            closeAll(reading, writing)
        }

        // Case 26.
        @Test(arguments: Runner.allCases)
        func twoReadersOfOneSocketAreServedInOrder(_ runner: Runner) async throws {
            let (here, there) = makePair()
            let journal = SharedJournal<Int>()
            @Sendable func receive(_ number: Int) {
                var byte: UInt8 = 0
                #expect(recv(here, &byte, 1, 0) == 1)
                journal.note(number * 10 + Int(byte))
            }
            try await together(
                runner,
                [
                    { receive(1) }, { receive(2) },
                    {
                        usleep(5000)
                        send(there, [1 as UInt8], 1, 0)
                        usleep(5000)
                        send(there, [2 as UInt8], 1, 0)
                    },
                ])
            #expect(journal.entries == [11, 22])
            closeAll(here, there)
        }

        // Case 26, where the loop is asked to tell.
        @Test(arguments: Runner.allCases)
        func aSecondReaderIsReportedOnRequest(_ runner: Runner) async throws {
            let (here, there) = makePair()
            ReportLog.begin()
            let word = "until descriptor \(here) can be read"
            let before = ReportLog.reports(containing: word).count
            @Sendable func receive() {
                var byte: UInt8 = 0
                #expect(recv(here, &byte, 1, 0) == 1)
            }
            try await together(
                runner,
                [
                    {
                        try EventLoop.current.configuration.reportsSharedDescriptors = true
                        receive()
                    }, receive, receive,
                    {
                        usleep(5000)
                        send(there, [1, 2, 3] as [UInt8], 3, 0)
                        try EventLoop.current.configuration.reportsSharedDescriptors = false
                    },
                ])
            let reports = ReportLog.reports(containing: word).dropFirst(before)
            #expect(reports.count == 1, "once a descriptor")
            for report in reports {
                // Both stacks are named: a fiber by its place, a task by what it does.
                let text = report.message
                #expect(runner == .task || text.ranges(of: "Support.swift:").count >= 2, "\(text)")
                #expect(text.contains("as does"))
                #expect(text.ranges(of: "recv").count >= 2, "\(text)")
            }
            closeAll(here, there)
        }

        // Case 27.
        @Test(arguments: Runner.allCases)
        func noTimeNeverParks(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            try await runner.run(parks: false) {
                let before = try EventLoop.current.statistics.parks
                var wanted = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                var ready: UInt32 = 0
                var left = 0
                var none = timespec()
                var number: CInt = 0
                let poller = call_epoll_create(reading, 1)
                #expect(poll(&wanted, 1, 0) == 0)
                #expect(call_ppoll(&wanted, 1, &none, nil) == 0)
                #expect(call_select(reading, -1, 0, &ready, &left) == 0)
                #expect(call_epoll_wait(0, poller, 1, 0, &number) == 0)
                #expect(nanosleep(&none, nil) == 0)
                #expect(recv(reading, &none, 1, CInt(MSG_DONTWAIT)) == -1)
                close(poller)
                #expect(try EventLoop.current.statistics.parks == before)
            }
            closeAll(reading, writing)
        }

        @Test(arguments: Runner.allCases)
        func aDescriptorThatIsPolledMayBeClosed(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            let (here, there) = makePair()
            try await together(
                runner,
                [
                    {
                        var one = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                        #expect(poll(&one, 1, 5000) == 1)
                        #expect(Int32(one.revents) == POLLNVAL)
                    },
                    {
                        var two = [
                            pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
                            pollfd(fd: here, events: Int16(POLLIN), revents: 0),
                        ]
                        #expect(poll(&two, 2, 5000) >= 1)
                    },
                    {
                        usleep(5000)
                        close(reading)
                        usleep(5000)
                        send(there, "x", 1, 0)
                    },
                ])
            closeAll(writing, here, there)
        }

        // Case 29.
        @Test(arguments: Runner.allCases)
        func aClientAndAServerShareOneThread(_ runner: Runner) async throws {
            let (listener, address) = makeListener()
            let journal = SharedJournal<String>()
            try await together(
                runner,
                [
                    {
                        journal.note("server accepts")
                        let server = accept(listener, nil, nil)
                        var buffer = [UInt8](repeating: 0, count: 100)
                        let count = recv(server, &buffer, 100, 0)
                        usleep(5000)
                        journal.note("server answers")
                        #expect(send(server, buffer, count, 0) == count)
                        close(server)
                    },
                    {
                        let client = makeClient()
                        journal.note("client connects")
                        #expect(connectTo(address, from: client) == 0)
                        #expect(write(client, "request", 7) == 7)
                        var buffer = [UInt8](repeating: 0, count: 100)
                        journal.note("client waits")
                        #expect(recv(client, &buffer, 100, 0) == 7)
                        journal.note("client has it")
                        #expect(read(client, &buffer, 100) == 0)
                        close(client)
                    },
                ])
            // Each has let the other run in the middle of a call.
            #expect(
                journal.entries == [
                    "server accepts", "client connects", "client waits", "server answers", "client has it",
                ])
            close(listener)
        }

        @Test func aCancelledFibersCallsEndWithECANCELED() async throws {
            _ = report
            try await onLoop {
                let (reading, writing) = makePipe()
                nonisolated(unsafe) let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
                sem_init(semaphore, 0, 0)
                let calls: [() -> String] = [
                    {
                        var byte: UInt8 = 0
                        return outcome(read(reading, &byte, 1))
                    },
                    { outcome(usleep(10_000_000)) },
                    { outcome(sem_wait(semaphore)) },
                    {
                        var wanted = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                        return outcome(poll(&wanted, 1, -1))
                    },
                    {
                        let child = run_in_child(
                            { _ in
                                pause()
                                return 0
                            }, nil)
                        let answer = outcome(waitpid(child, nil, 0))
                        kill(child, SIGKILL)
                        _ = shielded { waitpid(child, nil, 0) }
                        return answer
                    },
                ]
                for call in calls {
                    let fiber = try spawnAndPark { (call(), call()) }
                    fiber.cancel()
                    let (first, second) = try fiber.get()
                    #expect(first == "-1 \(ECANCELED)" && second == first)
                }
                sem_destroy(semaphore)
                semaphore.deallocate()
                closeAll(reading, writing)
            }
        }

        /// A lookup may be over before it is waited for; not if all threads of the pool are busy.
        @Test(arguments: Runner.allCases)
        func namesAreLookedUpElsewhere(_ runner: Runner) async throws {
            let (reading, writing) = makePipe()
            try await runner.run {
                let count = 40
                let busy = (0..<count).map { _ in
                    spawn {
                        try toThread {
                            var byte: UInt8 = 0
                            return read(reading, &byte, 1)
                        }
                    }
                }
                try yield()
                let released = Tally()
                let releaser = spawn { () -> Int in
                    released.add()
                    return write(writing, [UInt8](repeating: 1, count: count), count)
                }
                #expect(gethostbyname("localhost") != nil)
                #expect(released.count == 1, "the lookup did not park")
                #expect(try releaser.get() == count)
                try joinAll(busy, rethrowing: true)
            }
            closeAll(reading, writing)
        }

        /// Cancelled calls end only if they would wait, also those that are expected to.
        @Test func aCancelledFiberPollsWhatIsReady() async throws {
            _ = report
            try await onLoop {
                let (reading, writing) = makePipe()
                let polled = Tally()
                let fiber = try spawnAndPark { () -> [String] in
                    var wanted = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                    for _ in 0..<10 where poll(&wanted, 1, 1) == 0 { polled.add() }
                    let cancelled = outcome(poll(&wanted, 1, -1))
                    write(writing, "x", 1)
                    return [cancelled] + (0..<3).map { _ in outcome(poll(&wanted, 1, -1)) }
                }
                while polled.count < 10 { try sleep(.milliseconds(1)) }
                try sleep(.milliseconds(1))
                fiber.cancel()
                #expect(try fiber.get() == ["-1 \(ECANCELED)", "1", "1", "1"])
                closeAll(reading, writing)
            }
        }

        @Test func theErrorOfAKillIsThrownAfterTheCall() async throws {
            _ = report
            try await onLoop {
                let fiber = try spawnAndPark { () throws -> String in
                    let answer = outcome(usleep(10_000_000))
                    do {
                        try sleep(.seconds(10))
                    } catch let error as Failure {
                        return "\(answer), \(error.number)"
                    }
                    return answer
                }
                try fiber.kill(throwing: Failure(3))
                #expect(try fiber.get() == "-1 \(ECANCELED), 3")
            }
        }

        @Test func aScopesDeadlineEndsACall() async throws {
            _ = report
            try await onLoop {
                let (reading, writing) = makePipe()
                var answer = ""
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(20)) {
                        var byte: UInt8 = 0
                        answer = outcome(read(reading, &byte, 1))
                        try checkCancellation()
                    }
                }
                #expect(answer == "-1 \(ECANCELED)")
                var byte: UInt8 = 0
                let shielding = shielded { () -> String in
                    write(writing, "x", 1)
                    return outcome(read(reading, &byte, 1))
                }
                #expect(shielding == "1")
                closeAll(reading, writing)
            }
        }
    }
}
