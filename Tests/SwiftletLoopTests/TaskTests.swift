import CSwiftlet
import Swiftlet
import SwiftletTesting
import Synchronization
import TestSupport
import Testing

private enum Context {
    @TaskLocal static var number = -1
    @TaskLocal static var text = ""
}

/// Synchronous parks inside Swift tasks.
@Suite struct TaskTests {
    @Test func aParkKeepsWhatBelongsToTheTask() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let tasks = (0..<50).map { n in
                Task(name: "task-\(n)", executorPreference: loop.taskExecutor) { () async throws -> Void in
                    try await Context.$number.withValue(n) {
                        for round in 0..<3 {
                            try nap()
                            #expect(Context.number == n && Task.name == "task-\(n)")
                            try Context.$text.withValue("\(n)-\(round)") {
                                try yield()
                                #expect(Context.text == "\(n)-\(round)" && Context.number == n)
                            }
                            #expect(Context.text.isEmpty)
                            await Task.yield()
                            #expect(Context.number == n && loop.isCurrent)
                        }
                    }
                }
            }
            for task in tasks { try await task.value }
        }
    }

    @Test func twentyBlockingWaitsTakeTheTimeOfOne() async throws {
        // On a clock that only waiting moves, so to the nanosecond.
        let time = try await simulate { () async throws -> Duration in
            try await withThrowingTaskGroup { group in
                for _ in 0..<20 { group.addTask { try sleepSynchronously(100) } }
                try await group.waitForAll()
            }
            #expect(try EventLoop.current.statistics.parks >= 20)
            return simulatedTime
        }
        #expect(time == .milliseconds(100))
        // On the machine's clock: none ends before all of them wait.
        try await onTaskLoop { (loop) async throws -> Void in
            let (waiting, gate) = (Tally(), Waiter<Bool>())
            let time = try await ContinuousClock().measure {
                try await withThrowingTaskGroup { group in
                    for _ in 0..<20 {
                        group.addTask {
                            if waiting.add() == 20 { gate.resume(returning: true) }
                            #expect(try waitSynchronously(gate) == true)
                            try sleepSynchronously(100)
                        }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(time >= .milliseconds(100))
            #expect(loop.statistics.parks >= 20)
        }
    }

    @Test func errorsAndValuesCrossAPark() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            @Sendable func deep(_ depth: Int, _ n: Int) throws -> Int {
                if depth > 0 { return try deep(depth - 1, n) }
                try nap()
                if n % 3 == 0 { throw Failure(n) }
                return n
            }
            for n in 0..<12 {
                let task = Task(executorPreference: loop.taskExecutor) { try deep(n, n) }
                if n % 3 == 0 {
                    await #expect(throws: Failure(n)) { try await task.value }
                } else {
                    #expect(try await task.value == n)
                }
            }
        }
    }

    @Test func anInoutAccessMayCrossAPark() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            final class Counter { var x = 0 }
            @Sendable func bump(_ value: inout Int) throws {
                value += 1
                try nap()
                value += 1
            }
            let tasks = (0..<10).map { _ in
                Task(executorPreference: loop.taskExecutor) { () async throws -> Int in
                    let counter = Counter()
                    for _ in 0..<3 { try bump(&counter.x) }
                    return counter.x
                }
            }
            for task in tasks { #expect(try await task.value == 6) }
        }
    }

    @Test func cancelledBeforeTheWait() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let task = Task(executorPreference: loop.taskExecutor) { () async throws -> Void in
                withUnsafeCurrentTask { $0!.cancel() }
                try sleepSynchronously(100_000)
            }
            await #expect(throws: CancellationError.self) { try await task.value }
            try nap()
        }
    }

    @Test func cancelledDuringTheWait() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let tally = Tally()
            let caught = Tally()
            let tasks = (0..<20).map { _ in
                Task(executorPreference: loop.taskExecutor) { () async throws -> Void in
                    let witness = Witness(tally)
                    try withExtendedLifetime(witness) {
                        do { try sleepSynchronously(100_000) } catch is CancellationError { caught.add() }
                        // Level-triggered: the next one throws at once, a shielded one does not.
                        try shielded { try nap() }
                        try nap()
                    }
                }
            }
            try nap(2)
            for task in tasks[..<10] { task.cancel() }
            try await toThread { for task in tasks[10...] { task.cancel() } }
            for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
            #expect(tally.count == 20 && caught.count == 20)
        }
    }

    @Test func deadlinesInATask() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let task = Task(executorPreference: loop.taskExecutor) { () async throws -> Void in
                try withTimeoutSynchronously(50) { try sleepSynchronously(100_000) }
            }
            await #expect(throws: DeadlineExceeded.self) { try await task.value }
        }
    }

    @Test func childTasksParkToo() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let sum = try await Context.$number.withValue(7) {
                async let first = parkAndAnswer(1)
                async let second = parkAndAnswer(2)
                let third = try await withThrowingTaskGroup(of: Int.self) { group in
                    for n in 0..<5 { group.addTask { try await parkAndAnswer(n) } }
                    var sum = 0
                    for try await n in group { sum += n }
                    return sum
                }
                return try await first + second + third
            }
            #expect(sum == 13 + 7 * 7)
        }
    }

    @Test func aForeignThreadResumesAContinuation() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            try nap()
            for n in 0..<100 {
                let value = await withCheckedContinuation { continuation in
                    // Runs when this task has been suspended.
                    loop.perform { startThread { continuation.resume(returning: n) } }
                }
                #expect(value == n && loop.isCurrent)
            }
            #expect(loop.statistics.foreignWakes >= 100)
        }
    }

    @Test func sleepingInATask() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let clock = ContinuousClock()
            #expect(try await clock.measure { try await Task.sleep(for: .milliseconds(10)) } >= .milliseconds(10))
            #expect(try await clock.measure { try await sleep(.milliseconds(10)) } >= .milliseconds(10))
            #expect(loop.isCurrent)
            let task = Task(executorPreference: loop.taskExecutor) { try await sleep(.seconds(100)) }
            try await sleep(.milliseconds(2))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            await #expect(throws: DeadlineExceeded.self) {
                try await withTimeout(.milliseconds(5)) { try await sleep(.seconds(100)) }
            }
            #expect(try await withTimeout(.seconds(100)) { () async throws -> Int in 4 } == 4)
        }
    }

    @Test func cancellingASleepFromAnotherThread() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            for _ in 0..<50 {
                let task = Task(executorPreference: loop.taskExecutor) { try await sleep(.seconds(100)) }
                startThread { task.cancel() }
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            try nap()
        }
    }

    @Test func aTaskMayJoinAFiber() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let fiber = loop.spawn { () throws -> Int in
                try nap(2)
                return 11
            }
            #expect(try await fiber.get() == 11)
            #expect(try await toThread { 12 } == 12)
        }
    }

    @Test func tasksOnNoLoopMayWaitForLoops() async throws {
        // More waits than Swift's pool has threads, and each needs one of the pool's to go on.
        let group = try EventLoopGroup(count: 1)
        defer { group.stop() }
        try await withThrowingTaskGroup { tasks in
            for _ in 0..<16 {
                tasks.addTask { () async throws -> Void in
                    let fiber = group.spawn { try blockOn { () async throws -> Int in await onPool(5) } }
                    #expect(try await fiber.get() == 5)
                }
            }
            try await tasks.waitForAll()
        }
    }
}

@concurrent
private func onPool(_ n: Int) async -> Int { await Task.detached { n }.value }

@concurrent
private func parkAndAnswer(_ n: Int) async throws -> Int {
    try sleepSynchronously(2)
    return n + Context.number
}

// In async code an overload that suspends would be chosen; these park.
func sleepSynchronously(_ milliseconds: Int) throws { try sleep(.milliseconds(milliseconds)) }

func withTimeoutSynchronously(_ milliseconds: Int, _ body: () throws -> Void) throws {
    try withTimeout(.milliseconds(milliseconds), body)
}
