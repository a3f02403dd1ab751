import Swiftlet
import TestSupport
import Testing

/// Queue, PriorityQueue, LifoQueue: order, joining, shutting down.
@Suite struct QueueTests {
    @Test func threeOrders() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            func drained(_ queue: Queue<Int>) throws -> [Int] {
                for n in [3, 1, 2] { try queue.put(n) }
                #expect(try queue.peekNoWait() == queue.peek() && queue.count == 3)
                queue.shutdown()
                return Array(queue)
            }
            #expect(try drained(Queue()) == [3, 1, 2])
            #expect(try drained(LifoQueue()) == [2, 1, 3])
            #expect(try drained(PriorityQueue()) == [1, 2, 3])
            #expect(try drained(PriorityQueue(by: >)) == [3, 2, 1])
            let stable = PriorityQueue<(Int, String)>(by: { $0.0 < $1.0 })
            for one in [(1, "a"), (0, "b"), (1, "c"), (0, "d")] { try stable.put(one) }
            stable.shutdown()
            #expect(stable.map(\.1) == ["b", "d", "a", "c"])
        }
    }

    @Test func fullAndEmptyQueuesWaitOrSaySo() async throws {
        try await onLoop { () throws -> Void in
            let queue = Queue<Int>(capacity: 2)
            #expect(throws: QueueEmpty.self) { try queue.getNoWait() }
            #expect(throws: QueueEmpty.self) { try queue.get(timeout: .milliseconds(1)) }
            #expect(throws: QueueEmpty.self) { try queue.peek(timeout: .milliseconds(1)) }
            let putter = spawn { for n in 0..<5 { try queue.put(n) } }
            try yield()
            #expect(queue.isFull && queue.statistics.waitingToPut == 1 && queue.capacity == 2)
            #expect(throws: QueueFull.self) { try queue.putNoWait(9) }
            #expect(throws: QueueFull.self) { try queue.put(9, timeout: .milliseconds(1)) }
            #expect(try (0..<5).map { _ in try queue.get() } == [0, 1, 2, 3, 4])
            try putter.get()
            #expect(queue.statistics.puts == 5 && queue.statistics.gets == 5 && queue.isEmpty)
        }
    }

    /// Case 23 of gevent's own tests.
    @Test func anItemIsKeptForTheNextGetterWhenTheOthersHaveGone() async throws {
        try await onLoop { () throws -> Void in
            let queue = Queue<Int>()
            for dead in 1...2 {
                let getters = (0..<dead).map { _ in spawn { try queue.get(timeout: .milliseconds(1)) } }
                for getter in getters { #expect(throws: QueueEmpty.self) { try getter.get() } }
                let cancelled = spawn { try queue.get() }
                try yield()
                cancelled.cancel()
                try queue.put(dead)  // in the same turn
                #expect(try queue.get(timeout: .seconds(20)) == dead)
                #expect(throws: CancellationError.self) { try cancelled.get() }
            }
        }
    }

    /// gevent's SimpleQueue, and its `copy`.
    @Test func aCopyHasTheSameItemsAndGoesItsOwnWay() async throws {
        try await onLoop { () throws -> Void in
            let queue = SimpleQueue<Int>(capacity: 3)
            for n in 1...3 { try queue.put(n) }
            let putter = spawn { try queue.put(4) }
            try yield()
            let copy = queue.copy()
            #expect(copy.count == 3 && copy.isFull && copy.capacity == 3 && copy.statistics.waitingToPut == 0)
            #expect(try copy.getNoWait() == 1)
            try copy.putNoWait(9)
            #expect(queue.count == 3)
            #expect(try (0..<4).map { _ in try queue.get() } == [1, 2, 3, 4])
            try putter.get()
            queue.shutdown()
            #expect(!copy.isShutDown)
            #expect(try (0..<3).map { _ in try copy.get() } == [2, 3, 9])
            #expect(try copy.join(timeout: .milliseconds(1)) == false)
            for _ in 0..<4 { try copy.taskDone() }
            #expect(try copy.join())
            #expect(throws: QueueError.taskDoneTooOften) { try copy.taskDone() }
            // The order goes along.
            let byRank = PriorityQueue<Int>()
            let last = LifoQueue<Int>()
            for n in [2, 3, 1] {
                try byRank.put(n)
                try last.put(n)
            }
            let (ranked, reversed) = (byRank.copy(), last.copy())
            try ranked.put(0)
            try reversed.put(0)
            #expect(try (0..<4).map { _ in try ranked.get() } == [0, 1, 2, 3])
            #expect(try (0..<4).map { _ in try reversed.get() } == [0, 1, 3, 2])
            #expect(byRank.count == 3 && last.count == 3 && ranked.capacity == nil)
        }
    }

    @Test func peekersPassItOn() async throws {
        try await onLoop { () throws -> Void in
            let queue = Queue<Int>()
            let peekers = (0..<5).map { _ in spawn { try queue.peek() } }
            try yield()
            try queue.put(4)
            #expect(try peekers.map { try $0.get() } == [4, 4, 4, 4, 4])
            #expect(try queue.get() == 4)
            let getter = spawn { try queue.get() }
            let peeker = spawn { try queue.peek() }
            try yield()
            try queue.put(5)
            #expect(try getter.get() == 5)
            try queue.put(6)
            #expect(try peeker.get() == 6)
        }
    }

    @Test func joinWaitsUntilAllIsDone() async throws {
        try await onLoop { () throws -> Void in
            let queue = JoinableQueue<Int>()
            #expect(try queue.join())
            #expect(throws: QueueError.taskDoneTooOften) { try queue.taskDone() }
            for n in 0..<10 { try queue.put(n) }
            #expect(try queue.join(timeout: .milliseconds(1)) == false)
            let sum = Box(0)
            let workers = (0..<3).map { _ in
                spawn {
                    for n in queue {
                        try yield()
                        sum.value += n
                        try queue.taskDone()
                    }
                }
            }
            #expect(try queue.join())
            #expect(sum.value == 45 && queue.statistics.unfinished == 0)
            queue.shutdown()
            try joinAll(workers, rethrowing: true)
        }
    }

    @Test func shutdownLetsDrainUnlessImmediate() async throws {
        try await onLoop { () throws -> Void in
            let queue = Queue<Int>(capacity: 1)
            try queue.put(1)
            let putter = spawn { try queue.put(2) }
            try yield()
            queue.shutdown()
            queue.shutdown()
            #expect(throws: QueueShutDown.self) { try putter.get() }
            #expect(throws: QueueShutDown.self) { try queue.put(3) }
            #expect(try queue.get() == 1)
            #expect(throws: QueueShutDown.self) { try queue.get() }
            #expect(throws: QueueShutDown.self) { try queue.getNoWait() }

            let tally = Tally()
            let dropped = Queue<Witness>()
            try dropped.put(Witness(tally))
            try dropped.put(Witness(tally))
            let joiner = spawn { try dropped.join() }
            let getter = spawn { () throws -> Void in for _ in 0..<3 { _ = try Queue<Int>().get(timeout: .seconds(20)) }
            }
            try yield()
            dropped.shutdown(immediate: true)
            #expect(tally.count == 2)
            #expect(try joiner.get())
            getter.cancel()
        }
    }
}
