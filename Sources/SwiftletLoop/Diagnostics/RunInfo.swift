import CSwiftlet
import SwiftletCoroutines

/// What runs in this process: its loops, and of each its fibers as a tree of who spawned whom. gevent's `print_run_info` and
/// `GreenletTree`.
///
/// ```swift
/// print(try RunInfo.gather())
/// ```
/// ```
/// loop of thread 4711: 3 fibers, 120 turns, 17 parks
/// +- main (Shop/main.swift:12): waits for the end of orders
/// |  +- orders (Shop/main.swift:14): waits for a readable descriptor
/// |  |    requestID = 7
/// |  +- fiber at Shop/main.swift:15: has not started
/// ```
public struct RunInfo: Sendable, CustomStringConvertible {
    /// One loop.
    public struct Loop: Sendable {
        /// The kernel's number of its thread.
        public let kernelThreadID: Int
        /// Its counters.
        public let statistics: LoopStatistics
        /// Its fibers that nobody living has spawned, with those that they have spawned below them. `nil` when the loop
        /// was busy and did not answer in time.
        public let fibers: [Fiber]?
        /// Parked stacks that run no fiber: of tasks and greenlets. A task that is suspended at an `await` has no stack.
        public let others: [String]
    }

    /// One fiber.
    public struct Fiber: Sendable {
        /// The name given to `spawn`, or where it was spawned.
        public let name: String
        /// Where it was spawned.
        public let origin: String
        /// Such as `waits for a timer`.
        public let state: String
        /// Its `FiberLocal` values, as `name = value`.
        public let locals: [String]
        // Their names are looked up by whoever reads them: that takes long, and would hold up the loop.
        fileprivate let frames: [UInt]
        /// Where it waits, innermost call first; empty unless asked for.
        public var backtrace: [String] {
            frames.map { unsafe describeAddress(UnsafeMutableRawPointer(bitPattern: $0)) }
        }
        /// The fibers that it has spawned and that have not ended.
        public let children: [Fiber]
    }

    /// All open loops, in the order of their threads.
    public let loops: [Loop]

    /// Asks all loops.
    ///
    /// Cancellation: ends the wait.
    /// - Parameters:
    ///   - backtraces: whether to find out where each fiber waits, which takes longer.
    ///   - timeout: how long the other loops may take to answer.
    /// - Throws: `CancellationError`.
    public static func gather(backtraces: Bool = false, timeout: Duration = .milliseconds(200)) throws -> RunInfo {
        let deadline = Deadline.after(timeout)
        // All are asked before the first answer is waited for.
        let answers = Watchdog.shared.loops.map { loop in
            let answer = Waiter<Loop>()
            if loop.isCurrent {
                answer.resume(returning: loop.describe(backtraces: backtraces))
            } else {
                loop.perform { answer.resume(returning: loop.describe(backtraces: backtraces)) }
            }
            return (loop, answer)
        }
        return RunInfo(loops: try answers.map { try $1.wait(until: deadline) ?? $0.describeBusy() })
    }

    public var description: String {
        var lines: [String] = []
        for loop in loops {
            let numbers = "\(loop.statistics.turns) turns, \(loop.statistics.parks) parks"
            guard let fibers = loop.fibers else {
                lines.append("loop of thread \(loop.kernelThreadID): busy, does not answer; \(numbers)")
                continue
            }
            let count = fibers.reduce(0) { $0 + $1.countWithChildren }
            lines.append("loop of thread \(loop.kernelThreadID): \(count) fibers, \(numbers)")
            for fiber in fibers { fiber.describe(below: "", into: &lines) }
            lines += loop.others.map { "+- \($0)" }
        }
        return lines.joined(separator: "\n")
    }
}

extension RunInfo.Fiber {
    fileprivate var countWithChildren: Int { children.reduce(1) { $0 + $1.countWithChildren } }

    fileprivate func describe(below indentation: String, into lines: inout [String]) {
        let place = name.hasSuffix(origin) ? "" : " (\(origin))"
        lines.append("\(indentation)+- \(name)\(place): \(state)")
        let inner = indentation + "|  "
        lines += (locals + backtrace).map { "\(inner)  \($0)" }
        for child in children { child.describe(below: inner, into: &lines) }
    }
}

extension EventLoop {
    /// On the loop's own thread.
    fileprivate func describe(backtraces: Bool) -> RunInfo.Loop {
        let fibers = liveFibers()
        let numbers = Dictionary(
            fibers.compactMap { fiber in unsafe fiber.context.map { unsafe ($0.pointee.number, fiber) } },
            uniquingKeysWith: { first, _ in first })
        let byParent = Dictionary(grouping: fibers) { numbers[$0.spawner] }
        func describe(_ fiber: AnyFiber) -> RunInfo.Fiber {
            RunInfo.Fiber(
                name: fiber.name, origin: fiber.origin, state: state(of: fiber),
                locals: unsafe (fiber.extras?.locals.entries ?? [:]).sorted { $0.key < $1.key }.map {
                    "\($0.value.name) = \($0.value.value)"
                },
                frames: backtraces ? frames(of: fiber) : [],
                children: ordered(byParent[fiber] ?? []).map(describe))
        }
        return RunInfo.Loop(
            kernelThreadID: kernelThreadID, statistics: statistics, fibers: ordered(byParent[nil] ?? []).map(describe),
            others: unsafe parkedStacks().filter {
                unsafe Int(swiftlet_flow_of($0)!.pointee.kind) != Int(SWIFTLET_KIND_FIBER.rawValue)
            }.map { unsafe "\(describeWait($0))" })
    }

    fileprivate func describeBusy() -> RunInfo.Loop {
        RunInfo.Loop(kernelThreadID: kernelThreadID, statistics: statistics, fibers: nil, others: [])
    }

    private var kernelThreadID: Int { unsafe Int(thread.pointee.kernel_id) }

    /// In the order in which they began; those that have not come last.
    private func ordered(_ fibers: [AnyFiber]) -> [AnyFiber] {
        fibers.sorted { unsafe ($0.context?.pointee.number ?? .max) < ($1.context?.pointee.number ?? .max) }
    }

    private func state(of fiber: AnyFiber) -> String {
        guard let context = unsafe fiber.context else { return "has not started" }
        let suffix = fiber.isCancelled ? ", is cancelled" : ""
        let parked = unsafe context.pointee.parked ?? context
        guard unsafe parked.pointee.wait_id != 0 else {
            let isRunning = unsafe swiftlet_flow_of(thread.pointee.current) == context
            return (isRunning ? "runs" : "is ready") + suffix
        }
        return unsafe "waits for \(describeWait(parked).wait)" + suffix
    }

    private func frames(of fiber: AnyFiber) -> [UInt] {
        guard let context = unsafe fiber.context, unsafe swiftlet_flow_of(thread.pointee.current) != context else {
            return []
        }
        var frames = unsafe [UnsafeMutableRawPointer?](repeating: nil, count: 40)
        let count = unsafe swiftlet_backtrace_of_context(context.pointee.parked ?? context, &frames, CInt(frames.count))
        return unsafe frames.prefix(Int(count)).map { UInt(bitPattern: $0) }
    }
}
