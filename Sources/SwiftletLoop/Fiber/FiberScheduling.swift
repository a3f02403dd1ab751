import CSwiftlet
import SwiftletCoroutines

extension EventLoop {
    @usableFromInline
    func schedule(_ fiber: AnyFiber, name: String?, after delay: Duration?, stackSize: Int) {
        if name != nil || delay != nil || stackSize != StackSize.default {
            let extras = fiber.makeExtras()
            extras.stackSize = stackSize
            extras.isDelayed = delay != nil
            if let name { extras.setName(name) }
        }
        let deadline = delay.map { Deadline.after($0).nanoseconds }
        let isAccepted: Bool
        if let deadline {
            isAccepted =
                isCurrent ? !isClosed : perform { self.scheduleTimer(for: fiber.retainedItem, at: deadline) }
            if isCurrent, isAccepted { scheduleTimer(for: fiber.retainedItem, at: deadline) }
        } else {
            let item = fiber.retainedItem
            isAccepted = submit(item)
            if !isAccepted { unsafe Unmanaged<AnyFiber>.fromOpaque(item.pointer).release() }
        }
        if !isAccepted { fiber.finishUnstarted(LoopError.closed) }
    }

    /// Queues an item when the time has come.
    func scheduleTimer(for item: UInt64, at deadline: UInt64) {
        unsafe addTimer(at: deadline, order: swiftlet_wait_next_id(thread), item)
    }

    /// Runs a fiber on the leader's stack. One that wants another size of stack gets it: then this answers that stack.
    @inline(__always)
    func runFiber(_ fiber: AnyFiber, on context: ContextPointer) -> ContextPointer? {
        unsafe swiftlet_counter_add(&core.pointee.fibers, 1)
        if fiber.state == .finished { return nil }  // cancelled during its delay
        if fiber.isCancelRequested {
            fiber.finishUnstarted(CancellationError())
            return nil
        }
        if let extras = unsafe fiber.extras, extras.stackSize != StackSize.default {
            return unsafe ownStack(for: fiber, size: extras.stackSize)
        }
        unsafe run(fiber, on: context)
        return nil
    }

    @inline(__always)
    private func run(_ fiber: AnyFiber, on context: ContextPointer) {
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_FIBER.rawValue)
        unsafe context.pointee.owner = unsafe Unmanaged.passUnretained(fiber).toOpaque()
        unsafe context.pointee.owner_is_cancelled = false
        unsafe context.pointee.run &+= 1
        unsafe context.pointee.number = unsafe core.pointee.fibers
        if let extras = unsafe fiber.extras {
            unsafe context.pointee.name = unsafe extras.nameBytes.map { unsafe UnsafePointer($0) }
        }
        unsafe fiber.begins(on: context)
        if unsafe swiftlet_loop_is_traced(core) { unsafe noteStart(of: fiber, on: context) }
        if let values = unsafe fiber.extras?.values {
            values.bound { fiber.start(fiber) }
        } else {
            fiber.start(fiber)
        }
        fiber.finished()
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_END), context, 0, 0, 0)
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_SCHEDULER.rawValue)
        unsafe context.pointee.owner = nil
        unsafe context.pointee.name = nil
    }

    /// With the first bytes of its name, which may be gone when it is read.
    @inline(never)
    private func noteStart(of fiber: AnyFiber, on context: ContextPointer) {
        let address = unsafe UInt64(UInt(bitPattern: Unmanaged.passUnretained(fiber).toOpaque()))
        unsafe swiftlet_loop_note(
            core, UInt32(SWIFTLET_TRACE_START), context, address, context.pointee.number, 0)
        guard let name = unsafe fiber.extras?.nameBytes else { return }
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        unsafe withUnsafeMutableBytes(of: &words) { words in
            for index in words.indices {
                let byte = unsafe name[index]
                if byte == 0 { break }
                unsafe words[index] = UInt8(bitPattern: byte)
            }
        }
        unsafe swiftlet_loop_note(
            core, UInt32(SWIFTLET_TRACE_NAME), UnsafeRawPointer(bitPattern: UInt(words.0)), words.1, words.2, 0)
    }

    @inline(never)
    private func ownStack(for fiber: AnyFiber, size: Int) -> ContextPointer? {
        guard let context = unsafe swiftlet_stack_acquire(thread, size) else {
            fiber.finishUnstarted(StackError(size: size, errno: swiftlet_errno()))
            return nil
        }
        let owner = unsafe Unmanaged.passRetained(fiber).toOpaque()
        unsafe swiftlet_context_start(
            context,
            { owner in
                let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(owner!).takeRetainedValue()
                let loop = fiber.loop
                unsafe loop.run(fiber, on: loop.thread.pointee.current)
                return unsafe swiftlet_leader_make(loop.core, loop.thread)
            }, unsafe owner)
        return unsafe context
    }
}
