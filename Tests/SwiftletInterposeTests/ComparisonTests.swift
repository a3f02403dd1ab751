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
    }
}
