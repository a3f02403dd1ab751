import CSwiftlet
import SwiftletCoroutines

/// What a loop has done since it was made.
public struct LoopStatistics: Sendable, Hashable {
    /// Items run from the ready queue: jobs, fibers, resumed stacks, callbacks.
    public var turns: UInt64
    /// Times that a stack was set aside.
    public var parks: UInt64
    /// Looks at the descriptors without sleeping.
    public var polls: UInt64
    /// Times that the thread slept for want of work.
    public var sleeps: UInt64
    /// Messages from other threads.
    public var foreignWakes: UInt64
    /// Swift jobs run.
    public var jobs: UInt64
    /// Fibers started.
    public var fibers: UInt64
    /// Timers in the heap, those of waits that ended early included.
    public var timers: Int
    /// Stacks in use.
    public var liveStacks: Int
    /// Stacks kept for reuse.
    public var pooledStacks: Int
}

extension EventLoop {
    /// The counters. On the loop's own thread they are exact; elsewhere they may be a little old.
    public var statistics: LoopStatistics {
        let stacks = unsafe isCurrent ? swiftlet_stack_count(thread) : swiftlet_stack_statistics()
        return unsafe LoopStatistics(
            turns: swiftlet_counter_get(&core.pointee.turns), parks: swiftlet_counter_get(&core.pointee.parks),
            polls: swiftlet_counter_get(&core.pointee.polls), sleeps: swiftlet_counter_get(&core.pointee.sleeps),
            foreignWakes: swiftlet_counter_get(&core.pointee.foreign_wakes),
            jobs: swiftlet_counter_get(&core.pointee.jobs), fibers: swiftlet_counter_get(&core.pointee.fibers),
            timers: isCurrent ? core.pointee.timers.count : 0, liveStacks: stacks.live, pooledStacks: stacks.pooled)
    }

    /// The fibers that have been spawned and have not ended.
    public func liveFibers() -> [AnyFiber] {
        final class Collector { var fibers: [AnyFiber] = [] }
        let collector = Collector()
        unsafe swiftlet_stack_visit(
            thread,
            { context, collector in
                guard unsafe Int(context!.pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue),
                    let owner = unsafe context!.pointee.owner
                else { return }
                let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(owner).takeUnretainedValue()
                unsafe Unmanaged<Collector>.fromOpaque(collector!).takeUnretainedValue().fibers.append(fiber)
            }, unsafe Unmanaged.passUnretained(collector).toOpaque())
        for item in scheduledItems where item.tag == .fiber {
            unsafe collector.fibers.append(Unmanaged<AnyFiber>.fromOpaque(item.pointer).takeUnretainedValue())
        }
        return collector.fibers.filter { !$0.isFinished }
    }

    /// What stands in the ready queue and among the timers; the loop keeps it.
    var scheduledItems: [UInt64] {
        let ready = unsafe core.pointee.ready
        let queued = unsafe (0..<swiftlet_ring_count(&core.pointee.ready)).map {
            unsafe ready.items[Int((ready.head &+ $0) & ready.mask)]
        }
        return unsafe queued + (0..<core.pointee.timers.count).map { unsafe core.pointee.timers.timers[$0].item }
    }
}
