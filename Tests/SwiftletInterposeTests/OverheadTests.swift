import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import TestSupport
import Testing

extension InterposeTests {
    /// What a covered call costs that need not wait, beside libc's own. In a release build; a debug build's C code is not
    /// optimized.
    struct OverheadTests {
        /// The smallest difference of several interleaved rounds: other work on the machine only adds.
        private static func overhead(_ measure: (Bool, CInt) -> Double) -> (difference: Double, raw: Double) {
            var named: [Double] = []
            var direct: [Double] = []
            #if DEBUG
                let (repetitions, rounds) = (2, CInt(1000))
            #else
                let (repetitions, rounds) = (15, CInt(40_000))
            #endif
            for _ in 0..<repetitions {
                named.append(measure(false, rounds))
                direct.append(measure(true, rounds))
            }
            return (named.min()! - direct.min()!, direct.min()!)
        }

        private static let calls: [(String, @Sendable (Bool, CInt) -> Double)] = [
            ("recv", { measure_recv($0, $1) }),
            ("write and read of a pipe", { measure_write_read($0, $1) }),
            ("poll", { measure_poll($0, $1) }),
            ("recv that fails", { measure_nothing($0, $1) }),
        ]

        private static func report(_ place: String, limit: Double) {
            for (name, measure) in calls {
                let (difference, raw) = overhead(measure)
                print("overhead, \(place), \(name): \(difference) ns over \(raw) ns")
                #if !DEBUG
                    #expect(difference < limit, "\(place), \(name)")
                #endif
            }
        }

        @Test func aCallThatNeedNotWait() async throws {
            patchAll()
            try await onLoop(parks: false) { Self.report("in a fiber", limit: 50) }
            // 1 ns more than promised: so much two runs differ.
            try await onFreshThread { Self.report("patched, on a plain thread", limit: 6) }
            unpatchAll()
            defer { patchAll() }
            try await onLoop(parks: false) { Self.report("unpatched, in a fiber", limit: 6) }
        }
    }
}
