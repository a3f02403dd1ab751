import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

/// Order, timers, fairness, and the loop's own life.
@Suite struct LoopTests {
    @Test func workRunsInOrderOfArrival() async throws {
        try await onLoop { () throws -> Void in
            let journal = SharedJournal<Int>()
            let loop = try EventLoop.current
            for n in 0..<100 { loop.perform { journal.note(n) } }
            #expect(journal.entries.isEmpty)
            try yield()
            #expect(journal.entries == Array(0..<100))
        }
    }

    @Test func timersFireByDeadlineAndEqualOnesInOrder() async throws {
        try await onLoop { () throws -> Void in
            // Where a slow machine has let a deadline pass before all were waiting, it is done again with more time.
            for attempt in 0... {
                let journal = Journal<Int>()
                let base = Deadline.after(.milliseconds(20 << attempt))
                let late = Deadline.after(.milliseconds(40 << attempt))
                let fibers = (0..<20).map { n in
                    spawn {
                        try sleep(until: n % 2 == 0 ? late : base)
                        journal.note(n)
                    }
                }
                try yield()
                let inTime = base.remaining > .zero
                try joinAll(fibers)
                guard inTime else { continue }
                let order = Array(stride(from: 1, to: 20, by: 2)) + Array(stride(from: 0, to: 20, by: 2))
                #expect(journal.entries == order)
                break
            }
        }
    }

    @Test func timersOfCancelledWaitsNeverFireAndAreSwept() async throws {
        try await onLoop { () throws -> Void in
            let loop = try EventLoop.current
            for _ in 0..<2_000 {
                let waiter = Waiter<Int>()
                let waiting = spawn { try waiter.wait(until: .after(.seconds(60))) }
                try yield()
                waiter.resume(returning: 1)
                #expect(try waiting.get() == 1)
            }
            #expect(loop.statistics.timers < 300)
        }
    }

    @Test func aFloodOfReadyWorkStarvesNobody() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer {
                close(reading)
                close(writing)
            }
            let stop = Box(false)
            let flood = (0..<4).map { _ in spawn { while !stop.value { try yield() } } }
            let served = Journal<String>()
            let reader = spawn {
                _ = try waitUntilReady(reading, for: .reading)
                served.note("descriptor")
            }
            let sleeper = spawn {
                try sleep(.milliseconds(5))
                served.note("timer")
            }
            let loop = try EventLoop.current
            let posted = Waiter<Int>()
            startThread { loop.perform { posted.resume(returning: 1) } }
            #expect(try posted.wait(until: .after(.seconds(60))) == 1)
            writeByte(writing)
            #expect(try joinAll([reader, sleeper], timeout: .seconds(60)).count == 2)
            #expect(Set(served.entries) == ["descriptor", "timer"])
            stop.value = true
            try joinAll(flood)
        }
    }

    @Test func anIdleLoopUsesNoCPU() async throws {
        try await onLoop { () throws -> Void in
            let before = threadCPUTime()
            let earlier = try EventLoop.current.statistics
            try sleep(.milliseconds(300))
            #expect(threadCPUTime() - before < 5_000_000)
            // Other tests ask every loop of the process what it does.
            let later = try EventLoop.current.statistics
            #expect(later.sleeps - earlier.sleeps <= 3 + later.foreignWakes - earlier.foreignWakes)
        }
    }

    @Test func aBurstFromAnotherThreadArrivesInOrder() async throws {
        try await onLoop { () throws -> Void in
            let loop = try EventLoop.current
            let journal = SharedJournal<Int>()
            let done = Waiter<Bool>()
            startThread {
                for n in 0..<1_000 { loop.perform { journal.note(n) } }
                loop.perform { done.resume(returning: true) }
            }
            _ = try done.wait()
            #expect(journal.entries == Array(0..<1_000))
        }
    }

    @Test func runForeverEndsByStop() async throws {
        try await onFreshThread { () throws -> Void in
            let loop = try EventLoop.current
            let ran = Tally()
            startThread {
                for _ in 0..<10 { loop.perform { ran.add() } }
                loop.perform { loop.stop() }  // there it runs for certain
            }
            try loop.runForever()
            #expect(ran.count == 10)
            // And again, stopped from inside.
            loop.spawn { loop.stop() }
            try loop.runForever()
            try loop.close()
        }
    }

    @Test func runUntilAFiberHasEnded() async throws {
        try await onFreshThread { () throws -> Void in
            let loop = try EventLoop.current
            let fiber = loop.spawn {
                try nap()
                return 7
            }
            #expect(try loop.run(until: fiber) == 7)
            try loop.close()
        }
    }

    @Test func closingIsGuarded() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let loop = try EventLoop.current
            #expect(throws: LoopError.closedFromInside) { try loop.close() }
            let result = try toThread { () -> Bool in
                do { try loop.close() } catch { return error as? LoopError == .wrongThread }
                return false
            }
            #expect(result)
            #expect(throws: LoopError.alreadyRunning) { try EventLoop.run(takesOver: false) {} }
        }
    }

    @Test func aClosedLoopRefusesWorkAndReleasesIt() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            let loop = try EventLoop.current
            try loop.close()
            try loop.close()
            func post() throws {
                let witness = SendableWitness(tally)
                #expect(!loop.perform { _ = witness })
                let refused = Waiter<Bool>()
                onThreadAndEnd { refused.resume(returning: !loop.perform { _ = witness }) }
                #expect(try refused.wait() == true)
            }
            try post()
            #expect(tally.count == 1)
        }
    }

    @Test func closingCancelsFibersAndUnwindsThem() async throws {
        let tally = Tally()
        try await onLoop { () throws -> Void in
            for _ in 0..<50 {
                spawn {
                    let witness = Witness(tally)
                    try withExtendedLifetime(witness) { try sleep(.seconds(100)) }
                }
            }
            spawn(after: .seconds(100)) { Issue.record("started") }
            try nap()
        }
        #expect(tally.count == 50)
    }

    @Test func oneThreadMayHaveLoopsInSuccession() async throws {
        try await onFreshThread { () throws -> Void in
            for n in 0..<20 {
                let value = try EventLoop.run(takesOver: false) { () throws -> Int in
                    try nap()
                    return n
                }
                #expect(value == n)
            }
            #expect(EventLoop.currentIfAny == nil)
        }
    }
}

/// A witness that may be captured by a `@Sendable` closure.
final class SendableWitness: Sendable {
    private let tally: Tally
    init(_ tally: Tally) { self.tally = tally }
    deinit { tally.add() }
}
