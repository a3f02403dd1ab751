import CSwiftlet
import Glibc
import Swiftlet
import SwiftletCoroutines
import TestSupport
import Testing

/// A process in which the runtime's words were not found: tasks may not park, and everything else works.
@Suite struct RefusalTests {
    @Test func tasksAreRefusedAndTheRestWorks() async throws {
        await #expect(processExitsWith: .success, "its standard error says why") {
            swiftlet_probe_set_fault("a test asked for it")
            try await onFreshThread { () throws -> Void in
                require(ThreadState.refusal == "a test asked for it", "refusal")
                try EventLoop.run(takesOver: false) { () throws -> Void in try inFibers() }
                try EventLoop.run(takesOver: false) { () async throws -> Void in try await inTasks() }
            }
        }
    }
}

private func require(_ condition: Bool, _ what: String) {
    guard !condition else { return }
    var line = "failed: \(what)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(3)
}

private func inFibers() throws {
    let fibers = (0..<5).map { n in
        spawn { () throws -> Int in
            try nap()
            return n
        }
    }
    require(try joinAll(fibers).compactMap { $0.value } == Array(0..<5), "fibers")
    require(Array(Generator<Int> { yield in for n in 0..<3 { try yield(n) } }) == [0, 1, 2], "generator")
    require(try Greenlet<Int> { $0 + 1 }.switch(1) == 2, "greenlet")
    require(try toThread { 4 } == 4, "thread")
    let answer = try blockOn { () async throws -> Int in
        await Task.yield()
        return await Task.detached { 5 }.value
    }
    require(answer == 5, "blockOn")
}

private func inTasks() async throws {
    do {
        try sleepSynchronously(1)
        require(false, "a task parked")
    } catch let error as TaskParkingRefused {
        let words = "a task cannot wait in synchronous code in this process: a test asked for it. Use a fiber (spawn)"
        require(error.description.hasPrefix(words), error.description)
    }
    try await sleep(.milliseconds(1))
    require(try await toThread { 6 } == 6, "thread, from a task")
    let loop = try EventLoop.current
    let fiber = loop.spawn { () throws -> Int in
        try nap()
        return 7
    }
    require(try await fiber.get() == 7, "fiber, from a task")
    let waiter = Waiter<Int>()
    loop.perform { waiter.resume(returning: 8) }
    require(try await waiter.wait() == 8, "waiter, from a task")
    let endless = loop.spawn { try sleep(.seconds(100)) }
    let task = Task(executorPreference: loop.taskExecutor) { try await endless.join() }
    loop.perform { task.cancel() }
    do {
        _ = try await task.value
        require(false, "not cancelled")
    } catch is CancellationError {}
    endless.cancel()
}
