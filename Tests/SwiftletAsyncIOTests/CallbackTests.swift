import CTestSupport
import Glibc
import Swiftlet
import TestSupport
import Testing

private enum Context { @TaskLocal static var number = 0 }

@Suite struct CallbackTests {
    @Test func aCallThatIsCalledOffStandsForNobody() async throws {
        try await onLoop { (loop) async throws -> Void in
            let journal = SharedJournal<Int>()
            let first = try loop.callSoonThreadSafe(collapsing: "key") { journal.note(1) }
            first?.cancel()
            #expect(try loop.callSoonThreadSafe(collapsing: "key") { journal.note(2) } != nil)
            first?.cancel()
            #expect(try loop.callSoonThreadSafe(collapsing: "key") { journal.note(3) } == nil)
            await turns()
            #expect(journal.entries == [2])
        }
    }

    /// asyncio's `context`: what is bound where a call is asked for is bound when it is made.
    @Test func theCallersTaskLocalValuesAreBound() async throws {
        try await onLoop { (loop) async throws -> Void in
            let journal = SharedJournal<Int>()
            let done = try loop.createFuture(of: Void.self)
            try Context.$number.withValue(1) {
                try loop.callSoon { journal.note(Context.number) }
                try loop.callLater(.milliseconds(1)) { journal.note(10 + Context.number) }
                try loop.callSoonThreadSafe { journal.note(20 + Context.number) }
                try done.addDoneCallback { _ in journal.note(30 + Context.number) }
            }
            try loop.callSoon { journal.note(Context.number) }
            try done.addDoneCallback { _ in journal.note(30 + Context.number) }
            await turns()
            #expect(Set(journal.entries).subtracting([11]) == [1, 21, 0])  // the timer's time may have come
            // Whoever sets the result has values of its own, which are not the callback's.
            try Context.$number.withValue(2) { try done.setResult(()) }
            await turns()
            #expect(journal.entries.filter { $0 >= 30 } == [31, 30])
            while !journal.entries.contains(11) { await turns() }
        }
    }

    @Test func inOrder() async throws {
        try await onSimulatedLoop { (loop) async throws -> Void in
            let journal = SharedJournal<Int>()
            try loop.callSoon { journal.note(1) }
            let cancelled = try loop.callSoon { journal.note(-1) }
            try loop.callSoon { journal.note(2) }
            cancelled.cancel()
            #expect(cancelled.isCancelled && cancelled.description.hasPrefix("<Handle cancelled created at "))
            #expect(journal.entries.isEmpty)
            await turns()
            #expect(journal.entries == [1, 2])

            let done = try loop.createFuture(of: Void.self)
            let deadline = Deadline.after(.milliseconds(20))
            try loop.callAt(deadline) { journal.note(4) }
            try loop.callLater(.milliseconds(5)) { journal.note(3) }
            let late = try loop.callLater(.milliseconds(1)) { journal.note(-1) }
            try loop.callAt(deadline) { journal.note(5) }
            let last = try loop.callAt(deadline) { try done.setResult(()) }
            #expect(last.when == deadline)
            late.cancel()
            try await done.value
            #expect(journal.entries == [1, 2, 3, 4, 5])
        }
    }

    @Test func errorsGoToTheHandler() async throws {
        try await onLoop { (loop) async throws -> Void in
            #expect(loop.exceptionHandler == nil)
            let failures = collectFailures(loop)
            try loop.callSoon { throw Failure(1) }
            await turns()
            #expect(failures.entries.map(\.kind) == [.callbackError])
            loop.callExceptionHandler(LoopFailure(.callbackError, "said by hand"))
            #expect(failures.entries.last?.message == "said by hand")
            loop.exceptionHandler = nil
            loop.callExceptionHandler(LoopFailure(.callbackError, "handled-by-default", error: Failure(2)))
            #expect(ReportLog.reports(containing: "handled-by-default").count == 1)
        }
    }

