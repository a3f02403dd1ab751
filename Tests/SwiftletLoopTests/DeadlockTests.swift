import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

/// Waits that nothing is left to end, as far as the loop can tell. Certain deadlocks of fibers: `ReportTests`.
@Suite struct DeadlockTests {
    @Test func aForgottenWaiterIsReportedOnceWithAllThatWait() async throws {
        try await onLoop { () throws -> Void in
            try EventLoop.current.configuration.deadlockReportDelay = .milliseconds(30)
            let first = Waiter<Void>()
            let second = Waiter<Void>()
            startThread {
                awaitReport(of: "forgotten-1")
                first.resume(returning: ())
                usleep(150_000)  // several times the delay: time is what this tests
                second.resume(returning: ())
            }
            let fiber = spawn(name: "forgotten-1") { try first.wait() }
            let other = spawn(name: "forgotten-2") { try fiber.join() }
            try other.join()
            try second.wait()
            let reports = ReportLog.reports(containing: "forgotten-1")
            #expect(reports.count == 1)
            let report = try #require(reports.first)
            #expect(report.kind == .deadlock)
            let place = "(spawned at SwiftletLoopTests/DeadlockTests.swift:"
            for line in ["forgotten-1 \(place)", "forgotten-2 \(place)", "main (spawned at TestSupport/Loops.swift:"] {
                #expect(report.message.contains(line))
            }
            #expect(report.message.contains(") waits for a Waiter"))
            #expect(report.message.contains(") waits for the end of forgotten-1"))
            #expect(report.message.contains("the thread's own stack waits for the end of main"))
        }
    }

    @Test func aTaskThatNobodyResumesIsReported() async throws {
        await #expect(processExitsWith: .success) {
            ReportLog.begin()
            try await onFreshThread { () throws -> Void in
                try EventLoop.run(takesOver: false) { () async throws -> Void in
                    try EventLoop.current.configuration.deadlockReportDelay = .milliseconds(30)
                    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                        startThread {
                            awaitReport(of: "the thread's own stack waits for a Swift task")
                            continuation.resume()
                        }
                    }
                }
            }
            if ReportLog.reports(containing: "").count != 1 { exit(2) }
        }
    }

    /// In a program without other threads nobody could help: then the error is thrown.
    @Test(
        .disabled(if: Sanitizer.isThread, "the thread sanitizer has a thread of its own, which might help"),
        arguments: ["fibers", "tasks"])
    func withoutOtherThreadsItIsCertain(_ kind: String) async throws {
        let status = try await onFreshThread { () throws -> CInt in try runTakeoverProgram("deadlock-of-\(kind)") }
        #expect(status == 0, "its standard error says why")
    }

    @Test func whatIsUnderWayElsewhereIsNoDeadlock() async throws {
        try await onLoop { () throws -> Void in
            try EventLoop.current.configuration.deadlockReportDelay = .milliseconds(5)
            let finished = try spawn(name: "patient-1") { () throws -> Int in
                try toThread {
                    usleep(60_000)
                    return 1
                }
            }.get()
            #expect(finished == 1)
            try EventLoopGroup.with(count: 1) { (group) throws -> Void in
                let elsewhere = group.spawn { try nap(60) }
                try spawn(name: "patient-2") { try elsewhere.join() }.join()
                try spawn(name: "patient-3") { _ = try joinAll([elsewhere, group.spawn { try nap(60) }]) }.join()
            }
            let (reading, writing) = makePipe()
            startThread {
                usleep(60_000)
                writeByte(writing)
            }
            #expect(try spawn(name: "patient-4") { try waitUntilReady(reading, for: .reading) }.get())
            close(reading)
            close(writing)
            #expect(ReportLog.reports(containing: "patient-").isEmpty)
        }
    }

    @Test func aLoopThatServesOthersMayIdle() async throws {
        try await onLoop { () throws -> Void in
            try EventLoopGroup.with(count: 1) { (group) throws -> Void in
                let loop = group.loops[0]
                loop.perform { loop.configuration.deadlockReportDelay = .milliseconds(5) }
                let work = Waiter<Int>()
                let consumer = loop.spawn(name: "consumer-1") { try work.wait() }
                try nap(60)
                #expect(ReportLog.reports(containing: "consumer-1").isEmpty)
                work.resume(returning: 2)
                #expect(try consumer.get() == 2)
                // But fibers that wait for one another get nothing from outside.
                let own = Waiter<AnyFiber>()
                let narcissus = loop.spawn(name: "narcissus-2") { try own.wait()!.join() }
                own.resume(returning: narcissus)
                startThread {
                    awaitReport(of: "narcissus-2")
                    narcissus.cancel()
                }
                #expect(try narcissus.join(timeout: .seconds(60)))
            }
        }
    }
}

/// Blocks this thread until somebody has been reported.
private func awaitReport(of word: String) {
    let end = Deadline.after(.seconds(60))
    while ReportLog.reports(containing: word).isEmpty, Deadline.now < end { usleep(1_000) }
}
