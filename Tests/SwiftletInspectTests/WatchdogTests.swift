import Glibc
import Swiftlet
import SwiftletInspect
import SwiftletLoop
import TestSupport
import Testing

/// What is reported by itself.
@Suite(.serialized) struct WatchdogTests {
    @Test func aBlockingCallIsReportedAndNotCutShort() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            try EventLoop.current.configuration.slowTurnLimit = .milliseconds(50)
            let begin = ContinuousClock.now
            #expect(sleepInC(milliseconds: 700) == 0, "a signal has ended the sleep")
            #expect(ContinuousClock.now - begin >= .milliseconds(700))
        }
        let reports = ReportLog.reports(containing: "sleepInC")
        #expect(reports.count == 1)
        let text = reports.first?.message ?? ""
        #expect(text.contains("it is blocked in the system call clock_nanosleep"))
        #expect(text.contains("toThread { }") && text.contains("patchAll()"))
    }

    @Test(.disabled(if: Sanitizer.isThread, "the thread sanitizer holds signals back from a thread that computes"))
    func aComputationIsReportedWithItsPlace() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            try EventLoop.current.configuration.slowTurnLimit = .milliseconds(50)
            let begin = ContinuousClock.now
            while ReportLog.reports(containing: "countGrains").isEmpty, ContinuousClock.now - begin < .seconds(20) {
                countGrains()
            }
        }
        #expect(
            ReportLog.reports(containing: "countGrains").first?.message.contains("computes without waiting") == true)
    }

    @Test func whatIsOpenAtTheEndOfALoopIsTold() async throws {
        try Inspector.start()
        let kept = Box<TCPListener?>(nil)
        try await onLoop(parks: false) { [kept = Unchecked(kept)] in kept.value.value = try openAndKeep() }
        let reports = ReportLog.reports(containing: "openAndKeep")
        #expect(reports.count == 1 && reports[0].kind == .leak)
        #expect(reports[0].message.contains("open at its end"))
        kept.value?.close()
    }

    @Test func fibersThatAreLeftAreTold() async throws {
        try Inspector.start()
        try await onLoop(parks: false) { () throws -> Void in
            spawn(name: "left-31") { try sleep(.seconds(100)) }
            try yield()
        }
        let reports = ReportLog.reports(containing: "left-31")
        #expect(reports.count == 1 && reports.first?.kind == .leak)
        #expect(reports.first?.message.contains("spawned at SwiftletInspectTests/WatchdogTests.swift:") == true)
    }
}

private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

@inline(never)
private func sleepInC(milliseconds: Int) -> CInt {
    var time = timespec(tv_sec: 0, tv_nsec: milliseconds * 1_000_000)
    return nanosleep(&time, nil)
}

@inline(never)
private func countGrains() {
    var sum = 0
    for number in 0..<1_000_000 { sum = sum &+ number * sum }
    #expect(sum == 0)
}

@inline(never)
private func openAndKeep() throws -> TCPListener {
    let listener = try TCPListener()
    #expect(listener.port > 0)
    return listener
}
