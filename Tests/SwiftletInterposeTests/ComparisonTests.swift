import CInterposeTestSupport
import Glibc
import SwiftletInterpose
import TestSupport
import Testing

/// One test at a time: what is patched holds for the whole process.
@Suite(.serialized)
enum InterposeTests {}

extension InterposeTests {
    /// Every covered call does in a fiber and in a task what libc's own does on a plain thread.
    struct ComparisonTests {
        @Test(arguments: Scenario.all, Runner.allCases)
        func answersAreThoseOfLibc(_ scenario: Scenario, _ runner: Runner) async throws {
            let expected = try await onFreshThread { scenario.body() }
            let answered = try await runner.run(parks: scenario.waits) { scenario.body() }
            #expect(answered == expected)
        }

        @Test(arguments: Scenario.all)
        func plainThreadsNoticeNothing(_ scenario: Scenario) async throws {
            // What `patchAll` has changed is changed back, for the time of the test.
            let patched = try await onFreshThread {
                _ = report
                return scenario.body()
            }
            unpatchAll()
            defer { patchAll() }
            let expected = try await onFreshThread { scenario.body() }
            #expect(patched == expected)
        }

        /// None is forgotten: what lies behind each covered name hears of the calls that the scenarios make.
        @Test(.disabled(if: Sanitizer.isThread, "it exchanges pointers that other threads read; nobody else does"))
        func everyCoveredNameIsCompared() async throws {
            let names = report.calls.filter { $0.binding == .bound }.map(\.name)
            unpatchAll()  // so that each name leads to libc's own function of that name, and to no other
            defer { patchAll() }
            #expect(begin_noting())
            for scenario in Scenario.all {
                try await onFreshThread {
                    watch_this_thread(true)
                    _ = scenario.body()
                    watch_this_thread(false)
                }
            }
            end_noting()
            let forgotten = names.filter { !was_noted($0) && !(Sanitizer.isAny && $0 == "exit") }
            #expect(names.count > 100)
            #expect(forgotten.isEmpty, "\(forgotten)")
        }
    }
}
