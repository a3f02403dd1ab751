import Glibc
import Swiftlet
import TestSupport
import Testing

/// One primitive for fibers of several loops, tasks on and off them, and plain threads.
@Suite struct SharedPrimitiveTests {
    /// Runs a body in fibers of two loops, in tasks there, in tasks of Swift's pool, and on plain threads: synchronous code,
    /// but for the last, which is async.
    private func everywhere(
        _ body: @escaping @Sendable (_ who: Int) throws -> Void,
        _ async: @escaping @Sendable (_ who: Int) async throws -> Void
    ) async throws {
        let ends = Channel<(any Error)?>(capacity: .max)
        try await onFreshThread { () throws -> Void in
            try EventLoopGroup.with(count: 2) { (group) throws -> Void in
                var count = 0
                for (n, loop) in group.loops.enumerated() {
                    for who in 0..<2 {
                        count += 2
                        loop.spawn { try ends.sendNoWait(Result { try body(n * 10 + who) }.failure) }
                        Task(executorPreference: loop.taskExecutor) {
                            var failure: (any Error)?
                            do { try await async(n * 10 + 2 + who) } catch { failure = error }
                            try ends.sendNoWait(failure)
                        }
                    }
                }
                for who in 100..<102 {
                    count += 2
                    Task.detached {
                        var failure: (any Error)?
                        do { try await async(who) } catch { failure = error }
                        try ends.sendNoWait(failure)
                    }
                    startThread { ends.note(Result { try body(who + 100) }.failure) }
                }
                for _ in 0..<count {
                    if let failure = try ends.receive(timeout: .seconds(60))! { throw failure }
                }
            }
        }
    }

    @Test func aLockIsOneLock() async throws {
        let lock = Lock()
        let rlock = RLock()
        nonisolated(unsafe) var counter = 0
        let rounds = 300
        try await everywhere { _ in
            for n in 0..<rounds {
                try lock.withLock {
                    let before = counter
                    if n % 10 == 0 { try yield() }
                    counter = before + 1
                }
                try rlock.withLock { try rlock.withLock {} }
            }
        } _: { _ in
            for n in 0..<rounds {
                try await lock.withLock {
                    let before = counter
                    // It goes on holding the lock wherever it is resumed.
                    if n % 10 == 0 { await Task.yield() }
                    counter = before + 1
                }
            }
        }
        #expect(counter == 12 * rounds)
        #expect(lock.statistics.acquisitions == 12 * rounds && !lock.isHeld && lock.statistics.waiting == 0)
    }

    @Test func permitsAreNeitherLostNorMade() async throws {
        let semaphore = Semaphore(2)
        let inside = Tally()
        @Sendable func enter() {
            #expect(inside.add() <= 2)
            inside.add(-1)
        }
        try await everywhere { who in
            for n in 0..<300 {
                do {
                    try semaphore.withPermit(timeout: n % 3 == 0 ? .microseconds(50) : nil) {
                        if n % 20 == 0 { try yield() }
                        enter()
                    }
                } catch is DeadlineExceeded {}
            }
        } _: { _ in
            for n in 0..<300 {
                do {
                    try await semaphore.withPermit(timeout: n % 3 == 0 ? .microseconds(50) : nil) { enter() }
                } catch is DeadlineExceeded {}
            }
        }
        #expect(semaphore.availablePermits == 2 && semaphore.statistics.waiting == 0)
    }

    @Test func itemsCrossThreadsExactlyOnce() async throws {
        for capacity in [0, 3] {
            let channel = Channel<Int>(capacity: capacity)
            let received = SharedJournal<Int>()
            // Even ones send, odd ones receive, some with deadlines that pass.
            try await everywhere { who in
                for n in 0..<100 {
                    if who % 2 == 0 {
                        try channel.send(who * 1_000 + n)
                    } else {
                        try Self.receiveOne(channel, received, n)
                    }
                }
            } _: { who in
                for n in 0..<100 {
                    if who % 2 == 0 {
                        try await channel.send(who * 1_000 + n)
                        continue
                    }
                    while true {
                        do {
                            received.note(try await channel.receive(timeout: n % 2 == 0 ? .microseconds(50) : nil)!)
                            break
                        } catch is DeadlineExceeded {}
                    }
                }
            }
            let items = received.entries
            #expect(items.count == 600 && Set(items).count == 600)
            #expect(channel.statistics.waitingToGet + channel.statistics.waitingToPut + channel.count == 0)
        }
    }

    private static func receiveOne(_ channel: Channel<Int>, _ received: SharedJournal<Int>, _ n: Int) throws {
        while true {
            do {
                received.note(try channel.receive(timeout: n % 2 == 0 ? .microseconds(50) : nil)!)
                return
            } catch is DeadlineExceeded {}
        }
    }

