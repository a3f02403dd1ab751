// A program whose main loop is the process's default and main executor; it fails if anything runs elsewhere. With an
// argument it deadlocks instead, and fails unless it is told so.
import CSwiftlet
import Glibc
import Swiftlet

@Sendable func fail(_ what: String) -> Never {
    var line = what + "\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(3)
}

// In async code the overload that suspends would be chosen; this parks.
@Sendable func parkFor(_ milliseconds: Int) throws { try sleep(.milliseconds(milliseconds)) }

alarm(20)  // a hang is a failure too
@Sendable func check(_ what: String) {
    if swiftlet_thread_id() != swiftlet_process_id() { fail("\(what) left the loop") }
}

/// Runs what waits for ever.
func expectDeadlock(of name: String, _ body: () throws -> Void) {
    do {
        try body()
        fail("it ended")
    } catch let error as DeadlockError {
        if !error.description.contains(name) { fail("\(error)") }
    } catch {
        fail("\(error)")
    }
    exit(0)
}

switch CommandLine.arguments.dropFirst().first {
case "deadlock-of-fibers":
    expectDeadlock(of: "forgotten (spawned at TakeoverProgram/main.swift:") {
        try EventLoop.run { () throws -> Void in
            try EventLoop.current.configuration.deadlockReportDelay = .milliseconds(50)
            if try toThread({ 1 }) != 1 { fail("toThread") }  // its thread idles meanwhile
            _ = try spawn(name: "forgotten") { try Waiter<Void>().wait() }.get()
        }
    }
case "deadlock-of-tasks":
    expectDeadlock(of: "the thread's own stack waits for a Swift task") {
        try EventLoop.run { () async throws -> Void in
            try EventLoop.current.configuration.deadlockReportDelay = .milliseconds(50)
            await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
        }
    }
default: break
}

try EventLoop.run { () async throws -> Void in
    if EventLoop.executorMechanism != .defaultExecutor { fail("\(EventLoop.executorMechanism)") }
    let loop = try EventLoop.current
    let parks = loop.statistics.parks
    check("main")
    await Task { check("Task") }.value
    await Task.detached { check("detached") }.value
    await MainActor.run { check("main actor") }
    try await Task.sleep(for: .milliseconds(5))
    check("Task.sleep")
    try await ContinuousClock().sleep(for: .milliseconds(5))
    try await SuspendingClock().sleep(for: .milliseconds(5))
    check("clocks")
    await Task.yield()
    check("yield")
    await withTaskGroup { group in
        for _ in 0..<5 { group.addTask { check("child") } }
    }
    await Task { @MainActor in
        do { try parkFor(5) } catch { fail("\(error)") }
        check("park on the main actor")
        MainActor.assertIsolated()
    }.value

    let time = try await ContinuousClock().measure {
        let tasks = (0..<20).map { _ in Task { try parkFor(100) } }
        for task in tasks { try await task.value }
    }
    if time < .milliseconds(100) || time > .milliseconds(500) { fail("20 parks of 100 ms took \(time)") }
    if loop.statistics.parks < parks + 21 { fail("nothing parked") }

    let fiber = spawn { try blockOn { () async throws -> Int in await Task { 3 }.value } }
    if try await fiber.get() != 3 { fail("fiber") }
}

// The loop stays; run again, with synchronous code too.
// And nothing of one run is there in the next.
let journal = Locked<[String]>([])
@Sendable func note(_ what: String) { journal.withLock { $0.append(what) } }

@Sendable func leaveThings(_ loop: EventLoop) throws {
    func again() throws {
        try loop.callSoon {
            note("callSoon")
            try again()
        }
    }
    try again()
    try loop.callSoonThreadSafe(collapsing: "key") {}
    try loop.callLater(.milliseconds(1)) { note("callLater") }
    try loop.createTask(
        Coroutine("left") { () async throws -> Void in
            do { try await sleep(.milliseconds(1)) } catch { note("cancelled") }
        })
    spawn(name: "left") {
        try sleep(.milliseconds(1))
        note("fiber")
    }
    // More than a sweep of the timers begins with: it comes while they are called off.
    for _ in 0..<300 { try loop.callLater(.seconds(60)) { note("far callLater") } }
    // What ends may begin something.
    spawn(name: "testator") {
        do {
            try sleep(.seconds(60))
        } catch {
            try loop.callLater(.milliseconds(1)) { note("an heir's callLater") }
            spawn(name: "heir") {
                try sleep(.milliseconds(1))
                note("an heir's fiber")
            }
        }
    }
    _ = try loop.addSignalHandler(SIGUSR1) { note("signal") }
    loop.exceptionHandler = { _ in note("handler") }
    loop.configuration.slowTurnLimit = nil
}

@Sendable func findNothing(_ loop: EventLoop) throws {
    journal.withLock { $0 = $0.filter { $0 != "callSoon" } }  // those of the end of its own run
    let tasks = loop.allTasks.map { "\($0)" }.filter { !$0.contains("coro=<main()") }
    if !tasks.isEmpty { fail("tasks are left: \(tasks)") }
    if loop.exceptionHandler != nil || loop.configuration.slowTurnLimit == nil { fail("settings are left") }
    if loop.configuration.pooledStacks != 77 { fail("settings made between two runs are gone") }
    try parkFor(20)
    let entries = journal.withLock { $0 }
    if entries != ["cancelled"] { fail("left over: \(entries)") }
    journal.withLock { $0 = [] }
}

signal(SIGUSR1, SIG_IGN)
try EventLoop.run { () throws -> Void in try leaveThings(.current) }
try EventLoop.current.configuration.pooledStacks = 77  // of no run: it stays
try EventLoop.run { () throws -> Void in
    try findNothing(.current)
    try leaveThings(.current)
}
try AsyncIO.run { () async throws -> Void in
    try findNothing(.current)
    try leaveThings(.current)
}
raise(SIGUSR1)
try AsyncIO.run { () async throws -> Void in try findNothing(.current) }
// A task of Swift's own is the process's: it goes on.
let unfinished = Locked<Task<Int, any Error>?>(nil)
try EventLoop.run { () throws -> Void in
    unfinished.withLock {
        $0 = Task {
            try parkFor(20)
            return 6
        }
    }
}
if try EventLoop.run({ () async throws -> Int in try await unfinished.withLock { $0 }!.value }) != 6 { fail("Task") }

let value = try EventLoop.run { () throws -> Int in
    try blockOn { () async throws -> Int in
        await Task { @MainActor in check("main actor again") }.value
        return 4
    }
}
if value != 4 { fail("second run") }
