import CStorm
import Glibc
import Swiftlet

/// Takes a backtrace after every instruction while a few stacks of each kind start, switch and end.
func stepThroughSwitches() throws -> Bool {
    try EventLoop.current.configuration.slowTurnLimit = nil
    guard storm_step(true) else { return false }
    defer { _ = storm_step(false) }
    for number in Generator<Int>({ yield in for number in 0..<3 { try yield(number) } }) where number == 2 { break }
    let main = Greenlet<Int>.current
    let other = Greenlet<Int> { ball in try main.switch(ball + 1)! }
    _ = try other.switch(try other.switch(1)!)
    try joinAll((0..<2).map { _ in spawn { try yield() } })
    try sleep(.microseconds(100))
    return true
}

/// Runs every kind of stack on this loop; answers how often they switched.
func storm(until deadline: Deadline) throws -> Int {
    guard storm_begin_on_this_thread() else { throw NoTimer(errno: errno) }
    let executor = try EventLoop.current.taskExecutor
    let works = [yields, generators, abandonedGenerators, greenlets, shortFibers]
    let fibers = works.flatMap { work in (0..<4).map { _ in spawn { try keepOn(work, until: deadline) } } }
    let slot = Slot()
    let players = (0..<8).map { _ in
        Task(executorPreference: executor) { try keepOn({ try handOver(slot) }, until: deadline) }
    }
    let sleepers = (0..<8).map { _ in
        Task(executorPreference: executor) { try keepOn(naps, until: deadline) }
    }
    var switches = 0
    for fiber in fibers { switches += try fiber.get() }
    let tasks = players + sleepers
    switches += try blockOn {
        var switches = 0
        for task in tasks { switches += try await task.value }
        return switches
    }
    return switches
}

struct NoTimer: Error { let errno: CInt }

private func keepOn(_ work: () throws -> Int, until deadline: Deadline) throws -> Int {
    var switches = 0
    while Deadline.now < deadline { switches += try work() }
    return switches
}

private func yields() throws -> Int {
    for _ in 0..<1000 { try yield() }
    return 1000
}

private func generators() throws -> Int {
    let numbers = Generator<Int> { yield in for number in 0..<1000 { try yield(number) } }
    for _ in numbers {}
    try yield()
    return 2001
}

/// Each is unwound where it stands, its stack used again by the next.
private func abandonedGenerators() throws -> Int {
    for _ in 0..<100 { for _ in Generator<Int>({ yield in while true { try yield(1) } }) { break } }
    try yield()
    return 401
}

private func greenlets() throws -> Int {
    let main = Greenlet<Int>.current
    let other = Greenlet<Int> { ball in
        var ball = ball
        while true { ball = try main.switch(ball + 1)! }
    }
    var ball = 0
    while ball < 500 { ball = try other.switch(ball)! }
    try yield()
    return 1001
}

private func shortFibers() throws -> Int {
    try joinAll((0..<100).map { _ in spawn { try yield() } })
    return 300
}

/// In tasks: waits in synchronous code, on the loop's timers.
private func naps() throws -> Int {
    for _ in 0..<10 { try sleep(.microseconds(100)) }
    return 10
}

/// Who is parked. Only the loop's thread touches it.
private final class Slot: @unchecked Sendable { var token: WaitToken? }

/// In tasks: parks in synchronous code until another task comes here.
private func handOver(_ slot: Slot) throws -> Int {
    for _ in 0..<1000 {
        _ = try park(until: .after(.milliseconds(1))) { token in
            slot.token?.wake()
            slot.token = token
        }
    }
    return 1000
}
