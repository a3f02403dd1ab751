import Glibc
import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

// In async code the overloads that suspend would be chosen; these park.
private func pause(_ duration: Duration) throws { try sleep(duration) }

@Suite struct SimulationTests {
    @Test func hoursOfSleepTakeNoTime() throws {
        let time = try ContinuousClock().measure {
            let seen = try simulate { () throws -> [Duration] in
                var seen = [simulatedTime]
                try sleep(.seconds(3_600))
                seen.append(simulatedTime)
                #expect(throws: DeadlineExceeded.self) { try withTimeout(.seconds(60)) { try sleep(.seconds(90)) } }
                seen.append(simulatedTime)
                #expect(try !Event().wait(timeout: .seconds(5)))
                seen.append(simulatedTime)
                return seen
            }
            #expect(seen == [.zero, .seconds(3_600), .seconds(3_660), .seconds(3_665)])
        }
        #expect(time < .seconds(1_800))  // not the hour, however busy the machine
        #expect(simulatedTime == .zero)
    }

    @Test func timersFireInTheirOrderAndNothingElseMovesTheClock() throws {
        let entries = try simulate { () throws -> [String] in
            let journal = Journal<String>()
            func note(_ what: String) { journal.note("\(what) at \(simulatedTime.components.seconds)") }
            let fibers = [3, 1, 2].map { number in
                spawn {
                    try sleep(.seconds(number))
                    note("fiber \(number)")
                }
            }
            for _ in 0..<1_000 { try yield() }
            note("main")
            try EventLoop.current.callLater(.milliseconds(2_500)) { note("call") }
            try joinAll(fibers)
            return journal.entries
        }
        #expect(entries == ["main at 0", "fiber 1 at 1", "fiber 2 at 2", "call at 2", "fiber 3 at 3"])
    }

    // Case 46.
    @Test func aThousandFibersSleepAnHourInAll() throws {
        func trace(_ order: TurnOrder) throws -> [Int] {
            try simulate(order) { () throws -> [Int] in
                let before = threadCPUTime()
                let journal = Journal<Int>()
                let fibers = (0..<1_000).map { number in
                    spawn {
                        try sleep(.milliseconds(100 * (number * 7 % 72)))
                        journal.note(number)
                    }
                }
                try joinAll(fibers, rethrowing: true)
                #expect(simulatedTime == .milliseconds(7_100))
                #expect(threadCPUTime() - before < 1_000_000_000)
                return journal.entries
            }
        }
        // By deadline, then by spawn.
        #expect(try trace(.arrival) == (0..<1_000).sorted { ($0 * 7 % 72, $0) < ($1 * 7 % 72, $1) })
        let shuffled = try trace(.seeded(46))
        #expect(try trace(.seeded(46)) == shuffled)
    }

