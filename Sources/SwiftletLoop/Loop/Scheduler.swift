import CSwiftlet
import Glibc
import SwiftletCoroutines

/// Turns between two looks at the clock, the descriptors and the inbox. Such a look costs some 300 ns.
private let turnsPerLook: Int64 = 64

extension EventLoop {
    @inline(__always)
    @discardableResult
    func decideHere(_ context: ContextPointer, _ id: UInt64, _ outcome: WaitOutcome) -> Bool {
        unsafe swiftlet_wait_decide_here(core, context, id, outcome.rawValue)
    }

    // MARK: Leading

    /// Works until a parked stack is to be continued; answers that one.
    func lead() -> ContextPointer {
        if swiftlet_watchdog_is_napping() { Watchdog.shared.loopAwakes() }
        let context = unsafe thread.pointee.current!
        while true {
            if unsafe core.pointee.budget <= 0 { look(mayTrim: false) }
            let item = unsafe swiftlet_ring_pop(&core.pointee.ready)
            if item == 0 {
                waitForWork()
                continue
            }
            unsafe core.pointee.budget -= 1
            unsafe swiftlet_counter_add(&core.pointee.turns, 1)
            switch item.tag {
            case .stack: return unsafe item.pointer.assumingMemoryBound(to: swiftlet_context.self)
            case .fiber:
                let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(item.pointer).takeRetainedValue()
                if let own = unsafe runFiber(fiber, on: context) { return unsafe own }
            case .job: unsafe runJob(item.pointer, on: context, isPlain: false)
            case .plainJob: unsafe runJob(item.pointer, on: context, isPlain: true)
            case .isolatedJob:
                if unsafe core.pointee.isolated_parked > 0, !configuration.interleavesIsolatedJobs {
                    unsafe swiftlet_ring_push(&core.pointee.held, item)
                } else {
                    unsafe runIsolatedJob(item.pointer, on: context)
                }
            case .callback:
                let callback = unsafe Unmanaged<Callback>.fromOpaque(item.pointer).takeRetainedValue()
                callback.run()
                giveBack(consume callback)
            case .decision, .timeout, .sleep: break  // never in this queue
            }
        }
    }

