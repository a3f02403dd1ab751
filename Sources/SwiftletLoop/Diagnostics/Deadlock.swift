import CSwiftlet
import SwiftletCoroutines

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

    public var description: String {
        "nothing is left that could wake anybody:\n" + entries.map { "  \($0)" }.joined(separator: "\n")
    }

    // A thread's own stack reads it right after it was told.
    private static let kept = Locked<DeadlockReport>(DeadlockReport(entries: []))
    static var latest: DeadlockReport { kept.withLock { $0 } }
    func keep() { DeadlockReport.kept.withLock { $0 = self } }
}

/// Thrown where the thread's own stack waits on a loop that can never go on.
public struct DeadlockError: Error, CustomStringConvertible {
    public let report: DeadlockReport
    public var description: String { "deadlock: \(report)" }
}

extension EventLoop {
    /// Called when nothing is ready and no timer runs.
    ///
    /// A deadlock is certain if every wait is one that only this loop's own code could end, and no task has ever run
    /// here: a suspended task cannot be seen, and some other thread may resume it. With tasks it is only likely, and
    /// reported, once, when nothing has come for a second.
    func deadlockVerdict() -> DeadlockVerdict {
        let root = unsafe swiftlet_thread_root(thread)!
        guard unsafe foreignWaits == 0, unsafe descriptors.waiterCount == 0, unsafe root.pointee.wait_id != 0,
            unsafe WaitKind(rawValue: root.pointee.wait_kind)?.isLocal ?? false
        else { return .none }
        let waiting = unsafe parkedStacks()
        guard unsafe waiting.allSatisfy({ unsafe WaitKind(rawValue: $0.pointee.wait_kind)?.isLocal ?? false }) else {
            return .none
        }
        let report = unsafe DeadlockReport(entries: waiting.map(describeWait) + [describeWait(root)])
        if unsafe core.pointee.jobs > 0 { return unsafe hasReportedDeadlock ? .none : .likely(report) }
        report.keep()
        unsafe decideHere(root, root.pointee.wait_id, .deadlocked)
        return .certain
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
        let flow = unsafe swiftlet_flow_of(context)!
        var name = "the thread's own stack"
        var origin: String?
        if unsafe Int(flow.pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue) {
            let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(flow.pointee.owner).takeUnretainedValue()
            name = fiber.name
            origin = fiber.origin
        } else if unsafe Int(flow.pointee.kind) != Int(SWIFTLET_KIND_ROOT.rawValue) {
            name = unsafe "a \(Int(flow.pointee.kind) == Int(SWIFTLET_KIND_TASK.rawValue) ? "task" : "greenlet")"
        }
        let kind = unsafe WaitKind(rawValue: context.pointee.wait_kind) ?? .other
        var wait = kind.description
        if kind == .fiber, let object = unsafe context.pointee.wait_object {
            // Safe: the waiting stack holds the fiber.
            wait = unsafe "the end of \(Unmanaged<AnyFiber>.fromOpaque(object).takeUnretainedValue().name)"
        }
        return DeadlockReport.Entry(name: name, origin: origin, wait: wait)
    }
}

enum DeadlockVerdict {
    case none
    /// The thread's own stack has been told and is ready.
    case certain
    case likely(DeadlockReport)
}
