import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// A kind of call to the kernel that can be made to fail; of this library's own calls, in all that is built on its streams and
/// files.
public enum SystemCall: CInt, Sendable, Hashable, CaseIterable {
    case accept = 0
    case connect
    /// From a socket or a pipe.
    case receive
    /// To a socket or a pipe.
    case send
    /// From a file.
    case read
    /// To a file.
    case write
    /// fsync(2).
    case sync
}

/// What goes wrong, at which calls, how often.
public struct FaultRule: Sendable {
    fileprivate enum Outcome {
        case failure(errno: CInt)
        case atMost(Int)
    }

    fileprivate let calls: Set<SystemCall>
    fileprivate let outcome: Outcome
    fileprivate let share: Double
    fileprivate let skipping: Int
    fileprivate let times: Int

    /// The calls answer an error instead of being made.
    ///
    /// `EINTR` and `EAGAIN` are no errors to a program: calls that answer them are made again, the latter when the kernel
    /// says so. So all of them at once (`share: 1` without `times`) would never end.
    /// - Parameters:
    ///   - calls: which ones.
    ///   - errno: one of the codes of errno(3) that the call may answer.
    ///   - share: of those calls, by the seed.
    ///   - skipping: how many of those calls go through before the first that may fail.
    ///   - times: how many fail at most.
    public static func fail(
        _ calls: SystemCall..., with errno: CInt, share: Double = 1, skipping: Int = 0, times: Int = .max
    ) -> FaultRule {
        FaultRule(
            calls: Set(calls), outcome: .failure(errno: errno), share: share, skipping: skipping, times: times)
    }

    /// The calls move a few bytes only, as the kernel may always do: one by default.
    public static func shorten(
        _ calls: SystemCall..., to count: Int = 1, share: Double = 1, skipping: Int = 0, times: Int = .max
    ) -> FaultRule {
        FaultRule(
            calls: Set(calls), outcome: .atMost(max(count, 1)), share: share, skipping: skipping, times: times)
    }
}

/// Faults that are being injected. From any thread.
public final class Faults: Sendable {
    fileprivate struct State {
        var random: SeededRandom
        /// Of each rule: calls that it applies to, and those that it spoilt.
        var seen: [Int]
        var spoilt: [Int]
    }

    @TaskLocal fileprivate static var current: Faults?
    /// In how many bodies code runs at present: with none there is no hook, and calls cost a test of that.
    private static let users = Locked(0)

    private let rules: [FaultRule]
    fileprivate let state: Locked<State>

    fileprivate init(_ rules: [FaultRule], seed: UInt64) {
        self.rules = rules
        let none = rules.map { _ in 0 }
        state = Locked(State(random: SeededRandom(seed: seed), seen: none, spoilt: none))
    }

    /// How many calls were spoilt so far.
    public var count: Int { state.withLock { $0.spoilt.reduce(0, +) } }

    /// How many each rule has spoilt.
    public var counts: [Int] { state.withLock { $0.spoilt } }

    /// The size to go on with, or a negative errno: the first rule that fires says.
    fileprivate func answer(_ call: SystemCall, _ size: Int) -> Int {
        state.withLock { state in
            for (number, rule) in rules.enumerated() where rule.calls.contains(call) {
                state.seen[number] += 1
                guard state.seen[number] > rule.skipping, state.spoilt[number] < rule.times,
                    rule.share >= 1 || Double.random(in: 0..<1, using: &state.random) < rule.share
                else { continue }
                switch rule.outcome {
                case .failure(let errno):
                    state.spoilt[number] += 1
                    return -Int(errno)
                case .atMost(let limit) where limit < size:
                    state.spoilt[number] += 1
                    return limit
                case .atMost: continue
                }
            }
            return size
        }
    }

    fileprivate static func begin() {
        users.withLock { users in
            users += 1
            guard users == 1 else { return }
            swiftlet_socket_set_fault { call, _, size in
                guard let faults = Faults.current, let call = SystemCall(rawValue: call) else { return size }
                return faults.answer(call, size)
            }
        }
    }

    fileprivate static func end() {
        users.withLock { users in
            users -= 1
            if users == 0 { swiftlet_socket_set_fault(nil) }
        }
    }
}

/// Runs the body while calls to the kernel fail: those of the body, and of the fibers, tasks and `toThread` work that begin in
/// it, as long as it runs. Code outside, such as other tests, is not touched.
///
/// ```swift
/// try withFaults([.fail(.accept, with: EMFILE, times: 3), .shorten(.send, share: 0.5)]) { faults in
///     let server = HTTPServer()
///     try server.start()
///     …
///     #expect(faults.count > 3)
/// }
/// ```
///
/// Covered are the calls of sockets, pipes and files of this library; TLS and HTTP lie on them. Not covered: name look-ups,
/// child processes, and what `patchAll` redirects.
/// - Parameters:
///   - rules: tried in their order; the first one that fires counts.
///   - seed: of what rules with a `share` draw. On a simulated loop, or with one loop over loopback, the same seed spoils the same calls.
///   - body: is given the faults, which count.
/// - Throws: what the body throws.
public func withFaults<Value>(
    _ rules: [FaultRule], seed: UInt64 = 0, _ body: (Faults) throws -> Value
) rethrows -> Value {
    let faults = Faults(rules, seed: seed)
    Faults.begin()
    defer { Faults.end() }
    return try Faults.$current.withValue(faults) { try body(faults) }
}

/// Runs the async body while calls to the kernel fail.
public nonisolated(nonsending) func withFaults<Value>(
    _ rules: [FaultRule], seed: UInt64 = 0, _ body: nonisolated(nonsending) (Faults) async throws -> Value
) async rethrows -> Value {
    let faults = Faults(rules, seed: seed)
    Faults.begin()
    defer { Faults.end() }
    return try await Faults.$current.withValue(faults) { try await body(faults) }
}
