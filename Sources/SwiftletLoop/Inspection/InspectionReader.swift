import CSwiftlet
import SwiftletCoroutines

/// Finds out what all coroutines of all loops do, from a thread that is none of theirs, whether they answer or not.
///
/// Nobody is stopped or asked. Everything is read through the kernel (swiftlet_peek.h), so that memory which has gone is no
/// fault. What makes it true:
/// - A wait's number is never used twice. If a stack has the same one before and after, it was parked in that wait all the
///   time between; then its frames, the fiber on it and what it waits on stood still.
/// - Slabs of stacks stay where they are while their thread lives, and contexts at the tops of their stacks.
/// - Entries of the ready queue and of the timers hold their fibers; those that are there before and after did so.
///
/// So each coroutine is told as it was at some moment of the reading; two of them not at the same one. A circle of waits is
/// looked at again: if all still wait in the same waits, there was a moment at which all did.
@safe
struct InspectionReader: ~Copyable {
    static let batchSize = 256
    static let stackLimit = 32 << 10
    static let frameLimit = 48

    let loops: [EventLoop]
    let layout: FiberLayout
    let wantsStacks: Bool
    var threads: [UInt: Int] = [:]
    var result = InspectedProcess()
    var table = StackTable()
    var places: [UInt: Int] = [:]
    /// Tasks in the ready queues.
    var readyTasks: Set<UInt> = []
    var deadlines: [UInt64: UInt64] = [:]
    var texts: [UInt: String] = [:]
    var batch = PeekBatch(capacity: 12 << 20)

    init(loops: [EventLoop], layout: FiberLayout, stacks: Bool) {
        self.loops = loops
        self.layout = layout
        wantsStacks = stacks
    }

    consuming func read() -> InspectedProcess {
        let begin = swiftlet_now()
        for index in loops.indices { readLoop(index) }
        readStacks()
        for index in loops.indices {
            readQueues(index)
            readSleepers(index)
            readSuspended(index)
        }
        followParked()
        findRunning()
        for index in loops.indices { lookAtThread(index) }
        linkJoiners()
        linkScopes()
        linkLocks()
        findCycles()
        result.stacks = table.stacks
        result.time = swiftlet_now()
        result.duration = .nanoseconds(Int64(result.time - begin))
        return result
    }

    mutating func readLoop(_ index: Int) {
        let loop = loops[index]
        unsafe threads[UInt(bitPattern: loop.thread)] = index
        let kernelID = unsafe Int(loop.thread.pointee.kernel_id)
        var found = InspectedLoop(
            kernelID: kernelID, threadName: threadName(kernelID), statistics: loop.statistics)
        found.isAsleep = unsafe swiftlet_counter_get(&loop.core.pointee.is_polling) != 0
        found.isOutside = loop.isOnOwnStack
        found.unreadMessages = unsafe Int(
            peek(UInt(bitPattern: loop.inbox) + UInt(MemoryLayout<swiftlet_inbox>.offset(of: \.count)!), as: UInt.self)
                ?? 0)
        result.loops.append(found)
        let lastWait =
            unsafe UInt(bitPattern: loop.thread) + UInt(MemoryLayout<swiftlet_thread>.offset(of: \.last_wait_id)!)
        result.loops[index].lastWait = peek(lastWait, as: UInt64.self) ?? 0
        let root = unsafe UInt(bitPattern: swiftlet_thread_root(loop.thread))
        if let context = unsafe peek(root, as: swiftlet_context.self) {
            unsafe add(context, at: root, loop: index, .thread)
        }
        if let core = unsafe peek(UInt(bitPattern: loop.core), as: swiftlet_loop_core.self) {
            result.loops[index].statistics.timers = unsafe core.timers.count
            result.loops[index].heldJobs = unsafe Int(core.held.tail &- core.held.head)
            result.loops[index].readyCount = unsafe Int(core.ready.tail &- core.ready.head)
        }
        for timer in steadyTimers(of: loop) where timer.item.tag == .timeout || timer.item.tag == .sleep {
            deadlines[timer.order] = timer.deadline
        }
    }

    func threadName(_ kernelID: Int) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { name in
            unsafe swiftlet_thread_name_of(CInt(kernelID), name.baseAddress, name.count)
            return unsafe String(cString: name.baseAddress!)
        }
    }

    /// Timers that were in the heap all the time of the reading.
    func steadyTimers(of loop: EventLoop) -> [swiftlet_timer] {
        func readOnce() -> [swiftlet_timer] {
            guard let heap = unsafe peek(UInt(bitPattern: loop.core), as: swiftlet_loop_core.self)?.timers else {
                return []
            }
            return unsafe peekArray(UInt(bitPattern: heap.timers), count: heap.count, of: swiftlet_timer.self) ?? []
        }
        let first = readOnce()
        var known: [UInt64: UInt64] = [:]
        known.reserveCapacity(first.count)
        for timer in first { known[timer.order] = timer.deadline }
        return readOnce().filter { known[$0.order] == $0.deadline }
    }
}

func nameOfSystemCall(_ number: CInt) -> String? {
    guard number >= 0 else { return nil }
    return unsafe swiftlet_system_call_name(number).map { unsafe String(cString: $0) } ?? "system call \(number)"
}
