import Glibc
import Swiftlet
import TestSupport
import Testing

/// Deadlocks, blocked loops, groups.
@Suite struct ReportTests {
    @Test func aFiberThatJoinsItselfIsToldAtOnce() async throws {
        try await onLoop { () throws -> Void in
            let others = spawn { try sleep(.seconds(100)) }  // the loop as such is not stuck
            let box = Box<Fiber<Void>?>(nil)
            func narcissus(_ body: @escaping (Fiber<Void>) throws -> Void) throws -> (any Error)? {
                let fiber = spawn(name: "narcissus") { try body(box.value!) }
                box.value = fiber
                try fiber.join()
                return fiber.error
            }
            let ways: [(Fiber<Void>) throws -> Void] = [
                { try $0.join() }, { try $0.get() }, { try joinAll([$0, $0]) },
                { mine in try Generator<Void> { yield in try yield(mine.get()) }.next() },
            ]
            for way in ways {
                let error = try narcissus(way) as? FiberError
                #expect(error == .joinsItself(fiber: "narcissus"))
                #expect(error?.description.contains("another fiber") == true)
            }
            // The first of several may be another.
            #expect(try narcissus { try joinAll([$0, spawn {}], count: 1) } == nil)
            box.value = nil
            others.cancel()
        }
    }

    @Test func groupsBelongToTheThreadOfTheirLoop() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let (group, pool) = (FiberGroup(), FiberPool(size: 1))
            let fiber = spawn {}
            let results = pool.imap([1]) { $0 }
            nonisolated(unsafe) let touched = (group: group, pool: pool, results: results, fiber: fiber)
            onThreadAndEnd {
                #expect(throws: LoopError.wrongThread) { try touched.group.add(touched.fiber) }
                #expect(throws: LoopError.wrongThread) { try touched.pool.spawn {} }
                #expect(throws: LoopError.wrongThread) { try touched.pool.apply { 1 } }
                #expect(throws: LoopError.wrongThread) { try touched.pool.waitAvailable() }
                #expect(throws: LoopError.wrongThread) { try touched.results.next() }
            }
            #expect("\(LoopError.wrongThread)".contains("perform { }"))
        }
    }

    @Test func twoFibersThatJoinEachOtherAreADeadlock() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            let error = #expect(throws: DeadlockError.self) {
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    let box = Box<[AnyFiber]>([])
                    let a = spawn(name: "tweedledum") {
                        let witness = Witness(tally)
                        _ = try withExtendedLifetime(witness) { try box.value[1].join() }
                    }
                    let b = spawn(name: "tweedledee") { try box.value[0].join() }
                    box.value = [a, b]
                    try a.join()
                }
            }
            let text = error?.description ?? ""
            #expect(text.contains("tweedledum (spawned at SwiftletLoopTests/ReportTests.swift:"))
            #expect(text.contains("waits for the end of tweedledee"))
            #expect(text.contains("tweedledee (spawned at SwiftletLoopTests/ReportTests.swift:"))
            #expect(tally.count == 1)  // and they were unwound
        }
    }

    @Test func whatAnotherThreadMayEndIsNoDeadlock() async throws {
        try await onLoop { () throws -> Void in
            let waiter = Waiter<Int>()
            startThread {
                usleep(30_000)
                waiter.resume(returning: 1)
            }
            let waiting = spawn { try waiter.wait() }
            #expect(try waiting.get() == 1)
        }
    }

    @Test func aGroupWorksOnAllItsLoops() async throws {
        try await onFreshThread { () throws -> Void in
            try EventLoopGroup.with(count: 3) { (group) throws -> Void in
                #expect(group.loops.count == 3)
                let fibers = (0..<30).map { _ in
                    group.spawn { () throws -> UInt in
                        try nap()
                        return UInt(pthread_self())
                    }
                }
                let threads = try fibers.map { try $0.get() }
                #expect(Set(threads).count == 3)
                for thread in Set(threads) { #expect(threads.filter { $0 == thread }.count == 10) }
                for loop in group.loops { #expect(loop.statistics.parks > 0) }
            }
        }
    }

    @Test func joinAllTakesFibersOfOtherLoops() async throws {
        try await onFreshThread { () throws -> Void in
            try EventLoopGroup.with(count: 2) { (group) throws -> Void in
                let fibers = (0..<20).map { n in
                    group.spawn { () throws -> Int in
                        try nap()
                        return n
                    }
                }
                #expect(try joinAll(fibers).compactMap { $0.value } == Array(0..<20))
                let failing = [group.spawn { try sleep(.seconds(100)) }, group.spawn { throw Failure(4) }]
                #expect(throws: Failure(4)) { try joinAll(failing, rethrowing: true) }
                #expect(try joinAll(failing, timeout: .milliseconds(20)).count == 1)
                #expect(try joinAll(failing, count: 1).first === failing[1])
            }
        }
    }

    @Test func aStoppedGroupCancelsItsFibers() async throws {
        try await onFreshThread { () throws -> Void in
            let group = try EventLoopGroup(count: 2)
            let fibers = (0..<10).map { _ in group.spawn { try sleep(.seconds(100)) } }
            group.stop()
            for fiber in fibers {
                do { try fiber.join() } catch is LoopError {}
                #expect(fiber.isFinished)
            }
            let late = group.spawn { 1 }
            #expect(throws: (any Error).self) { try late.get(timeout: .seconds(5)) }
        }
    }
}
