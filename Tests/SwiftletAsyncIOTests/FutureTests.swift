import Swiftlet
import TestSupport
import Testing

@Suite struct FutureTests {
    @Test func resultsAndErrorsAreSetOnce() async throws {
        try await onLoop { (loop) async throws -> Void in
            let future = try loop.createFuture(of: Int.self)
            #expect(future.description == "<Future pending>")
            let early = #expect(throws: InvalidStateError.self) { try future.result() }
            #expect(early == .resultNotSet && early?.description.hasPrefix("Result is not set.") == true)
            #expect(throws: InvalidStateError.exceptionNotSet) { try future.exception() }
            try future.setResult(1)
            let twice = #expect(throws: InvalidStateError.self) { try future.setResult(2) }
            #expect(twice?.description.hasPrefix("invalid state") == true)
            #expect(throws: InvalidStateError.alreadyDone(state: "finished")) { try future.setException(Failure()) }
            #expect(try future.result() == 1)
            #expect(try future.exception() == nil)
            #expect(!future.cancel())
            #expect(try await future.value == 1)
            #expect(try await future.value == 1)
            #expect(future.description == "<Future finished result=1>")

            let failed = Future<String>(failing: Failure(7), on: loop)
            #expect(throws: Failure(7)) { try failed.result() }
            #expect(try failed.exception() as? Failure == Failure(7))
            await #expect(throws: Failure(7)) { try await failed.value }
            #expect(failed.description.hasPrefix("<Future finished exception="))
        }
    }

    @Test func cancelledWithAMessage() async throws {
        try await onLoop { (loop) async throws -> Void in
            let future = try loop.createFuture(of: Int.self)
            let task = try loop.createTask(Coroutine { try await future.value })
            await turns()
            #expect(future.cancel("not needed") && !future.cancel())
            #expect(future.isDone && future.isCancelled && future.cancelMessage == "not needed")
            #expect(throws: CancellationError.self) { try future.result() }
            #expect(throws: CancellationError.self) { try future.exception() }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(task.isCancelled && future.description == "<Future cancelled>")
        }
    }

    @Test func callbacksComeInOrderInTheNextTurn() async throws {
        try await onLoop { (loop) async throws -> Void in
            let failures = collectFailures(loop)
            let future = try loop.createFuture(of: Int.self)
            let journal = SharedJournal<String>()
            try future.addDoneCallback("first") { journal.note("first \(try $0.result())") }
            let gone = try future.addDoneCallback { _ in journal.note("gone") }
            try future.addDoneCallback("throwing") { _ in throw Failure(4) }
            try future.addDoneCallback("last") { _ in journal.note("last") }
            #expect(future.description.contains("cb=[first() at SwiftletAsyncIOTests/FutureTests.swift:"))
            #expect(future.description.contains(", <2 more>, last() at "))
            #expect(try future.removeDoneCallback(gone))
            #expect(try !future.removeDoneCallback(gone))
            try future.setResult(9)
            #expect(journal.entries.isEmpty)
            await turns()
            #expect(journal.entries == ["first 9", "last"])
            #expect(failures.entries.map { $0.error as? Failure } == [Failure(4)])
            #expect(failures.entries[0].message == "Exception in callback")
            #expect(failures.entries[0].subject?.contains("FutureTests.swift:") == true)
            try future.addDoneCallback { _ in journal.note("late") }
            #expect(journal.entries.count == 2)
            await turns()
            #expect(journal.entries.last == "late")
        }
    }

    @Test func anErrorThatNobodyLooksAtIsReported() async throws {
        try await onLoop { (loop) async throws -> Void in
            let failures = collectFailures(loop)
            _ = Future<Int>(failing: Failure(1), on: loop)
            let seen = Future<Int>(failing: Failure(2), on: loop)
            _ = try seen.exception()
            #expect(failures.entries.map(\.message) == ["Future exception was never retrieved"])
            #expect(failures.entries.map { $0.error as? Failure } == [Failure(1)])
        }
    }

    @Test func fibersWaitToo() async throws {
        try await onLoop { (loop) async throws -> Void in
            let future = try loop.createFuture(of: Int.self)
            let parks = loop.statistics.parks
            let fibers = (0..<3).map { _ in loop.spawn { try future.wait() } }
            let cancelled = loop.spawn { try future.wait() }
            let impatient = loop.spawn { try future.wait(timeout: .milliseconds(1)) }
            await #expect(throws: DeadlineExceeded.self) { try await impatient.get() }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.get() }
            #expect(!future.isDone && future.description.contains("Fiber.wakeUp()"))
            try future.setResult(8)
            for fiber in fibers { #expect(try await fiber.get() == 8) }
            #expect(loop.statistics.parks >= parks + 5)
        }
    }

    @Test func waitedForFromOtherThreads() async throws {
        try await onLoop { (loop) async throws -> Void in
            let future = try loop.createFuture(of: Int.self)
            let waiting = Waiter<Void>()
            let thread = Task.detached { () async throws -> Int in
                try await toThread {
                    #expect(throws: LoopError.wrongThread) { try future.setResult(1) }
                    #expect(throws: LoopError.wrongThread) { try future.addDoneCallback { _ in } }
                    waiting.resume(returning: ())
                    return try future.wait()
                }
            }
            let pool = Task.detached { try await future.value }
            _ = try await waiting.wait()
            try await sleep(.milliseconds(5))
            try future.setResult(6)
            #expect(try await thread.value == 6)
            #expect(try await pool.value == 6)
            // Cancelling a task elsewhere cancels what it awaits.
            let other = try loop.createFuture(of: Int.self)
            let awaiting = Task.detached { try await other.value }
            while !other.description.contains("cb=[") { await Task.yield() }
            awaiting.cancel()
            await #expect(throws: CancellationError.self) { try await awaiting.value }
            while !other.isDone { await Task.yield() }
            #expect(other.isCancelled)
        }
    }

    @Test func ofAClosedLoop() async throws {
        let future = Box<Future<Int>?>(nil)
        nonisolated(unsafe) let kept = future
        let waiter = SharedJournal<Task<Int, any Error>>()
        try await onOwnStack { (loop) throws -> Void in
            let made = try loop.createFuture(of: Int.self)
            kept.value = made
            let registered = Waiter<Void>()
            waiter.note(
                Task.detached {
                    registered.resume(returning: ())
                    return try await made.value
                })
            try registered.wait()
            while !made.description.contains("cb=[") { try sleep(.milliseconds(1)) }
        }
        await #expect(throws: LoopError.closed) { try await waiter.entries[0].value }
        #expect(throws: LoopError.closed) { try kept.value!.setResult(1) }
        #expect(throws: LoopError.closed) { try waitHere(kept.value!) }
        #expect(!kept.value!.cancel())
    }
}

extension Future {
    convenience init(failing error: any Error, on loop: EventLoop) {
        // On the loop's thread: neither can fail.
        try! self.init()
        try! setException(error)
    }
}
