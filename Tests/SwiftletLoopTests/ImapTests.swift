import Swiftlet
import TestSupport
import Testing

/// `imap` and `imapUnordered`.
@Suite struct ImapTests {
    @Test func valuesComeInTheOrderOfTheItems() async throws {
        try await onLoop { () throws -> Void in
            let gates = (0..<3).map { _ in Waiter<Void>() }
            spawn {
                for n in [2, 0, 1] {
                    gates[n].resume(returning: ())
                    try yield()
                    try yield()
                }
            }
            let results = FiberGroup().imap(0..<3) { n in
                _ = try gates[n].wait()
                return n
            }
            #expect(results.map { $0 } == [0, 1, 2])
            #expect(results.failure == nil)
        }
    }

    @Test func valuesComeAsTheyAreReady() async throws {
        try await onLoop { () throws -> Void in
            let gates = (0..<3).map { _ in Waiter<Void>() }
            let results = FiberPool(size: 3).imapUnordered(0..<3) { n in
                _ = try gates[n].wait()
                return n
            }
            var order: [Int] = []
            for next in [2, 0, 1] {
                gates[next].resume(returning: ())
                order.append(try #require(try results.next()))
            }
            #expect(order == [2, 0, 1])
            #expect(try results.next() == nil)
            #expect(try results.next() == nil)
        }
    }

    @Test(arguments: [true, false])
    func itemsAreTakenNoFurtherThanTheLookAhead(isOrdered: Bool) async throws {
        try await onLoop { () throws -> Void in
            let taken = Tally()
            let items = Generator<Int> { yield in
                for n in 0... {
                    taken.add()
                    try yield(n)
                }
            }
            let pool = FiberPool(size: 10)
            let results =
                isOrdered
                ? pool.imap(items, lookAhead: 3) { $0 } : pool.imapUnordered(items, lookAhead: 3) { $0 }
            for n in 0..<20 {
                #expect(try results.next() == n)
                for _ in 0..<10 { try yield() }
                // Three beyond what was handed out, and the one that the producer holds.
                #expect(taken.count <= n + 1 + 3 + 1)
            }
        }
    }

    @Test func anItemThatFailsThrowsInItsPlace() async throws {
        try await onLoop { () throws -> Void in
            func results() -> FiberResults<Int> {
                FiberGroup().imap(0..<4) { n in
                    try yield()
                    if n == 1 { throw Failure(n) }
                    return n
                }
            }
            let first = results()
            #expect(try first.next() == 0)
            #expect(throws: Failure(1)) { try first.next() }
            #expect(try first.next() == 2)
            #expect(try first.next() == 3)
            #expect(try first.next() == nil)
            let second = results()
            #expect(second.map { $0 } == [0])
            #expect(second.failure as? Failure == Failure(1))
        }
    }

    @Test func aDroppedOneTakesNothingMore() async throws {
        try await onLoop { () throws -> Void in
            let taken = Tally()
            let tally = Tally()
            func start() throws {
                let witness = Witness(tally)
                let items = (0..<1_000).lazy.map { n in
                    taken.add()
                    return n
                }
                let results = FiberPool(size: 1).imap(items, lookAhead: 2) { n in
                    withExtendedLifetime(witness) { n }
                }
                #expect(try results.next() == 0)
            }
            try start()
            try EventLoop.current.joinFibers()
            #expect(taken.count < 10)
            #expect(tally.count == 1)
        }
    }

    @Test func severalConsumers() async throws {
        try await onLoop { () throws -> Void in
            let results = FiberPool(size: 4).imapUnordered(0..<100) { n in
                try yield()
                return n
            }
            let consumers = (0..<5).map { _ in
                spawn { () throws -> [Int] in
                    var values: [Int] = []
                    while let value = try results.next() { values.append(value) }
                    return values
                }
            }
            #expect(try consumers.flatMap { try $0.get() }.sorted() == Array(0..<100))
            let waiting = FiberGroup().imap(0..<1) { _ in try sleep(.seconds(100)) }
            let consumer = spawn { try waiting.next() }
            try yield()
            consumer.cancel()
            #expect(throws: CancellationError.self) { try consumer.get() }
        }
    }

    @Test func aKilledItem() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            let results = group.imap(0..<2) { n in
                try sleep(.seconds(100))
                return n
            }
            try yield()
            try yield()
            try group.kill()
            #expect(throws: GreenletExit.self) { try results.next() }
        }
    }
}
