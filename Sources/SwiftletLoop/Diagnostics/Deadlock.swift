import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// Who waits for what, in a loop where nobody can be woken any more.
public struct DeadlockReport: Sendable, CustomStringConvertible {
    /// One parked stack.
    public struct Entry: Sendable, CustomStringConvertible {
        /// The fiber's name, or what else runs on the stack.
        public let name: String
        /// Where it was spawned, if it is a fiber.
        public let origin: String?
        /// What it waits for.
        public let wait: String

        public var description: String {
            "\(name)\(origin.map { " (spawned at \($0))" } ?? "") waits for \(wait)"
        }
    }

    public let entries: [Entry]
    /// Who waits in a circle: each a list of names, of which each waits for the next and the last one for the first. With
    /// none, what is waited for is held or would be done by nobody.
    public let cycles: [[String]]

    public var description: String {
        let circles = cycles.map { names in
            """
            \n  In a circle: \((names + [names[0]]).joined(separator: " -> ")). Take locks in the same order everywhere, and join \
            nobody who waits for you.
            """
        }
        return "nothing is left that could wake anybody:\n" + entries.map { "  \($0)" }.joined(separator: "\n")
            + circles.joined()
    }

    // A thread's own stack reads it right after it was told.
    private static let kept = Locked<DeadlockReport>(DeadlockReport(entries: [], cycles: []))
    static var latest: DeadlockReport { kept.withLock { $0 } }
    func keep() { DeadlockReport.kept.withLock { $0 = self } }
}

/// Thrown where the thread's own stack waits on a loop that can never go on.
public struct DeadlockError: Error, CustomStringConvertible {
    public let report: DeadlockReport
    public var description: String { "deadlock: \(report)" }
}

extension EventLoop {
    /// Called when nothing is ready and no timer runs: how many nanoseconds to sleep before the deadlock is looked at,
    /// -1 for ever, `nil` when it is certain now and the thread's own stack has been told.
    ///
    /// It is certain if every wait is one that only this loop's own code could end, and no task has ever run here: a
    /// suspended task cannot be seen. Anything else that nobody works on is looked at after a time without any event, since
    /// looking at all stacks is not for each time that a loop idles.
    func deadlockPatience() -> Int64? {
        let root = unsafe swiftlet_thread_root(thread)!
        let kind = unsafe waitKind(of: root)
        guard unsafe descriptors.waiterCount == 0, unsafe root.pointee.wait_id != 0, !kind.isExternal else { return -1 }
        if unsafe foreignWaits == 0, kind.isLocal, unsafe core.pointee.jobs == 0 {
            let waiting = unsafe parkedStacks()
            if unsafe waiting.allSatisfy({ unsafe waitKind(of: $0).isLocal }) {
                unsafe tellDeadlock(of: waiting)
                return nil
            }
        }
        guard unsafe !hasReportedDeadlock, unsafe quietSince != .max, let limit = configuration.deadlockReportDelay
        else { return -1 }
        let now = swiftlet_now()
        if unsafe quietSince == 0 { unsafe quietSince = now }
        let end = unsafe quietSince.advancedSaturating(by: limit.nanosecondsClamped)
        return end > now ? Int64(clamping: end - now) : 1
    }

    /// Called after a sleep that brought nothing.
    ///
    /// When nobody else could wake the thread's own stack, which needs another thread, a descriptor or a signal, the deadlock
    /// is certain and thrown there. Else it is likely, and reported, once.
    func lookForDeadlock() {
        guard unsafe quietSince != 0, unsafe quietSince != .max, unsafe core.pointee.timers.count == 0,
            let limit = configuration.deadlockReportDelay,
            unsafe swiftlet_now() >= quietSince.advancedSaturating(by: limit.nanosecondsClamped)
        else { return }
        unsafe quietSince = .max  // not again before something has happened
        let root = unsafe swiftlet_thread_root(thread)!
        let waiting = unsafe parkedStacks()
        guard unsafe root.pointee.wait_id != 0, unsafe !waiting.contains(where: { unsafe waitKind(of: $0).isExternal })
        else { return }
        if unsafe waitKind(of: root) == .stop {
            // It serves other threads, which may bring work at any time; but not to fibers that wait for one another.
            guard unsafe !waiting.isEmpty, unsafe waiting.allSatisfy({ unsafe waitKind(of: $0).isLocal }) else {
                return
            }
        } else if unsafe descriptors.watchedCount == 0, ServiceThreads.areAlone, !swiftlet_catches_signals() {
            return unsafe tellDeadlock(of: waiting)
        }
        unsafe hasReportedDeadlock = true
        let report = unsafe describeDeadlock(of: waiting)
        Report(
            .deadlock,
            """
            nothing has happened for \(limit), and \(report)
            Unless another thread or a signal does, it will wait for ever. (Tasks that are suspended at an `await` are not \
            listed. EventLoop.Configuration.deadlockReportDelay sets when to look, `nil` never.)
            """
        ).post()
    }

    func tellDeadlock(of waiting: [ContextPointer]) {
        let root = unsafe swiftlet_thread_root(thread)!
        unsafe describeDeadlock(of: waiting).keep()
        unsafe decideHere(root, root.pointee.wait_id, .deadlocked)
    }

