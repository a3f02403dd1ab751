import CSwiftlet
import Swiftlet
import TestSupport
import Testing

/// What the tutorial's prose claims, where no other test shows it. C2: the examples E19 and E21. C4: `ringOfThree` and
/// `peersEndInAnotherOrderThanTheyBegan` of the greenlets. C5: `CompileTests`. C7: `roundRobinOfTwenty` of the greenlets and
/// of the generators. C10, C11: E18's matrix.
@Suite struct ClaimTests {
    @Test func c1AndC8OneThreadRunsThemAll() async throws {
        try await onOwnStack { (loop) throws -> Void in
            let threads = SharedJournal<Int>()
            @Sendable func work(_ turns: Int) throws {
                for _ in 0..<turns {
                    threads.note(Int(swiftlet_thread_id()))
                    try sleep(.milliseconds(1))
                }
                threads.note(Int(swiftlet_thread_id()))
            }
            let fibers = (0..<10).map { n in spawn { try work(n) } }
            let tasks = try (0..<10).map { n in
                try loop.createTask(
                    Coroutine {
                        try work(n)
                        try await sleep(.milliseconds(1))
                        await Task.yield()
                        threads.note(Int(swiftlet_thread_id()))
                    })
            }
            try joinAll(fibers, rethrowing: true)
            try loop.run(until: wait(for: tasks))
            #expect(threads.entries.count == 2 * 45 + 10 + 20)
            #expect(Set(threads.entries) == [Int(swiftlet_thread_id())])
        }
    }

    /// E1 against E2: what waits for nothing is no faster for being switched.
    @Test func c6SwitchingWithoutWaitingMakesNothingFaster() async throws {
        try await onFreshThread { () throws -> Void in
            let count = 50_000
            func work(_ body: () throws -> Int) throws -> UInt64 {
                var best = UInt64.max
                for _ in 0..<5 {
                    let before = threadCPUTime()
                    #expect(try body() == 2 * count)
                    best = min(best, threadCPUTime() - before)
                }
                return best
            }
            let plain = try work {
                var sum = 0
                for _ in 0..<count { sum &+= 1 }
                for _ in 0..<count { sum &+= 1 }
                return sum
            }
            let switched = try work {
                var sum = 0
                let other = Generator<Int> { yield in for number in 0..<count { try yield(number) } }
                while try other.next() != nil { sum &+= 2 }
                return sum
            }
            #expect(switched > plain)
        }
    }

    /// What is kept at a switch is all of what a function has: its place, and its variables.
    @Test func c1TheStateIsKeptAtASwitch() async throws {
        try await onOwnStack { (_) throws -> Void in
            func count(from start: Int) -> Fiber<[Int]> {
                spawn {
                    var (seen, next) = ([Int](), start)
                    while seen.count < 3 {
                        seen.append(next)
                        next += 1
                        try yield()
                    }
                    return seen
                }
            }
            let (one, ten) = (count(from: 1), count(from: 10))
            #expect(try one.get() == [1, 2, 3])
            #expect(try ten.get() == [10, 11, 12])
        }
    }

    @Test func c9ATaskIsAFuture() async throws {
        try await onLoop { (loop) async throws -> Void in
            let task = try loop.createTask(Coroutine { 1 })
            let future: Future<Int> = task
            #expect(isFuture(task) && !isCoroutine(task) && isCoroutine(task.coroutine) && isAwaitable(task))
            #expect(try await future.value == 1)
            #expect(try future.result() == 1)
        }
    }
}
