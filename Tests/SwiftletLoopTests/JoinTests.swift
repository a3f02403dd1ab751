import Glibc
import Swiftlet
import SwiftletLoop
import TestSupport
import Testing

/// joinAll, links, and errors nobody asked for.
@Suite struct JoinTests {
    @Test func joinAllKeepsTheOrderGiven() async throws {
        try await onLoop { () throws -> Void in
            let fibers = [30, 10, 20].map { n in
                spawn {
                    try nap(n)
                    return n
                }
            }
            #expect(try joinAll(fibers).map { $0.value } == [30, 10, 20])
            #expect(try joinAll(fibers).count == 3)  // again
            #expect(try joinAll([Fiber<Int>]()).isEmpty)
        }
    }

    @Test func joinAllInACancelledScopeThrowsAtOnce() async throws {
        try await onLoop { () throws -> Void in
            let fibers = (0..<2).map { _ in spawn { try sleep(.seconds(1000)) } }
            try withCancelScope { scope in
                scope.cancel()
                #expect(throws: CancellationError.self) { try joinAll(fibers) }
            }
            for fiber in fibers { fiber.cancel() }
            #expect(try joinAll(fibers).count == 2)
        }
    }

    @Test func joinAllWithACountGivesTheFirstToEnd() async throws {
        try await onLoop { () throws -> Void in
            let gates = (0..<5).map { _ in Waiter<Bool>() }
            let fibers = [50, 10, 40, 20, 30].enumerated().map { index, n in
                spawn {
                    _ = try gates[index].wait()
                    return n
                }
            }
            spawn {
                for index in [1, 3, 4, 2, 0] {
                    try yield()
                    gates[index].resume(returning: true)
                }
            }
            #expect(try joinAll(fibers, count: 2).map { $0.value } == [10, 20])
            #expect(try joinAll(fibers, count: 3).map { $0.value }.count == 3)
        }
    }

    @Test func joinAllGivesUpAfterTheTimeout() async throws {
        try await onLoop { () throws -> Void in
            let quick = spawn { 1 }
            let slow = spawn { () throws -> Int in
                try sleep(.seconds(100))
                return 2
            }
            #expect(try joinAll([slow, quick], timeout: .milliseconds(10)) == [quick])
            #expect(try slow.join(timeout: .zero) == false)
            #expect(throws: DeadlineExceeded.self) { try slow.get(timeout: .milliseconds(1)) }
            slow.cancel()
        }
    }

    @Test func joinAllRethrowsTheEarliestFailureAtOnce() async throws {
        try await onLoop { () throws -> Void in
            let gates = (0..<3).map { _ in Waiter<Bool>() }
            let fibers = [50, 10, 20].enumerated().map { index, n in
                spawn {
                    _ = try gates[index].wait()
                    throw Failure(n)
                }
            }
            spawn {
                for index in [1, 2, 0] {
                    try yield()
                    gates[index].resume(returning: true)
                }
            }
            let slow = spawn { try sleep(.seconds(100)) }
            #expect(throws: Failure(10)) { try joinAll(fibers + [slow], rethrowing: true) }
            try joinAll(fibers)
            slow.cancel()
        }
    }

    @Test func manyJoinersOfOne() async throws {
        try await onLoop { () throws -> Void in
            let gate = Waiter<Int>()
            let target = spawn { try gate.wait()! }
            let joiners = (0..<100).map { n in spawn { try target.get() + n } }
            let leaver = spawn { try target.join(timeout: .milliseconds(1)) }
            let cancelled = spawn { try target.get() }
            try yield()
            cancelled.cancel()
            #expect(try leaver.get() == false)
            gate.resume(returning: 3)
            #expect(try joiners.map { try $0.get() } == (0..<100).map { $0 + 3 })
            #expect(cancelled.error is CancellationError)
        }
    }

    @Test func linksRunInOrderOnceEach() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<Int>()
            let fiber = spawn(name: "linked-161803") { 1 }
            let links = Box<[LinkToken]>([])
            for n in 0..<1_000 {
                links.value.append(
                    fiber.rawLink { ended in
                        #expect(ended === fiber)
                        if n == 100 { throw Failure(n) }
                        if n == 200 { fiber.unlink(links.value[700]) }
                        journal.note(n)
                    })
            }
            try fiber.join()
            try yield()
            #expect(journal.entries == (0..<1_000).filter { $0 != 100 && $0 != 700 })
            #expect(ReportLog.reports(containing: "linked-161803").count == 1)
            // To one that has ended: soon, and once.
            fiber.rawLink { _ in journal.note(-1) }
            #expect(journal.entries.last != -1)
            try yield()
            #expect(journal.entries.filter { $0 == -1 }.count == 1)
        }
    }

    @Test func anErrorNobodyAskedForIsReportedOnce() async throws {
        try await onLoop { () throws -> Void in
            spawn(name: "forgotten-577") { throw Failure(577) }
            try yield()
            try yield()
            let reports = ReportLog.reports(containing: "forgotten-577")
            #expect(reports.count == 1)
            #expect(reports.first?.kind == .unretrievedError)
        }
        #expect(ReportLog.reports(containing: "forgotten-577").count == 1)
    }

    @Test func anErrorSomebodyLookedAtIsNotReported() async throws {
        try await onLoop { () throws -> Void in
            func spawnFailing(_ n: Int) -> Fiber<Int> { spawn(name: "observed-\(n)-911") { throw Failure(911) } }
            let joined = spawnFailing(1)
            try joined.join()
            _ = try? spawnFailing(2).get()
            let read = spawnFailing(3)
            try yield()
            #expect(read.error != nil)
            try joinAll([spawnFailing(4)])
            let cancelled = spawn(name: "observed-5-911") { try sleep(.seconds(100)) }
            try yield()
            cancelled.cancel()
        }
        #expect(ReportLog.reports(containing: "-911").isEmpty)
    }
}

