package import CSwiftlet
import SwiftletCoroutines

/// What can be read of a loop at any time at next to no cost.
package struct LoopPulse: Sendable {
    package let turns: UInt64
    package let lastWait: UInt64
    package let fibers: UInt64
    /// Its thread's, in nanoseconds.
    package let processorTime: UInt64
    /// Neither asleep nor outside of its work.
    package let isWorking: Bool
}

extension EventLoop {
    /// From any thread.
    package var pulse: LoopPulse {
        let lastWait = unsafe UInt(bitPattern: thread) + UInt(MemoryLayout<swiftlet_thread>.offset(of: \.last_wait_id)!)
        return unsafe LoopPulse(
            turns: swiftlet_counter_get(&core.pointee.turns), lastWait: peek(lastWait, as: UInt64.self) ?? 0,
            fibers: swiftlet_counter_get(&core.pointee.fibers),
            processorTime: swiftlet_thread_look_at(thread.pointee.kernel_id).processor_time,
            isWorking: swiftlet_counter_get(&core.pointee.is_polling) == 0 && !isOnOwnStack)
    }

    /// The stack that its thread is on, and what runs there: to be asked often, from any thread. `nil` while it sleeps.
    package var currentStack: (address: UInt, run: UInt64)? {
        guard unsafe swiftlet_counter_get(&core.pointee.is_polling) == 0 else { return nil }
        let field = unsafe UInt(bitPattern: thread) + UInt(MemoryLayout<swiftlet_thread>.offset(of: \.current)!)
        guard let address = peek(field, as: UInt.self), address != 0,
            let run = unsafe peek(address + UInt(MemoryLayout<swiftlet_context>.offset(of: \.run)!), as: UInt64.self)
        else { return nil }
        return (address, run)
    }

    /// Lets the loop note its events, or ends that. The record is kept for the loop's life, which is for ever.
    package func trace(into trace: UnsafeMutablePointer<swiftlet_trace>?) {
        unsafe swiftlet_loop_set_trace(core, trace)
    }
}
