import Swiftlet
import TestSupport
import Testing

@Suite struct GatherTests {
    @Test func valuesInTheOrderOfTheArguments() async throws {
        try await onLoop { (loop) async throws -> Void in
            let journal = SharedJournal<String>()
            let coroutines = (0..<200).map { number in
                Coroutine { () async throws -> Int in
                    journal.note("begins \(number)")
                    if number % 3 == 0 { try await sleep(.milliseconds((200 - number) / 20)) }
                    if number % 3 == 1 { try parkFor(1) }
                    return number
                }
            }
            #expect(try await gather(coroutines) == Array(0..<200))
            #expect(journal.entries == (0..<200).map { "begins \($0)" })
            #expect(try await gather([Coroutine<Int>]()).isEmpty)
            let (number, text) = try await gather(Coroutine { 1 }, Task { "two" })
            #expect(number == 1 && text == "two")
            let once = Coroutine { 3 }
            let other = Coroutine { 4 }
            #expect(try await gather([once, other, once]) == [3, 4, 3])
            let task = try loop.createTask(Coroutine { 5 })
            #expect(try await gather([task, task]) == [5, 5])
        }
    }

    @Test func trivialOnesShareTasks() async throws {
        try await onLoop { (loop) async throws -> Void in
            let jobs = loop.statistics.jobs
            #expect(try await gather((0..<640).map { number in Coroutine { number } }).count == 640)
            #expect(loop.statistics.jobs - jobs < 64)
        }
    }

    /// Others may end in the same turn, before who waits has its own.
    @Test func theFirstErrorOfOneTurnIsThrown() async throws {
        try await onLoop { (loop) async throws -> Void in
            for others in [false, true] {
                let gate = try loop.createFuture(of: Void.self)
                let slow = try loop.createFuture(of: Int.self)
                func task(_ body: @escaping @Sendable () throws -> Int) throws -> LoopTask<Int> {
                    try loop.createTask(
                        Coroutine { () async throws -> Int in
                            try await gate.value
                            return try body()
                        })
                }
                let failing = try task { throw Failure(1) }
                let last = try task { if others { throw Failure(2) } else { return 3 } }
                let gathered = try loop.createTask(Coroutine { try await gather([slow, failing, last]) })
                await turns()
                try gate.setResult(())
                await #expect(throws: Failure(1)) { try await gathered.value }
                try slow.setResult(0)
            }
        }
    }

    @Test func theFirstErrorIsThrownAndTheOthersGoOn() async throws {
        try await onLoop { (loop) async throws -> Void in
            let ended = Tally()
            let more = try loop.createFuture(of: Void.self)
            let coroutines = (0..<5).map { number in
                Coroutine { () async throws -> Int in
                    if number == 1 {
                        await Task.yield()
                        throw Failure(1)
                    }
                    if number == 3 { throw Failure(3) }
                    try await more.value
                    ended.add()
                    return number
                }
            }
            await #expect(throws: Failure(3)) { try await gather(coroutines) }
            #expect(ended.count == 0)
            try more.setResult(())
            await turns(10)
            #expect(ended.count == 3)

            let tasks = try (0..<3).map { number in
                try loop.createTask(
                    Coroutine { () async throws -> Int in
                        if number == 1 { throw Failure(number) }
                        await Task.yield()
                        return number
                    })
            }
            await #expect(throws: Failure(1)) { try await gather(tasks) }
            let results = try await gatherResults(tasks)
            #expect((try? results[0].get()) == 0 && (try? results[2].get()) == 2)
            #expect(throws: Failure(1)) { try results[1].get() }
            let own = try await gatherResults([Coroutine { 1 }, Coroutine { throw Failure(8) }])
            #expect(throws: Failure(8)) { try own[1].get() }
            #expect(try own[0].get() == 1)
        }
    }

    @Test func cancellingItCancelsAll() async throws {
        try await onLoop { (loop) async throws -> Void in
            let cleanedUp = Tally()
            let begun = Tally()
            let task = try loop.createTask(
                Coroutine { () async throws -> [Int] in
                    try await gather(
                        (0..<10).map { number in
                            Coroutine { () async throws -> Int in
                                begun.add()
                                defer { cleanedUp.add() }
                                try await sleep(.seconds(100))
                                return number
                            }
                        })
                })
            while begun.count < 10 { await Task.yield() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(cleanedUp.count == 10)

            let future = try loop.createFuture(of: Int.self)
            let gathering = try loop.createTask(Coroutine { try await gather([future]) })
            await turns()
            gathering.cancel()
            await #expect(throws: CancellationError.self) { try await gathering.value }
            #expect(future.isCancelled)
        }
    }

    @Test func oneThatCancelsItsTaskHarmsNoOther() async throws {
        try await onLoop { (_) async throws -> Void in
            let results = try await gatherResults(
                (0..<10).map { number in
                    Coroutine { () async throws -> Int in
                        if number == 2 { withUnsafeCurrentTask { $0!.cancel() } }
                        try Task.checkCancellation()
                        return number
                    }
                })
            #expect(results.map { (try? $0.get()) ?? -1 } == [0, 1, -1, 3, 4, 5, 6, 7, 8, 9])
        }
    }

    @Test func onNoLoopAndBeforeOneRuns() async throws {
        let task = Task.detached { try await gather((0..<3).map { number in Coroutine { number } }) }
        #expect(try await task.value == [0, 1, 2])
        try await onOwnStack { (loop) throws -> Void in
            #expect(try loop.run(until: gather((0..<3).map { number in Coroutine { number } })) == [0, 1, 2])
        }
    }
}