    private func describeDeadlock(of waiting: [ContextPointer]) -> DeadlockReport {
        let root = unsafe swiftlet_thread_root(thread)!
        let places = unsafe Dictionary(
            waiting.enumerated().map { unsafe (UInt(bitPattern: swiftlet_flow_of($1)), $0) },
            uniquingKeysWith: { first, _ in first })
        let waitsFor = unsafe waiting.map { context -> [Int] in
            let flow = unsafe whomItWaitsFor(context) { address in unsafe places[address].map { unsafe waiting[$0] } }
            return unsafe flow.flatMap { places[UInt(bitPattern: $0)] }.map { [$0] } ?? []
        }
        var entries = unsafe waiting.map(describeWait)
        for (place, others) in waitsFor.enumerated() where unsafe waitKind(of: waiting[place]) == .lock {
            guard let holder = others.first else { continue }
            entries[place] = DeadlockReport.Entry(
                name: entries[place].name, origin: entries[place].origin,
                wait: "a lock held by \(entries[holder].name)")
        }
        let cycles = waitCycles(waitsFor).map { members in
            // Each waits for one only: so following that goes round.
            var (circle, next) = ([members[0]], waitsFor[members[0]][0])
            while next != members[0] {
                circle.append(next)
                next = waitsFor[next][0]
            }
            return circle.map { entries[$0].name }
        }
        return unsafe DeadlockReport(entries: entries + [describeWait(root)], cycles: cycles)
    }

    /// The stack whose end or release would end the wait, if it is one of this loop that waits as well.
    ///
    /// - Parameter waiting: the waiting stack whose flow begins at an address, if there is one.
    private func whomItWaitsFor(_ context: ContextPointer, waiting: (UInt) -> ContextPointer?) -> ContextPointer? {
        guard let object = unsafe context.pointee.wait_object else { return nil }
        switch unsafe waitKind(of: context) {
        // Safe: the waiting stack holds the fiber.
        case .fiber: return unsafe Unmanaged<AnyFiber>.fromOpaque(object).takeUnretainedValue().context
        case .lock:
            let owner = unsafe OwnedLock.owner(at: object)
            guard let flow = unsafe waiting(owner.bearer).map({ unsafe swiftlet_flow_of($0)! }) else { return nil }
            return unsafe flow.pointee.run == owner.run ? flow : nil
        default: return nil
        }
    }

    private func waitKind(of context: ContextPointer) -> WaitKind {
        unsafe WaitKind(rawValue: context.pointee.wait_kind) ?? .other
    }

    func parkedStacks() -> [ContextPointer] {
        @safe
        final class Collector { var contexts: [ContextPointer] = unsafe [] }
        let collector = Collector()
        unsafe swiftlet_stack_visit(
            thread,
            { context, collector in
                guard unsafe context!.pointee.wait_id != 0 else { return }
                unsafe Unmanaged<Collector>.fromOpaque(collector!).takeUnretainedValue().contexts.append(context!)
            }, unsafe Unmanaged.passUnretained(collector).toOpaque())
        return unsafe collector.contexts
    }

    func describeWait(_ context: ContextPointer) -> DeadlockReport.Entry {
        let (name, origin) = unsafe nameStack(context)
        let kind = unsafe waitKind(of: context)
        var wait = kind.description
        if kind == .fiber, let object = unsafe context.pointee.wait_object {
            // Safe: the waiting stack holds the fiber.
            wait = unsafe "the end of \(Unmanaged<AnyFiber>.fromOpaque(object).takeUnretainedValue().name)"
        }
        return DeadlockReport.Entry(name: name, origin: origin, wait: wait)
    }

    /// What people call the stack, and where it was spawned if it is a fiber's.
    func nameStack(_ context: ContextPointer) -> (name: String, origin: String?) {
        let flow = unsafe swiftlet_flow_of(context)!
        if unsafe Int(flow.pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue) {
            let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(flow.pointee.owner).takeUnretainedValue()
            return (fiber.name, fiber.origin)
        }
        if unsafe Int(flow.pointee.kind) == Int(SWIFTLET_KIND_ROOT.rawValue) { return ("the thread's own stack", nil) }
        return unsafe ("a \(Int(flow.pointee.kind) == Int(SWIFTLET_KIND_TASK.rawValue) ? "task" : "greenlet")", nil)
    }
}

/// The package's own threads that wake nobody by themselves: the watchdog, and those of the offload pool that idle.
package enum ServiceThreads {
    private static let count = Atomic<Int>(0)

    /// To be called on the thread, while it is one of them.
    package static func enter() { count.add(1, ordering: .sequentiallyConsistent) }
    package static func leave() { count.subtract(1, ordering: .sequentiallyConsistent) }

    /// The calling thread is the only other one. One that comes or goes just now counts as another.
    static var areAlone: Bool {
        // Those counted exist, so that what exists besides is never missed.
        let counted = count.load(ordering: .sequentiallyConsistent)
        let existing = Int(swiftlet_thread_count())
        return existing > 0 && existing == counted + 1
    }
}
