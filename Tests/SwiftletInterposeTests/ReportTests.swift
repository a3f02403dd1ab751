import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import TestSupport
import Testing

extension InterposeTests {
    struct ReportTests {
        @Test func everyNameIsBound() {
            let report = patchAll()
            let bypassed = report.calls.filter { $0.binding != .bound && $0.binding != .unknownToLibc }
            #expect(bypassed.isEmpty, "\(bypassed)")
            #expect(report.isComplete)
            let names = Set(report.calls.map(\.name))
            let expected: Set = [
                "read", "write", "recv", "send", "connect", "accept", "poll", "select", "epoll_wait", "nanosleep",
                "usleep",
                "getaddrinfo", "waitpid", "flock", "fcntl", "sem_wait", "sendfile", "splice", "__read_chk",
                "__recv_chk",
                "__poll_chk", "close", "pthread_mutex_lock",
            ]
            #expect(names.isSuperset(of: expected))
            #expect("\(report)".contains("sockets: ") && "\(report)".contains("not covered anywhere"))
        }

        @Test func familiesCanBeChosen() async throws {
            patchAll([.sockets])
            defer { patchAll() }
            #expect(patchedFamilies == .sockets)
            try await onLoop(parks: false) {
                let parks = try EventLoop.current.statistics.parks
                usleep(1000)
                #expect(try EventLoop.current.statistics.parks == parks)
            }
            unpatchAll()
            #expect(patchedFamilies.isEmpty)
        }

        @Test func outsideFibersAndTasksNothingChanges() async throws {
            _ = report
            try await onFreshThread {
                let loop = try EventLoop.current
                let before = loop.statistics
                usleep(1000)
                #expect(loop.statistics.turns == before.turns)
                try loop.close()
            }
        }

        @Test func theWatchdogNamesTheCallThatBlocks() async throws {
            ReportLog.begin()
            patchAll([.sockets])
            defer { patchAll() }
            let (reading, writing) = makePipe()
            try await onLoop(parks: false) {
                let later = Later(400) { write(writing, "x", 1) }
                var byte: UInt8 = 0
                #expect(read(reading, &byte, 1) == 1)
                later.end()
            }
            closeAll(reading, writing)
            if Sanitizer.isThread { return }
            let reports = ReportLog.reports(containing: "has not turned")
            #expect(reports.contains { $0.message.contains("read") }, "\(reports)")
        }
    }
}