    @Test func eventsConditionsAndBarriersReachEverybody() async throws {
        let event = Event()
        let barrier = Barrier(parties: 12)
        let condition = Condition()
        nonisolated(unsafe) var arrived = 0
        try await everywhere { who in
            for _ in 0..<20 { try barrier.wait(timeout: .seconds(60)) }
            try condition.withLock {
                arrived += 1
                if arrived == 12 { try condition.notifyAll() }
                let isSo = try condition.wait(timeout: .seconds(60)) { arrived == 12 }
                #expect(isSo)
            }
            if who == 0 { event.set() }
            #expect(try event.wait(timeout: .seconds(60)))
        } _: { _ in
            for _ in 0..<20 { try await barrier.wait(timeout: .seconds(60)) }
            try await condition.withLock {
                arrived += 1
                if arrived == 12 { try condition.notifyAll() }
                let isSo = try await condition.wait(timeout: .seconds(60)) { arrived == 12 }
                #expect(isSo)
            }
            #expect(try await event.wait(timeout: .seconds(60)))
        }
        #expect(barrier.statistics.acquisitions == 240)
    }

    @Test func selectsOfSeveralThreadsTakeEachItemOnce() async throws {
        let (a, b) = (Channel<Int>(), Channel<Int>())
        let received = SharedJournal<Int>()
        try await everywhere { who in
            for n in 0..<100 {
                let item = who * 1_000 + n
                if who % 2 == 0 {
                    try select(.send(item, to: a) {}, .send(item, to: b) {})
                } else {
                    try select(.receive(from: a) { received.note($0!) }, .receive(from: b) { received.note($0!) })
                }
            }
        } _: { who in
            for n in 0..<100 {
                let item = who * 1_000 + n
                if who % 2 == 0 {
                    try await select(.send(item, to: a) {}, .send(item, to: b) {})
                } else {
                    try await select(.receive(from: b) { received.note($0!) }, .receive(from: a) { received.note($0!) })
                }
            }
        }
        #expect(received.entries.count == 600 && Set(received.entries).count == 600)
    }

    @Test func aTaskOfSwiftsPoolKeepsItsThreadFree() async throws {
        let channel = Channel<Int>()
        // More than the pool has threads: were they blocked, nobody could send.
        let tasks = (0..<64).map { _ in Task.detached { try await channel.receive()! } }
        for n in 0..<64 { try await channel.send(n) }
        var sum = 0
        for task in tasks { sum += try await task.value }
        #expect(sum == 64 * 63 / 2)
        let lock = Lock()
        try await lock.acquire()
        let late = Task.detached { try await lock.acquire() }
        late.cancel()
        await #expect(throws: CancellationError.self) { try await late.value }
        try lock.release()
    }

    @Test func anActorIsNotLockedWhileItWaits() async throws {
        actor Waiting {
            let event = Event()
            func waitHere() async throws { try await event.wait() }
            func set() { event.set() }
        }
        try await onTaskLoop { (loop) async throws -> Void in
            let waiting = Waiting()
            let task = Task(executorPreference: loop.taskExecutor) { try await waiting.waitHere() }
            while waiting.event.statistics.waiting == 0 { await Task.yield() }
            await waiting.set()
            try await task.value
        }
    }

    /// Nor by the waits that are no primitive's.
    @Test func anActorIsNotLockedWhileItWaitsForAResultOrAFiber() async throws {
        actor Waiting {
            let result = Waiter<Int>()
            func waitForResult() async throws -> Int? { try await result.wait(until: .after(.seconds(60))) }
            func join(_ fiber: Fiber<Int>) async throws -> Int { try await fiber.get(timeout: .seconds(60)) }
            func provide(_ value: Int) { result.resume(returning: value) }
        }
        try await onTaskLoop { (loop) async throws -> Void in
            let waiting = Waiting()
            let value = Task(executorPreference: loop.taskExecutor) { try await waiting.waitForResult() }
            let fiber = loop.spawn { () throws -> Int in try waiting.result.wait()! + 1 }
            let sum = Task(executorPreference: loop.taskExecutor) { try await waiting.join(fiber) }
            try await sleep(.milliseconds(1))
            await waiting.provide(1)
            #expect(try await value.value == 1)
            #expect(try await sum.value == 2)
        }
    }

    @MainActor
    @Test func theMainActorGoesOnWhileOneOfItsTasksWaits() async throws {
        let result = Waiter<Int>()
        let task = Task { @MainActor in try await result.wait(until: .after(.seconds(60))) }
        await Task.yield()
        result.resume(returning: 3)
        #expect(try await task.value == 3)
    }

    @Test func plainThreadsBlockAndHeedDeadlines() async throws {
        try await onFreshThread { () throws -> Void in
            let semaphore = Semaphore(0)
            #expect(throws: DeadlineExceeded.self) { try semaphore.acquire(timeout: .milliseconds(2)) }
            startThread { semaphore.release() }
            try semaphore.acquire(timeout: .seconds(60))
            let queue = Queue<Int>()
            startThread { for n in 0..<3 { try! queue.put(n) } }
            #expect(try (0..<3).map { _ in try queue.get(timeout: .seconds(60)) } == [0, 1, 2])
            #expect(EventLoop.currentIfAny == nil)
        }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { return error }
        return nil
    }
}

extension Channel where Element == (any Error)? {
    /// From a thread that cannot throw.
    fileprivate func note(_ failure: (any Error)?) { #expect(throws: Never.self) { try sendNoWait(failure) } }
}