    /// Each look at a handler once wrapped it in one more thunk: memory grew, and calls went deeper, with each report.
    @Test func handlersAreCalledAtTheSameDepthForEver() async throws {
        try await onLoop { (loop) async throws -> Void in
            let places = SharedJournal<UInt>()
            loop.exceptionHandler = { _ in places.note(test_stack_depth()) }
            for _ in 0..<100 { loop.callExceptionHandler(LoopFailure(.callbackError, "")) }
            #expect(places.entries.count == 100)
            #expect(Set(places.entries.suffix(99)).count == 1)
            loop.exceptionHandler = nil
        }
    }

    @Test func aBurstFromAnotherThread() async throws {
        try await onLoop { (loop) async throws -> Void in
            let journal = SharedJournal<Int>()
            let collapsed = Tally()
            let others = Tally()
            let worker = try loop.createTask(
                Coroutine { () async -> Void in
                    while journal.entries.count < 1000 {
                        others.add()
                        await Task.yield()
                    }
                })
            try await toThread { () throws -> Void in
                #expect(throws: LoopError.wrongThread) { try loop.callSoon {} }
                #expect(throws: LoopError.wrongThread) { try loop.callLater(.zero) {} }
                for number in 0..<1000 {
                    if number == 500 {
                        // In the midst of it, others have their turns.
                        let before = others.count
                        let end = Deadline.after(.seconds(60))
                        while others.count < before + 2, end.remaining > .zero { usleep(100) }
                    }
                    try loop.callSoonThreadSafe { journal.note(number) }
                }
            }
            try await worker.value
            #expect(journal.entries == Array(0..<1000) && others.count >= 2)
            // Collapsed while the loop has no turn.
            for number in 0..<10 {
                let handle = try loop.callSoonThreadSafe(collapsing: "key") { collapsed.add() }
                #expect((handle == nil) == (number > 0))
            }
            await turns()
            #expect(collapsed.count == 1)
            #expect(try loop.callSoonThreadSafe(collapsing: "key") { collapsed.add() } != nil)
            await turns()
            #expect(collapsed.count == 2)
        }
    }

    @Test func ofAClosedLoop() async throws {
        let loops = SharedJournal<EventLoop>()
        try await onOwnStack { loops.note($0) }
        let loop = loops.entries[0]
        #expect(throws: LoopError.closed) { try loop.callSoonThreadSafe {} }
        #expect(throws: LoopError.closed) { try loop.callSoonThreadSafe(collapsing: 1) {} }
        #expect(throws: LoopError.closed) { try loop.callSoonThreadSafe(collapsing: 1) {} }
        #expect(throws: LoopError.closed) { try loop.callSoon {} }
        #expect(throws: LoopError.closed) { try loop.createTask(Coroutine { 1 }) }
        #expect(throws: LoopError.closed) { try loop.createTaskThreadSafe(Coroutine { 1 }) }
        #expect(throws: LoopError.closed) { try loop.run(until: Coroutine { 1 }) }
    }

    @Test func slowOnesInDebugMode() async throws {
        try await onLoop { (loop) async throws -> Void in
            loop.configuration.isDebug = true
            loop.configuration.slowCallbackLimit = .milliseconds(5)
            loop.configuration.slowTurnLimit = nil
            try loop.callSoon(file: "tests/slow-callback", line: 1) {
                let end = Deadline.after(.milliseconds(20))
                while end.remaining > .zero {}
            }
            await turns()
            let reports = ReportLog.reports(containing: "tests/slow-callback:1")
            #expect(reports.count == 1 && reports[0].kind == .slowCallback)
            #expect(reports[0].message.hasPrefix("Executing <Handle created at"))
        }
    }

    @Test func cancelledTimersAreSweptAndFreed() async throws {
        try await onLoop { (loop) async throws -> Void in
            let freed = Tally()
            for _ in 0..<1000 {
                nonisolated(unsafe) let witness = Witness(freed)
                try loop.callLater(.seconds(1000)) { _ = witness }.cancel()
            }
            #expect(freed.count == 1000)
            #expect(loop.statistics.timers < 200)
        }
    }
}
