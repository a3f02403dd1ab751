import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

/// What needs the whole process: overflow, and loops that take over.
@Suite struct LoopProcessTests {
    @Test func overflowNamesTheFiber() async throws {
        let result = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try await onFreshThread { () throws -> Void in
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    try spawn(name: "greedy", stackSize: 128 << 10) { overflowStack(1) }.join()
                }
            }
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("fatal: stack overflow in fiber 'greedy' (stack size "))
        #expect(text.contains("KB; raise it with spawn(stackSize:))"))
    }

    /// A program of its own: in a test process the main actor is not on the main thread.
    @Test func theMainLoopTakesOverEverything() async throws {
        let status = try await onFreshThread { () throws -> CInt in try runTakeoverProgram("takeover") }
        #expect(status == 0, "its standard error says why")
    }

    // In processes of their own: where many loops start at once, some turn takes long in earnest.
    @Test(.disabled(if: Sanitizer.isThread, "the thread sanitizer holds signals back from a thread that computes"))
    func aBusyTurnIsReportedOnceWithItsCulprit() async throws {
        await #expect(processExitsWith: .success) {
            ReportLog.begin()
            try await onFreshThread { () throws -> Void in
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    try nap(50)  // first calls take long too
                    let told = Tally()
                    startThread {
                        while ReportLog.reports(containing: "burnCPU").isEmpty { usleep(1_000) }
                        told.add()
                    }
                    // The turn ends after its report, however late the watchdog gets the processor.
                    try spawn(name: "burner") {
                        burnCPU(milliseconds: 60_000, until: told)
                        burnCPU(milliseconds: 150)
                    }.join()
                    try nap(100)
                    let reports = ReportLog.reports(containing: "burnCPU")
                    if reports.count != 1 || reports[0].kind != .blockedLoop { exit(2) }
                }
            }
        }
    }

    @Test func theWatchdogCanBeTurnedOff() async throws {
        await #expect(processExitsWith: .success) {
            ReportLog.begin()
            try await onFreshThread { () throws -> Void in
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    try EventLoop.current.configuration.slowTurnLimit = nil
                    try spawn { burnCPU(milliseconds: 200) }.join()
                    try nap(100)
                    if !ReportLog.reports(containing: "burnCPU").isEmpty { exit(2) }
                }
            }
        }
    }

    @Test(.disabled(if: Sanitizer.isAddress, "the tasks that stay suspended are what it calls a leak"))
    func jobsForAClosedLoopAreReportedOnce() async throws {
        await #expect(processExitsWith: .success) {
            ReportLog.begin()
            let executor = try await onFreshThread { () throws -> any TaskExecutor in
                try EventLoop.run(takesOver: false) { () throws -> any TaskExecutor in
                    try yield()
                    return try EventLoop.current.taskExecutor
                }
            }
            for _ in 0..<3 { Task(executorPreference: executor) { exit(3) } }
            let reports = ReportLog.reports(containing: "stays suspended for ever")
            if reports.count != 1 || reports[0].kind != .closedLoop { exit(2) }
        }
    }

    @Test func anUnretrievedErrorIsWritten() async throws {
        let result = try await #require(processExitsWith: .success, observing: [\.standardErrorContent]) {
            try await onFreshThread { () throws -> Void in
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    spawn(name: "lost") { throw Failure(5) }
                    try nap()
                }
            }
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(
            text.contains(
                "swiftlet: unretrieved error: <Fiber lost finished> failed and nobody asked: Failure(number: 5)"))
    }
}

@inline(never)
private func burnCPU(milliseconds: Int, until told: Tally = Tally()) {
    let end = Deadline.after(.milliseconds(milliseconds))
    var x = 0
    while told.count == 0, Deadline.now < end { x &+= 1 }
}

@inline(never)
private func overflowStack(_ depth: Int) -> Int {
    depth == .max ? 0 : overflowStack(depth + 1) + depth
}