    @inline(__always)
    private func runJob(_ job: UnsafeMutableRawPointer, on context: ContextPointer, isPlain: Bool) {
        unsafe swiftlet_counter_add(&core.pointee.jobs, 1)
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_TASK.rawValue)
        unsafe context.pointee.run &+= 1
        unsafe context.pointee.owner = unsafe job
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_JOB), context, UInt64(UInt(bitPattern: job)), 0, 0)
        let noted = DescriptorOrigins.areNoted ? unsafe suspendedTasks.begin(job) : nil
        if isPlain { unsafe executors.runPlain(job) } else { unsafe executors.run(job) }
        if let noted { suspendedTasks.end(noted, unsafe thread.pointee.last_wait_id) }
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_JOB_END), context, 0, 0, 0)
        unsafe context.pointee.owner = nil
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_SCHEDULER.rawValue)
    }

    private func runIsolatedJob(_ job: UnsafeMutableRawPointer, on context: ContextPointer) {
        unsafe swiftlet_counter_add(&core.pointee.jobs, 1)
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_TASK.rawValue)
        unsafe context.pointee.run &+= 1
        unsafe context.pointee.is_isolated = true
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_JOB), context, UInt64(UInt(bitPattern: job)), 0, 0)
        let noted = DescriptorOrigins.areNoted ? unsafe suspendedTasks.begin(job) : nil
        unsafe executors.runIsolated(job)
        if let noted { suspendedTasks.end(noted, unsafe thread.pointee.last_wait_id) }
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_JOB_END), context, 0, 0, 0)
        unsafe context.pointee.is_isolated = false
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_SCHEDULER.rawValue)
        // The held ones came before whatever is in the queue now, but that has waited too: they go to its end.
        if unsafe core.pointee.isolated_parked == 0 {
            while case let held = unsafe swiftlet_ring_pop(&core.pointee.held), held != 0 {
                unsafe swiftlet_ring_push(&core.pointee.ready, held)
            }
        }
    }

    // MARK: Timers, descriptors, other threads

    func addTimer(at deadline: UInt64, order: UInt64, _ item: UInt64) {
        unsafe swiftlet_timer_heap_push(
            &core.pointee.timers, swiftlet_timer(deadline: deadline, order: order, item: item))
    }

    /// A wait with a timer ended otherwise. The entry stays until most are of that sort.
    func timerIsStale() {
        unsafe core.pointee.stale_timers += 1
        guard unsafe core.pointee.stale_timers > 64,
            // Three of four: each look at all of them pays for a third more than it frees.
            unsafe core.pointee.stale_timers / 3 > core.pointee.timers.count / 4
        else { return }
        sweepTimers()
    }

    /// Drops the entries of waits and calls that are over.
    func sweepTimers() {
        unsafe core.pointee.stale_timers = 0
        unsafe swiftlet_timer_heap_sweep(
            &core.pointee.timers,
            // Not counted here or below: the caller has the loop, and the entry its callback.
            { timer, loop in
                unsafe Unmanaged<EventLoop>.fromOpaque(loop!)._withUnsafeGuaranteedRef {
                    unsafe $0.isWanted(timer!.pointee)
                }
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Frees what the entry of an obsolete callback held.
    func isWanted(_ timer: swiftlet_timer) -> Bool {
        switch timer.item.tag {
        case .timeout:
            // Safe: contexts stay mapped; a number that differs means that the wait is over.
            let context = unsafe timer.item.pointer.assumingMemoryBound(to: swiftlet_context.self)
            return unsafe context.pointee.wait_id == timer.order
        case .sleep: return unsafe sleeps.isSuspended(SleepToken(timer))
        case .callback:
            let callback = unsafe Unmanaged<Callback>.fromOpaque(timer.item.pointer)
            guard unsafe callback._withUnsafeGuaranteedRef({ $0.isObsolete }) else { return true }
            unsafe giveBack(callback.takeRetainedValue())
            return false
        case .fiber:
            let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(timer.item.pointer)
            guard unsafe fiber._withUnsafeGuaranteedRef({ $0.isFinished }) else { return true }
            unsafe fiber.release()
            return false
        default: return true
        }
    }

    func fireDueTimers() {
        guard unsafe core.pointee.timers.count > 0 else { return }
        let now = swiftlet_now()
        while unsafe core.pointee.timers.count > 0, unsafe core.pointee.timers.timers[0].deadline <= now {
            let timer = unsafe swiftlet_timer_heap_pop(&core.pointee.timers)
            var isStale = false
            switch timer.item.tag {
            case .timeout:
                let context = unsafe timer.item.pointer.assumingMemoryBound(to: swiftlet_context.self)
                isStale = unsafe !decideHere(context, timer.order, .timedOut)
            case .sleep:
                let task = unsafe sleeps.end(SleepToken(timer))
                isStale = unsafe task == nil
                unsafe task?.resume()
            default: unsafe swiftlet_ring_push(&core.pointee.ready, timer.item)
            }
            if isStale, unsafe core.pointee.stale_timers > 0 { unsafe core.pointee.stale_timers -= 1 }
        }
    }

    func takeInbox() {
        guard unsafe !swiftlet_inbox_is_empty(inbox) else { return }
        var messages: UnsafeMutablePointer<swiftlet_message>?
        let count = unsafe swiftlet_inbox_take(inbox, &messages)
        unsafe swiftlet_counter_add(&core.pointee.foreign_wakes, UInt64(count))
        for index in 0..<count {
            let message = unsafe messages![index]
            if message.item.tag == .decision {
                // For a wait of a loop that this thread's record served before: its stack may be unmapped.
                if unsafe message.argument >> 3 < thread.pointee.first_wait_id { continue }
                let context = unsafe message.item.pointer.assumingMemoryBound(to: swiftlet_context.self)
                let outcome = WaitOutcome(rawValue: CInt(message.argument & 7))!
                unsafe decideHere(context, message.argument >> 3, outcome)
            } else {
                unsafe swiftlet_ring_push(&core.pointee.ready, message.item)
            }
        }
    }

    /// Fires timers, takes messages and looks at descriptors, without sleeping.
    private func look(mayTrim: Bool) {
        unsafe core.pointee.budget = simulation == nil ? turnsPerLook : 1
        fireDueTimers()
        takeInbox()
        if unsafe thread.pointee.has_abandoned { unsafe swiftlet_thread_take_abandoned(thread) }
        if descriptors.watchesAny {
            unsafe swiftlet_counter_add(&core.pointee.polls, 1)
            descriptors.poll(for: self, timeout: 0)
        }
        if mayTrim {
            unsafe swiftlet_stack_trim(thread, configuration.pooledStacks, 64)
            unsafe swiftlet_ring_trim(&core.pointee.ready)
        }
        if let run = unsafe simulation { unsafe chooseNext(run.simulation) }
    }

    /// Nothing is ready: sleeps until something may be.
    private func waitForWork() {
        look(mayTrim: true)
        if unsafe swiftlet_ring_count(&core.pointee.ready) > 0 { return }
        if let run = unsafe simulation { return waitInSimulation(run) }
        if unsafe lookout.isWorthIt, lookOut() { return }
        var timeout: Int64 = -1
        if unsafe core.pointee.timers.count > 0 {
            let now = swiftlet_now()
            let deadline = unsafe core.pointee.timers.timers[0].deadline
            if deadline <= now { return }
            timeout = Int64(clamping: deadline - now)
        }
        if timeout < 0 {
            guard let patience = deadlockPatience() else { return }
            timeout = patience
        }
        guard unsafe swiftlet_inbox_prepare_sleep(inbox) else { return }
        unsafe swiftlet_counter_set(&core.pointee.is_polling, 1)
        unsafe swiftlet_counter_add(&core.pointee.sleeps, 1)
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_SLEEP), nil, 0, 0, 0)
        descriptors.poll(for: self, timeout: timeout)
        unsafe swiftlet_loop_note(core, UInt32(SWIFTLET_TRACE_AWAKE), nil, 0, 0, 0)
        unsafe swiftlet_counter_set(&core.pointee.is_polling, 0)
        if swiftlet_watchdog_is_napping() { Watchdog.shared.loopAwakes() }
        unsafe swiftlet_inbox_end_sleep(inbox)
        unsafe lookout.awoke()
        fireDueTimers()
        takeInbox()
        if unsafe swiftlet_ring_count(&core.pointee.ready) == 0 { lookForDeadlock() } else { unsafe quietSince = 0 }
    }
    /// An answer of another process is expected any moment: the loop looks for it for a moment before it sleeps.
    package func expectAnswer() { unsafe lookout.begin() }

    /// Looks for what is expected any moment, and leaves the processor to others between two looks.
    ///
    /// - Returns: whether anything has come.
    private func lookOut() -> Bool {
        while unsafe lookout.isOpen {
            sched_yield()
            look(mayTrim: false)
            if unsafe swiftlet_ring_count(&core.pointee.ready) > 0 {
                unsafe lookout.close(hasPaid: true)
                return true
            }
        }
        unsafe lookout.close(hasPaid: false)
        return false
    }
}
