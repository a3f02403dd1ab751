import Swiftlet
import TestSupport
import Testing

/// Results, and waiting for whatever becomes ready.
@Suite struct ResultTests {
    @Test func allWaitersGetTheValue() async throws {
        try await onLoop { () throws -> Void in
            let result = AsyncResult<Int>()
            let getters = (0..<100).map { _ in spawn { try result.get() } }
            try yield()
            #expect(!result.isReady && result.value == nil && result.outcome == nil)
            #expect(throws: AsyncResultError.notReady) { try result.getNow() }
            try result.set(3)
            #expect(throws: AsyncResultError.alreadySet) { try result.set(4) }
            #expect(throws: AsyncResultError.alreadySet) { try result.setError(Failure()) }
            #expect(!result.trySet(.success(5)) && !result.cancel())
            #expect(try getters.map { try $0.get() } == Array(repeating: 3, count: 100))
            #expect(try result.getNow() == 3 && result.isSuccessful && result.isReady && result.error == nil)
        }
    }

    @Test func errorsAndCancelling() async throws {
        try await onLoop { () throws -> Void in
            let failed = AsyncResult<Int>()
            let getter = spawn { try failed.get() }
            try yield()
            try failed.setError(Failure(2))
            #expect(throws: Failure(2)) { try getter.get() }
            #expect(failed.error as? Failure == Failure(2) && !failed.isSuccessful && failed.value == nil)
            #expect(try failed.wait())  // whatever the outcome

            let cancelled = AsyncResult<Int>()
            #expect(cancelled.cancel() && cancelled.isCancelled)
            #expect(throws: CancellationError.self) { try cancelled.get() }
        }
    }

    @Test func timeouts() async throws {
        try await onLoop { () throws -> Void in
            let result = AsyncResult<Int>()
            #expect(throws: DeadlineExceeded.self) { try result.get(timeout: .milliseconds(2)) }
            #expect(try result.wait(timeout: .milliseconds(2)) == false)
            let cancelled = spawn { try result.get() }
            try yield()
            cancelled.cancel()
            try cancelled.join()
            try result.set(1)  // nobody waits, and nothing is lost
            #expect(try result.get(timeout: .zero) == 1)
        }
    }

    @Test func acrossThreadsLoopsAndTasks() async throws {
        try await onLoop { () throws -> Void in
            let there = AsyncResult<Int>()
            let back = AsyncResult<Int>()
            let group = try EventLoopGroup(count: 1)
            defer { group.stop() }
            let other = group.spawn { try back.trySet(.success(there.get() + 1)) }
            let task = Task { try await back.get() + 1 }
            try toThread { try there.set(1) }
            #expect(try back.get() == 2)
            #expect(try blockOn { try await task.value } == 3)
            #expect(try other.get())
        }
    }

    @Test func linksOfResults() async throws {
        try await onLoop { () throws -> Void in
            let journal = SharedJournal<String>()
            let result = AsyncResult<Int>()
            let gone = result.rawLink { _ in journal.note("gone") }
            result.unlink(gone)
            result.rawLink { journal.note("raw \($0.value ?? 0)") }
            try result.link { result in
                try yield()
                journal.note("fiber \(result.value ?? 0)")
            }
            result.rawLink { _ in throw Failure(31_415) }
            try result.set(4)
            #expect(journal.entries == ["raw 4"])
            result.rawLink { _ in journal.note("late") }
            try EventLoop.current.joinFibers()
            #expect(journal.entries == ["raw 4", "late", "fiber 4"])
            #expect(ReportLog.reports(containing: "31415").count == 1)
        }
    }

    @Test func iwaitHandsOutInTheOrderOfReadiness() async throws {
        try await onLoop { () throws -> Void in
            let gates = (0..<4).map { _ in Waiter<Int>() }
            let fibers = gates.map { gate in spawn { try gate.wait()! } }
            spawn {
                for n in [2, 0, 3, 1] {
                    gates[n].resume(returning: n)
                    try yield()
                    try yield()
                }
            }
            #expect(iwait(fibers).map { $0.value } == [2, 0, 3, 1])
            #expect(try wait(fibers, count: 2).count == 2)  // those that are ready already
            #expect(iwait([Fiber<Int>]()).map { $0 }.isEmpty)
        }
    }

    @Test func waitMixesKindsAndEndsAtItsTimeout() async throws {
        try await onLoop { () throws -> Void in
            let result = AsyncResult<String>()
            let fiber = spawn {}
            let never = AsyncResult<Int>()
            let ready = try wait([never, result, fiber], timeout: .milliseconds(30))
            #expect(ready.count == 1 && ready.first === fiber)
            let setter = spawn { try result.set("x") }
            #expect(try wait([never, result] as [any Waitable], count: 1).first === result)
            try setter.join()
            let sequence = iwait([never])
            let waiting = spawn { try sequence.next() }
            try yield()
            waiting.cancel()
            #expect(throws: CancellationError.self) { try waiting.get() }
        }
    }

    @Test func waitingForFibersOfAnotherLoop() async throws {
        try await onLoop { () throws -> Void in
            try EventLoopGroup.with(count: 1) { group in
                let fibers = (0..<10).map { n in group.spawn { n } }
                let values = try wait(fibers, timeout: .seconds(50)).map { try $0.get() }
                #expect(Set(values) == Set(0..<10))
            }
        }
    }

    @Test func waitingForEachOtherIsADeadlock() async throws {
        try await onFreshThread { () throws -> Void in
            let other = Box<Fiber<Void>?>(nil)
            let first = spawn { _ = try wait([other.value!]) }
            other.value = spawn { _ = try wait([first]) }
            #expect(throws: DeadlockError.self) { try first.join() }
            try killAll([first, other.value!])
            other.value = nil
            try EventLoop.current.close()
        }
    }
}
