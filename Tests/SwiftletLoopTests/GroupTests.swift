import Swiftlet
import TestSupport
import Testing

/// Groups and pools of fibers.
@Suite struct GroupTests {
    @Test func aGroupKnowsItsFibersWhileTheyRun() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            #expect(try group.join())  // empty: at once
            let gate = Waiter<Void>()
            let first = group.spawn(name: "first") { _ = try gate.wait() }
            let second = spawn { _ = try gate.wait() }
            let third = Fiber { _ = try gate.wait() }
            try group.add(second)
            try group.add(second)
            try group.start(third)
            #expect(group.count == 3 && group.fibers == [first, second, third] && group.contains(third))
            group.discard(second)
            group.discard(second)
            #expect(group.count == 2 && !group.contains(second))
            #expect(try group.join(timeout: .milliseconds(5)) == false)
            gate.resume(returning: ())
            #expect(try group.join())
            #expect(group.isEmpty && first.isFinished && third.isFinished)
            try second.join()
            // One that has ended comes in and leaves.
            try group.add(second)
            try group.join()
            #expect(group.isEmpty)
        }
    }

    @Test func joiningWaitsForThoseThatComeMeanwhile() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            let tally = Tally()
            func add(_ depth: Int) {
                group.spawn {
                    try yield()
                    tally.add()
                    if depth > 0 { add(depth - 1) }
                }
            }
            add(4)
            try group.join()
            #expect(tally.count == 5)
        }
    }

    @Test func joiningThrowsTheFirstErrorWhereWanted() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            group.spawn {}
            group.spawn { throw Failure(1) }
            group.spawn { throw Failure(2) }
            #expect(throws: Failure(1)) { try group.join(rethrowing: true) }
            #expect(group.isEmpty)
            #expect(try group.join(rethrowing: true))
        }
    }

    @Test func killingAGroup() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            let late = Box<Fiber<Void>?>(nil)
            let fibers = (0..<3).map { _ in group.spawn { try sleep(.seconds(100)) } }
            group.spawn {
                do {
                    try sleep(.seconds(100))
                } catch {
                    late.value = group.spawn { try sleep(.seconds(100)) }
                }
            }
            try yield()
            #expect(try group.kill(throwing: Failure(3)))
            #expect(group.isEmpty)
            #expect(fibers.allSatisfy { $0.error as? Failure == Failure(3) })
            #expect(late.value?.error as? Failure == Failure(3))
            // From one of its own fibers: that one is spared.
            let sibling = group.spawn { try sleep(.seconds(100)) }
            let killer = group.spawn { () throws -> Bool in
                try yield()
                return try group.kill()
            }
            #expect(try killer.get())
            #expect(sibling.wasKilled)
            let cancelled = group.spawn { try sleep(.seconds(100)) }
            try yield()
            group.cancelAll()
            try group.join()
            #expect(cancelled.error is CancellationError)
        }
    }

    @Test func groupsFromOtherThreadsAndTasks() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            group.spawn { try sleep(.milliseconds(5)) }
            #expect(try toThread { try group.join() })
            group.spawn { try sleep(.seconds(100)) }
            try yield()
            #expect(try blockOn { try await group.join(timeout: .milliseconds(1)) } == false)
            #expect(try toThread { try group.kill() })
            try EventLoopGroup.with(count: 1) { loops in
                let foreign = loops.spawn(name: "foreign") {}
                #expect(throws: FiberSetError.foreignFiber(name: "foreign")) { try group.add(foreign) }
                try foreign.join()
            }
        }
    }

    @Test func aPoolHoldsItsBoundAndServesInOrder() async throws {
        try await onLoop { () throws -> Void in
            let pool = FiberPool(size: 3)
            let journal = Journal<Int>()
            var most = 0
            for n in 0..<10 {
                try pool.spawn {
                    journal.note(n)
                    try sleep(.milliseconds(1))
                }
                most = max(most, pool.count)
                if n == 2 { #expect(pool.isFull && pool.freeCount == 0) }
            }
            #expect(most == 3)
            try pool.join()
            #expect(journal.entries == Array(0..<10))
            #expect(pool.freeCount == 3 && !pool.isFull)
        }
    }

    @Test func spawnersAreServedInOrderAndCancelledOnesLoseNothing() async throws {
        try await onLoop { () throws -> Void in
            let pool = FiberPool(size: 1)
            let gate = Waiter<Void>()
            let journal = Journal<Int>()
            try pool.spawn { _ = try gate.wait() }
            let spawners = (0..<6).map { n in spawn { try pool.spawn { journal.note(n) } } }
            try yield()
            spawners[0].cancel()
            spawners[3].cancel()
            try spawners[4].kill()
            #expect(throws: FiberSetError.full(size: 1)) { try pool.spawn(timeout: .zero) {} }
            #expect(throws: FiberSetError.full(size: 1)) { try pool.spawn(timeout: .milliseconds(2)) {} }
            let refused = Fiber {}
            #expect(throws: FiberSetError.full(size: 1)) { try pool.start(refused, timeout: .zero) }
            #expect(try pool.waitAvailable(timeout: .milliseconds(2)) == 0)
            gate.resume(returning: ())
            #expect(try pool.waitAvailable(timeout: .seconds(50)) == 1)
            try pool.join()
            #expect(journal.entries == [1, 2, 5])
            #expect(pool.freeCount == 1)
        }
    }

    @Test func aPlaceThatComesTogetherWithACancellationIsNotLost() async throws {
        try await onLoop { () throws -> Void in
            for isCancelledFirst in [true, false] {
                let pool = FiberPool(size: 1)
                let journal = Journal<Int>()
                let holder = try pool.spawn { try sleep(.seconds(100)) }
                let spawners = (0..<2).map { n in spawn { try pool.spawn { journal.note(n) } } }
                try yield()
                if isCancelledFirst { spawners[0].cancel() }
                pool.discard(holder)
                if !isCancelledFirst { spawners[0].cancel() }
                try joinAll(spawners)
                try pool.join()
                #expect(journal.entries == (isCancelledFirst ? [1] : [0, 1]))
                #expect(pool.freeCount == 1)
                try holder.kill()
            }
        }
    }

    @Test func twoWhoAddTheSameFiberTakeOnePlace() async throws {
        try await onLoop { () throws -> Void in
            let pool = FiberPool(size: 2)
            let holders = try (0..<2).map { _ in try pool.spawn { try sleep(.seconds(100)) } }
            let fiber = spawn { try sleep(.seconds(100)) }
            let adders = (0..<2).map { _ in spawn { try pool.add(fiber) } }
            try yield()
            for holder in holders { try holder.kill() }
            for adder in adders { try adder.get() }
            #expect(pool.count == 1 && pool.freeCount == 1)
            try fiber.kill()
            #expect(pool.isEmpty && pool.freeCount == 2)
        }
    }

    @Test func discardingFreesThePlaceOnce() async throws {
        try await onLoop { () throws -> Void in
            let pool = FiberPool(size: 1)
            let fiber = try pool.spawn { try sleep(.milliseconds(2)) }
            pool.discard(fiber)
            #expect(pool.freeCount == 1)
            try fiber.join()
            #expect(pool.freeCount == 1)
            let killed = try pool.spawn { Issue.record("ran") }
            try killed.kill()
            #expect(pool.freeCount == 1 && pool.isEmpty)
        }
    }

    @Test func applying() async throws {
        try await onLoop { () throws -> Void in
            let pool = FiberPool(size: 1)
            #expect(try pool.apply { 1 } == 1)
            #expect(throws: Failure(1)) { try pool.apply { throw Failure(1) } }
            // From within: with the place that the caller has.
            #expect(try pool.apply { try pool.apply { 2 } } == 2)
            let journal = Journal<Int>()
            let fibers = (0..<4).map { n in
                pool.applyAsync { () throws -> Int in
                    #expect(pool.count <= 1)
                    try yield()
                    if n == 2 { throw Failure(n) }
                    return n
                } callback: {
                    journal.note($0)
                }
            }
            #expect(journal.entries.isEmpty)  // it does not wait, though there is one place
            #expect(throws: Failure(2)) { try fibers[2].get() }
            try EventLoop.current.joinFibers()
            #expect(journal.entries == [0, 1, 3])
        }
    }

    @Test func mapping() async throws {
        try await onLoop { () throws -> Void in
            for set in [FiberGroup(), FiberPool(size: 2)] as [FiberSet] {
                let values = try set.map(0..<20) { n in
                    try sleep(.microseconds(Int64((n * 7919) % 5) * 100))
                    return n * n
                }
                #expect(values == (0..<20).map { $0 * $0 })
                #expect(throws: Failure(3)) {
                    try set.map(0..<10) { n in
                        try yield()
                        if n >= 3 { throw Failure(n) }
                    }
                }
                try set.join()
                let journal = Journal<[Int]>()
                let all = set.mapAsync(1...3) {
                    $0 + 1
                } callback: {
                    journal.note($0)
                }
                #expect(!all.isFinished)
                #expect(try all.get() == [2, 3, 4])
                try EventLoop.current.joinFibers()
                #expect(journal.entries == [[2, 3, 4]])
            }
        }
    }

    @Test func aDroppedGroupLeavesItsFibersAlone() async throws {
        try await onLoop { () throws -> Void in
            weak var gone: FiberGroup?
            func make() -> Fiber<Int> {
                let group = FiberGroup()
                gone = group
                return group.spawn {
                    try yield()
                    return 1
                }
            }
            let fiber = make()
            #expect(gone == nil)
            #expect(try fiber.get() == 1)
        }
    }
}