/// What may be done with a fiber of another thread's loop.
@Suite struct ForeignFiberTests {
    @Test func resultsAreReadWithoutJoining() async throws {
        try await onFreshThread { () throws -> Void in
            try EventLoopGroup.with(count: 2) { (group) throws -> Void in
                for n in 0..<200 {
                    let fiber = group.spawn { () throws -> [Int] in
                        if n % 2 == 1 { throw Failure(n) }
                        return [n]
                    }
                    let end = Deadline.after(.seconds(60))
                    while !fiber.isFinished, Deadline.now < end {
                        _ = fiber.value
                    }
                    #expect(fiber.value == (n % 2 == 0 ? [n] : nil))
                    #expect(fiber.error as? Failure == (n % 2 == 1 ? Failure(n) : nil))
                    #expect(fiber.isSuccessful == (n % 2 == 0) && fiber.isStarted)
                }
            }
        }
    }

    @Test func linksComeAndGo() async throws {
        try await onFreshThread { () throws -> Void in
            let group = try EventLoopGroup(count: 1)
            let go = Waiter<Void>()
            let journal = SharedJournal<Int>()
            let called = Waiter<Void>()
            let fiber = group.spawn { try go.wait() }
            fiber.link { _ in journal.note(1) }
            let gone = fiber.link { _ in journal.note(2) }
            fiber.unlink(gone)
            try group.spawn {}.join()  // what was posted before has been done
            go.resume(returning: ())
            try fiber.join()
            fiber.link { _ in
                journal.note(3)
                called.resume(returning: ())
            }
            #expect(try called.wait(until: .after(.seconds(60))) != nil)
            #expect(journal.entries == [1, 3])
            // When its loop is closed, the caller is told at once.
            let ended = Waiter<Void>()
            let last = group.spawn { try sleep(.seconds(100)) }
            last.link { _ in ended.resume(returning: ()) }
            group.stop()
            #expect(try ended.wait(until: .after(.seconds(60))) != nil)
            let end = Deadline.after(.seconds(60))
            while group.loops[0].perform({}), Deadline.now < end { try nap() }
            last.link { journal.note($0.isFinished ? 4 : 5) }
            #expect(journal.entries == [1, 3, 4])
        }
    }

    @Test func aJoinThatGivesUpLeavesNothing() async throws {
        try await onFreshThread { () throws -> Void in
            try EventLoopGroup.with(count: 1) { (group) throws -> Void in
                let fiber = group.spawn { try sleep(.seconds(100)) }
                for _ in 0..<10 { #expect(try !fiber.join(timeout: .milliseconds(1))) }
                #expect(try joinAll([fiber, fiber], timeout: .milliseconds(1)).isEmpty)
                #expect(throws: DeadlineExceeded.self) { try withTimeout(.milliseconds(1)) { try fiber.join() } }
                let left = group.spawn { fiber.linkCount }
                #expect(try left.get() == 0)
            }
        }
    }
}

/// Long queues cost each of those in them no more than short ones.
@Suite struct LongQueueTests {
    @Test func manyMayJoinOneFiberAndLeave() async throws {
        try await onLoop { () throws -> Void in
            let time = try processorTime {
                let fiber = spawn { try sleep(.seconds(1_000)) }
                // Those that leave do so by time, the last first. Errors would be slow: Swift Testing looks through all that
                // were thrown so far.
                let joiners = (0..<15_000).map { number in
                    spawn { try fiber.join(timeout: number < 5_000 ? nil : .milliseconds(40) - .microseconds(number)) }
                }
                try joinAll(Array(joiners.dropFirst(5_000)))
                fiber.cancel()
                try joinAll(joiners)
                #expect(joiners.enumerated().allSatisfy { $0.element.value == ($0.offset < 5_000) })
            }
            #expect(time < .seconds(4 * Sanitizer.patience))
        }
    }

    @Test func joiningManyRethrowingLooksAtEachEndOnce() async throws {
        try await onLoop { () throws -> Void in
            let time = try processorTime { () throws -> Void in
                // Each ends in a turn of its own.
                let many = (0..<10_000).map { number in spawn { for _ in 0..<number % 7 { try yield() } } }
                let ended = try joinAll(many, rethrowing: true)
                #expect(ended.count == many.count)
            }
            #expect(time < .seconds(4 * Sanitizer.patience))
            let waiting = spawn { try sleep(.seconds(1_000)) }
            let failing = spawn { () throws -> Void in
                try yield()
                throw Failure(7)
            }
            #expect(throws: Failure(7)) { try joinAll([waiting, failing], rethrowing: true) }
            waiting.cancel()
        }
    }

    @Test func manyMayWaitForOneDescriptorAndLeave() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            try descriptor.drained(.reading)
            let time = try processorTime {
                let waiting = (0..<15_000).map { _ in spawn { try descriptor.waitUnlessReady(.reading) } }
                try yield()
                for fiber in waiting.dropFirst(5_000).reversed() { fiber.cancel() }
                try yield()
                descriptor.close()
                try joinAll(waiting)
                #expect(waiting.prefix(5_000).allSatisfy { $0.error is DescriptorError })
                #expect(waiting.dropFirst(5_000).allSatisfy { $0.error is CancellationError })
            }
            #expect(time < .seconds(4 * Sanitizer.patience))
        }
    }
}