    @Test func tasksSleepOnTheSimulatedClockToo() async throws {
        let begin = ContinuousClock.now
        let time = try await ContinuousClock().measure {
            let slept = try await simulate { () async throws -> Duration in
                try await Task.sleep(for: .seconds(1_000))
                try await sleep(.seconds(500))
                await #expect(throws: DeadlineExceeded.self) {
                    try await withTimeout(.seconds(100)) { try await sleep(.seconds(1_000)) }
                }
                try pause(.seconds(10))
                return simulatedTime
            }
            // `Task.sleep` reckons with the real clock how long it is until its end: what has really passed is missing, no more.
            #expect(slept + (ContinuousClock.now - begin) >= .seconds(1_610) && slept <= .seconds(1_610))
        }
        #expect(time < .seconds(800))  // not half of what is slept, however busy the machine
    }

    @Test func whoWaitsForAThreadIsWaitedForBeforeTheClockJumps() throws {
        let (value, time) = try simulate { () throws -> (Int, Duration) in
            let value = try withTimeout(.milliseconds(1)) {
                try toThread { () -> Int in
                    usleep(20_000)
                    return 3
                }
            }
            return (value, simulatedTime)
        }
        #expect(value == 3)
        #expect(time == .zero)
    }

    @Test func aDeadlockIsThrownAtOnceWithWhoWaitsForWhat() throws {
        let error = try failure(DeadlockError.self) {
            try simulate { () throws -> Void in
                let never = Event()
                let stuck = spawn(name: "stuck-31") { try never.wait() }
                try sleep(.seconds(10))
                try stuck.join()
            }
        }
        #expect(error.description.contains("stuck-31"))
        #expect(error.description.contains("an event"))
    }

    @Test func aDeadlockOfTasksIsThrownAfterASecondWithoutAnything() async throws {
        await #expect(throws: DeadlockError.self) {
            try await simulate { () async throws -> Void in _ = try await Waiter<Int>().wait() }
        }
        #expect(try await simulate { () async throws -> Int in 6 } == 6)
    }

    // Longer than the second after which a deadlock of tasks is told.
    @Test func whoComputesInAnotherExecutorIsNoDeadlock() async throws {
        let value = try await simulate { () async throws -> Int in
            await Task.detached {
                let begin = threadCPUTime()
                while threadCPUTime() - begin < 1_500_000_000 {}
                return 5
            }.value
        }
        #expect(value == 5)
    }

    /// At its end all threads of Swift's pool are taken, so that the way back takes its time.
    @Test(.simulated) func aBusyPoolIsNoDeadlock() async throws {
        for _ in 0..<sysconf(CInt(_SC_NPROCESSORS_ONLN)) * 2 { Task.detached { usleep(1_500_000) } }
        try await sleep(.seconds(3))
    }

    /// Though a thread that sleeps does nothing, and nobody waits for it as a thread.
    @Test func workOfPoolsIsWaitedForAlsoIfItSleeps() async throws {
        let pool = ThreadPool(size: 1)
        let value = try simulate { () throws -> Int in
            let result = pool.spawn {
                usleep(50_000)
                return 7
            }
            return try result.get(timeout: .seconds(60)) + (simulatedTime < .seconds(60) ? 1 : 0)
        }
        #expect(value == 8)
        // Also if it ends between the loop's look at its messages and that at the clock.
        try simulate { () throws -> Void in
            for _ in 0..<2000 { #expect(try pool.spawn { 7 }.get(timeout: .seconds(60)) == 7) }
            #expect(simulatedTime < .seconds(60))
        }
        let resumed = try await simulate { () async throws -> Int in
            await withUnsafeContinuation { continuation in
                pool.spawn {
                    usleep(1_500_000)
                    continuation.resume(returning: 9)
                }
            }
        }
        #expect(resumed == 9)
        // What ends and wakes nobody delays the answer, and no more.
        _ = try failure(DeadlockError.self) {
            try simulate { () throws -> Void in
                pool.spawn { usleep(50_000) }
                _ = try Waiter<Void>().wait()
            }
        }
    }

    @Test func callsThatAreLeftDoNotComeInTheNextProgram() throws {
        let calls = Tally()
        try explore(schedules: 3) { () throws -> Void in
            try EventLoop.current.callLater(.seconds(10)) { calls.add() }
            try sleep(.seconds(20))
            try EventLoop.current.callLater(.seconds(10)) { calls.add(100) }
        }
        #expect(calls.count == 3)
    }

    @Test func fibersThatAreLeftAreALeak() throws {
        let error = try failure(LeakedFibers.self) {
            try simulate { () throws -> Void in spawn(name: "forgotten-32") { try sleep(.seconds(1)) } }
        }
        #expect(error.fibers.count == 1)
        #expect(error.description.contains("forgotten-32 (spawned at SwiftletTestingTests/SimulationTests.swift:"))
        // What ends without the clock is none.
        try simulate { () throws -> Void in spawn { for _ in 0..<100 { try yield() } } }
    }

    @Test func errorsAndValuesComeOut() throws {
        #expect(throws: Failure(4)) { try simulate { () throws -> Void in throw Failure(4) } }
        #expect(try simulate { 5 } == 5)
    }

    @Test func aSeedFixesTheOrder() throws {
        func order(_ order: TurnOrder) throws -> [Int] {
            try simulate(order) { () throws -> [Int] in
                let journal = Journal<Int>()
                try joinAll(
                    (0..<6).map { number in
                        spawn {
                            for _ in 0..<3 {
                                journal.note(number)
                                try yield()
                            }
                        }
                    })
                return journal.entries
            }
        }
        #expect(try order(.arrival) == Array(0..<6) + Array(0..<6) + Array(0..<6))
        let orders = try (0..<8).map { try order(.seeded($0)) }
        #expect(Set(orders).count > 6)
        #expect(try (0..<8).map { try order(.seeded($0)) } == orders)
        #expect(orders.allSatisfy { $0.sorted() == (0..<18).map { $0 / 3 } })
    }

    @Test func callsKeepTheirOrder() throws {
        for seed in 0..<20 as Range<UInt64> {
            let entries = try simulate(.seeded(seed)) { () throws -> [Int] in
                let journal = Journal<Int>()
                let loop = try EventLoop.current
                let fiber = spawn { for _ in 0..<5 { try yield() } }
                for number in 0..<10 { try loop.callSoon { journal.note(number) } }
                try fiber.join()
                try idle()
                return journal.entries
            }
            #expect(entries == Array(0..<10))
        }
    }

    @Test(.simulated) func aTestMayRunOnASimulatedLoop() async throws {
        try await Task.sleep(for: .seconds(3_600))
        #expect(simulatedTime > .seconds(3_599))
        try await sleep(.seconds(3_600))
        #expect(simulatedTime > .seconds(7_199))
    }

    @Test(.explored(schedules: 30)) func aTestMayRunInManyOrders() async throws {
        let channel = Channel<Int>()
        async let received = channel.receive()
        try await sleep(.seconds(1))
        try await channel.send(1)
        #expect(try await received == 1)
    }

    private func failure<Failure: Error>(_ type: Failure.Type, of body: () throws -> some Any) throws -> Failure {
        try #require(#expect(throws: type) { _ = try body() })
    }
}
