import Swiftlet
import TestSupport
import Testing

/// Async generators: Python's, element by element.
@Suite struct AsyncGeneratorTests {
    @Test func runsOnlyWhenAskedAndInTurn() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let journal = SharedJournal<String>()
            let generator = AsyncGenerator<Int> { yield in
                #expect(loop.isCurrent)
                for n in 0..<3 {
                    journal.note("make \(n)")
                    try await yield(n)
                    try await sleep(.milliseconds(1))
                }
                journal.note("end")
            }
            await Task.yield()
            #expect(journal.entries.isEmpty && generator.state == .created)
            for try await n in generator { journal.note("take \(n)") }
            #expect(journal.entries == ["make 0", "take 0", "make 1", "take 1", "make 2", "take 2", "end"])
            #expect(generator.state == .closed)
            #expect(try await generator.next() == nil)
        }
    }

    @Test func valuesCrossBothWays() async throws {
        try await onTaskLoop(parks: false) { (_) async throws -> Void in
            let averages = BidirectionalAsyncGenerator<Double, Double> { yield in
                var (sum, count) = (0.0, 0.0)
                var next = try await yield(0)
                while true {
                    (sum, count) = (sum + next, count + 1)
                    next = try await yield(sum / count)
                }
            }
            await #expect(throws: AsyncGeneratorError.sendBeforeStart) { try await averages.send(1) }
            #expect(try await averages.start() == 0)
            await #expect(throws: AsyncGeneratorError.alreadyStarted) { try await averages.start() }
            #expect(try await averages.send(10) == 10)
            #expect(try await averages.send(20) == 15)
            await #expect(throws: AsyncGeneratorError.needsValues) { for try await _ in averages {} }
            try await averages.close()
            #expect(try await averages.send(1) == nil)
        }
    }

    @Test func errorsAreThrownIn() async throws {
        try await onTaskLoop(parks: false) { (_) async throws -> Void in
            let generator = AsyncGenerator<Int> { yield in
                do { try await yield(1) } catch let failure as Failure where failure.number == 1 { try await yield(2) }
            }
            #expect(try await generator.next() == 1)
            #expect(try await generator.throw(Failure(1)) == 2)
            await #expect(throws: Failure(2)) { try await generator.throw(Failure(2)) }
            #expect(generator.state == .closed)
            await #expect(throws: Failure(3)) { try await generator.throw(Failure(3)) }
            // One that has not begun never runs.
            let unused = AsyncGenerator<Int> { _ in Issue.record("ran") }
            await #expect(throws: Failure(4)) { try await unused.throw(Failure(4)) }
            #expect(try await unused.next() == nil)
            // What the body throws comes out, and ends it.
            let failing = AsyncGenerator<Int> { yield in
                try await yield(1)
                throw Failure(5)
            }
            #expect(try await failing.next() == 1)
            await #expect(throws: Failure(5)) { try await failing.next() }
            #expect(try await failing.next() == nil)
        }
    }

    @Test func closingRunsTheCleanUp() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let journal = SharedJournal<String>()
            @Sendable func make() -> AsyncGenerator<Int> {
                AsyncGenerator { yield in
                    do {
                        for n in 0... { try await yield(n) }
                    } catch {
                        #expect(error is GeneratorExit)
                        try await sleep(.milliseconds(1))
                        journal.note("cleaned up")
                        throw error
                    }
                }
            }
            let generator = make()
            _ = try await generator.next()
            try await generator.close()
            #expect(journal.entries == ["cleaned up"])
            try await generator.close()
            try await make().close()
            #expect(journal.entries.count == 1)
            // Also by a task that is cancelled.
            let another = make()
            let closer = Task(executorPreference: loop.taskExecutor) {
                _ = try await another.next()
                withUnsafeCurrentTask { $0!.cancel() }
                await #expect(throws: CancellationError.self) { try await another.next() }
                #expect(another.state == .suspended)
                try await another.close()
            }
            try await closer.value
            #expect(journal.entries.count == 2)

            let stubborn = AsyncGenerator<Int> { yield in
                do { try await yield(1) } catch { try await yield(2) }
            }
            _ = try await stubborn.next()
            await #expect(throws: AsyncGeneratorError.ignoredExit) { try await stubborn.close() }
            try await stubborn.close()
        }
    }

    @Test func aDroppedOneIsUnwound() async throws {
        try await onTaskLoop(parks: false) { (_) async throws -> Void in
            let freed = Tally()
            for suspends in [true, false] {
                let generator = AsyncGenerator<Int> { yield in
                    let witness = Witness(freed)
                    try await yield(1)
                    withExtendedLifetime(witness) {}
                }
                if suspends { _ = try await generator.next() }
            }
            while freed.count < 1 { await Task.yield() }
            #expect(freed.count == 1)
        }
    }

    @Test func oneAtATime() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let gate = try Future<Int>()
            let leaked = SharedJournal<AsyncYielder<Int, Void>>()
            let generator = AsyncGenerator<Int> { yield in
                leaked.note(yield)
                try await yield(try await gate.value)
            }
            let first = Task(executorPreference: loop.taskExecutor) { try await generator.next() }
            while generator.state != .running { await Task.yield() }
            await #expect(throws: AsyncGeneratorError.alreadyRunning) { try await generator.next() }
            await #expect(throws: AsyncGeneratorError.alreadyRunning) { try await generator.close() }
            // In another task there is nobody to hand it to.
            while leaked.entries.isEmpty { try turn() }
            await #expect(throws: AsyncGeneratorError.yieldOutsideBody) { try await leaked.entries[0](2) }
            try gate.setResult(5)
            #expect(try await first.value == 5)
            await #expect(throws: AsyncGeneratorError.yieldOutsideBody) { try await leaked.entries[0](2) }
        }
    }

    @Test func cancellingWhoWaitsCancelsTheBody() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let begun = Waiter<Void>()
            let cancelled = Tally()
            let generator = AsyncGenerator<Int> { yield in
                begun.resume(returning: ())
                do { try await sleep(.seconds(100)) } catch {
                    cancelled.add()
                    throw error
                }
            }
            let task = Task(executorPreference: loop.taskExecutor) { try await generator.next() }
            _ = try await begun.wait()
            #expect(generator.state == .running)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(cancelled.count == 1 && generator.state == .closed)
        }
    }

    /// asyncio's `shutdown_asyncgens`, before the end.
    @Test func theyAreClosedWhenAsked() async throws {
        try await onLoop { (loop) async throws -> Void in
            let cleaned = SharedJournal<Int>()
            let failures = collectFailures(loop)
            @Sendable func make(_ number: Int) -> AsyncGenerator<Int> {
                AsyncGenerator<Int>("closedWhenAsked") { yield in
                    defer { cleaned.note(number) }
                    do { try await yield(number) } catch {
                        try await sleep(.milliseconds(1))  // cleaning up may wait
                        if number == 2 { throw Failure(number) }
                    }
                }
            }
            let begun = (0..<3).map { make($0) }
            let fresh = make(3)
            let ended = AsyncGenerator<Int> { _ in }
            for generator in begun { _ = try await generator.next() }
            _ = try await ended.next()
            await loop.closeAsyncGenerators()
            #expect(Set(cleaned.entries) == [0, 1, 2])
            #expect(begun.allSatisfy { $0.state == .closed })
            #expect(failures.entries.map { $0.error as? Failure } == [Failure(2)])
            // One that has not begun has nothing to clean up, and still can be used.
            #expect(fresh.state == .created)
            #expect(try await fresh.next() == 3)
            await loop.closeAsyncGenerators()
            #expect(fresh.state == .closed && cleaned.entries.count == 4)
            await loop.closeAsyncGenerators()
            #expect(failures.entries.count == 1)
        }
    }

    /// Python's `asyncio.run` ends with `shutdown_asyncgens`.
    @Test func theLoopsEndClosesThem() async throws {
        ReportLog.begin()
        for usesAsyncIO in [true, false] {
            let cleaned = Tally()
            let kept = SharedJournal<AsyncGenerator<Int>>()
            try await onFreshThread { () throws -> Void in
                @Sendable func main() async throws {
                    for n in 0..<3 {
                        let generator = AsyncGenerator<Int>("closedAtTheEnd") { yield in
                            defer { cleaned.add() }
                            do { try await yield(n) } catch {
                                try await sleep(.milliseconds(1))
                                if n == 2 { throw Failure(n) }
                            }
                        }
                        kept.note(generator)
                        _ = try await generator.next()
                    }
                    let ended = AsyncGenerator<Int> { _ in }
                    _ = try await ended.next()
                    kept.note(ended)
                    kept.note(AsyncGenerator<Int> { _ in Issue.record("ran") })
                }
                if usesAsyncIO {
                    try AsyncIO.run(takesOver: false, main)
                } else {
                    try EventLoop.run(takesOver: false) { () async throws -> Void in try await main() }
                }
            }
            #expect(cleaned.count == 3)
            #expect(kept.entries.map(\.state) == [.closed, .closed, .closed, .closed, .created])
        }
        #expect(
            ReportLog.reports(containing: "an error occurred during closing of asynchronous generator closedAtTheEnd")
                .count == 2)
    }

    @Test func outsideALoop() async throws {
        let generator = AsyncGenerator<Int> { yield in for n in 0..<100 { try await yield(n) } }
        var sum = 0
        for try await n in generator { sum += n }
        #expect(sum == 4_950)
    }
}
