import CSwiftlet

/// One suspended task that waits for a timer: its slot, and the number that is its own for ever.
struct SleepToken: Sendable {
    let slot: Int
    let order: UInt64

    init(slot: Int, order: UInt64) {
        self.slot = slot
        self.order = order
    }

    init(_ timer: swiftlet_timer) { self.init(slot: Int(timer.item >> UInt64.tagWidth), order: timer.order) }

    /// What the timer that ends the sleep holds.
    var item: UInt64 { UInt64(slot) << UInt64.tagWidth | ReadyTag.sleep.rawValue }
}

/// The suspended tasks that wait for a timer of one loop.
///
/// A timer's entry may outlive its sleep, which cancellation ends early; so it names a slot and a number instead of the
/// task. An object for each sleep, or the second task that `Task.sleep` makes, would take more memory than a slot.
///
/// A slot: free -> taken -> suspended -> free. Thread rules: the loop's own thread only.
@safe
struct SleepTable {
    @safe
    private struct Slot {
        /// The sleep's number. Of a free slot the complement of the next free one's index: no sleep has such a number.
        var order: UInt64
        var continuation: UnsafeContinuation<Void, any Error>?
    }

    private var slots: UnsafeMutablePointer<Slot>?
    private var count = 0
    private var capacity = 0
    private var firstFree = UInt64.max

    /// A slot for a sleep that is about to begin.
    mutating func take(order: UInt64) -> SleepToken {
        if firstFree == .max {
            if count == capacity { grow() }
            unsafe (slots! + count).initialize(to: Slot(order: order, continuation: nil))
            count += 1
            return SleepToken(slot: count - 1, order: order)
        }
        let slot = Int(firstFree)
        firstFree = unsafe ~slots![slot].order
        unsafe slots![slot].order = order
        return SleepToken(slot: slot, order: order)
    }

    mutating func suspend(_ sleep: SleepToken, _ continuation: UnsafeContinuation<Void, any Error>) {
        unsafe slots![sleep.slot].continuation = unsafe continuation
    }

    /// Ends a sleep: its task, if it is this one that still lies in the slot.
    mutating func end(_ sleep: SleepToken) -> UnsafeContinuation<Void, any Error>? {
        guard unsafe slots![sleep.slot].order == sleep.order else { return nil }
        unsafe slots![sleep.slot].order = ~firstFree
        firstFree = UInt64(sleep.slot)
        return unsafe slots![sleep.slot].continuation.take()
    }

    func isSuspended(_ sleep: SleepToken) -> Bool {
        unsafe slots![sleep.slot].order == sleep.order && slots![sleep.slot].continuation != nil
    }

    private mutating func grow() {
        let wanted = max(16, capacity * 2)
        // Safe: a slot holds two words and no counted reference; see `UnsafeContinuation`.
        unsafe slots = unsafe swiftlet_array_resize(
            slots, capacity * MemoryLayout<Slot>.stride, wanted * MemoryLayout<Slot>.stride
        )!.assumingMemoryBound(to: Slot.self)
        capacity = wanted
    }

    /// The tasks that sleep, by the orders of their timers, as another thread finds them: see Inspection/InspectionReader.swift.
    ///
    /// - Parameter address: of the table.
    static func peekTasks(at address: UInt) -> [(order: UInt64, task: UInt)] {
        guard let slots = unsafe peek(address + UInt(MemoryLayout<SleepTable>.offset(of: \.slots)!), as: UInt.self),
            slots != 0,
            let count = peek(address + UInt(MemoryLayout<SleepTable>.offset(of: \.count)!), as: Int.self), count > 0
        else { return [] }
        let words = MemoryLayout<Slot>.stride / 8
        guard let content = peekArray(slots, count: count * words, of: UInt64.self) else { return [] }
        let place = unsafe MemoryLayout<Slot>.offset(of: \.continuation)! / 8
        return (0..<count).compactMap { slot in
            // Of a task the continuation holds the address, and nothing of none.
            let task = content[slot * words + place]
            return task == 0 ? nil : (content[slot * words], UInt(task))
        }
    }

    /// Frees the memory; tasks that still sleep stay suspended.
    mutating func destroy() {
        unsafe swiftlet_array_resize(slots, capacity * MemoryLayout<Slot>.stride, 0)
        self = SleepTable()
    }
}
