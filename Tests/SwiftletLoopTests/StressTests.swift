import CSwiftlet
import Swiftlet
import TestSupport
import Testing

private enum Context {
    @TaskLocal static var number = -1
    @TaskLocal static var text = ""
}

/// Everything at once, on several loops.
@Suite struct StressTests {
    actor Sum {
        var n = 0
        func add() throws {
            let before = n
            try yield()
            n = before + 1
        }
    }

    @Test func hundredsOfTasksOnFourLoops() async throws {
        try await onFreshThread { () throws -> Void in
            let (tasks, bad, done) = (200, Tally(), Tally())
            try EventLoopGroup.with(count: 4) { (group) throws -> Void in
                let finished = group.loops.map { loop in
                    let waiter = Waiter<Int>()
                    Task(executorPreference: loop.taskExecutor) {
                        let sum = Sum()
                        await withTaskGroup { children in
                            for n in 0..<tasks {
                                children.addTask(name: "t\(n)") {
                                    do { try await body(n, loop, sum, bad) } catch { bad.add() }
                                    done.add()
                                }
                            }
                        }
                        waiter.resume(returning: await sum.n)
                    }
                    return waiter
                }
                for waiter in finished { #expect(try waiter.wait() == tasks) }
                for loop in group.loops { #expect(loop.statistics.parks > UInt64(10 * tasks)) }
            }
            #expect(bad.count == 0)
            #expect(done.count == 4 * tasks)
        }
    }

    @Test func fibersTasksAndThreadsTogether() async throws {
        try await onLoop { () throws -> Void in
            let loop = try EventLoop.current
            let total = Tally()
            let fibers = (0..<100).map { n in
                spawn {
                    for round in 0..<5 {
                        switch (n + round) % 4 {
                        case 0: try nap()
                        case 1: total.add(try toThread { 1 } - 1)
                        case 2:
                            total.add(
                                try blockOn { () async throws -> Int in
                                    await Task.yield()
                                    return 0
                                })
                        default: try yield()
                        }
                        total.add()
                    }
                }
            }
            try joinAll(fibers, rethrowing: true)
            #expect(total.count == 500)
            #expect(loop.liveFibers().map(\.name) == ["main"])
        }
    }

    @Test func randomCancellation() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            var generator = SystemRandomNumberGenerator()
            var fibers: [Fiber<Void>] = []
            for _ in 0..<500 {
                fibers.append(
                    spawn {
                        let witness = Witness(tally)
                        try withExtendedLifetime(witness) {
                            try withTimeout(.milliseconds(20)) {
                                while true {
                                    try nap()
                                    _ = try toThread { 1 }
                                    _ = try Waiter<Int>().wait(until: .after(.milliseconds(1)))
                                }
                            }
                        }
                    })
                if generator.next() % 3 == 0 { fibers.randomElement(using: &generator)!.cancel() }
                if generator.next() % 8 == 0 { try nap() }
            }
            try joinAll(fibers)
            #expect(fibers.allSatisfy { $0.error is CancellationError || $0.error is DeadlineExceeded })
            #expect(tally.count == fibers.filter(\.isStarted).count)
        }
    }
}

private func body(_ n: Int, _ loop: EventLoop, _ sum: StressTests.Sum, _ bad: Tally) async throws {
    func check(_ condition: Bool, _ line: UInt = #line) {
        if condition { return }
        bad.add()
        Issue.record("line \(line)")
    }
    func deep(_ depth: Int) throws -> Int {
        if depth > 0 { return try deep(depth - 1) }
        try yield()
        if n % 3 == 0 { throw Failure(n) }
        return n
    }
    try await Context.$number.withValue(n) {
        check(Context.number == n && Task.name == "t\(n)")
        for round in 0..<5 {
            try yield()
            check(Context.number == n && Task.name == "t\(n)")
            try Context.$text.withValue("\(n)-\(round)") {
                try yield()
                check(Context.text == "\(n)-\(round)" && Context.number == n)
            }
        }
        do { check(try deep(n % 17) == n && n % 3 != 0) } catch let failure as Failure { check(failure.number == n) }
        await Task.yield()
        try await sum.add()
        check(Context.number == n && loop.isCurrent)
        let children = try await withThrowingTaskGroup(of: Int.self) { group in
            for k in 0..<3 {
                group.addTask {
                    try yield()
                    check(Context.number == n)
                    return k
                }
            }
            return try await group.reduce(0, +)
        }
        check(children == 3)
        if n % 10 == 0 {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                startThread { continuation.resume() }
            }
        }
        check(Context.number == n && loop.isCurrent)
    }
    // Each task of its own: cancelling this one must be seen by this one only.
    let task = Task(executorPreference: loop.taskExecutor) {
        withUnsafeCurrentTask { $0!.cancel() }
        do { try yield() } catch { return Task.isCancelled }
        return false
    }
    check(await task.value)
    check(!Task.isCancelled)
}
