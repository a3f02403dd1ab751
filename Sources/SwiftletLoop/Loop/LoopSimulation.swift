import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// Decides the order of a loop's turns in place of its queue: for tests. Called on the loop's thread.
package protocol LoopSimulation: AnyObject {
    /// Which of those that may run next does; 0 is the first in the queue. There are at least two.
    func choose(among count: Int) -> Int

    /// What the program draws: the same in each run.
    func randomNumber() -> UInt64
}

/// What a loop knows of its simulation. An object, since loops are kept for ever and few are simulated.
final class SimulatedRun: Sendable {
    /// Only the loop's thread asks it.
    nonisolated(unsafe) let simulation: any LoopSimulation
    let began: UInt64
    /// Jobs of tasks that had run by then.
    let jobsBefore: UInt64
    /// What the program has given to threads of pools, and they have not finished.
    let workElsewhere = Atomic<Int>(0)
    /// Some was given away since the inbox was looked at last. Only the loop's thread asks it.
    nonisolated(unsafe) var mayHaveMessages = false

    init(_ simulation: any LoopSimulation, at began: UInt64, jobsBefore: UInt64) {
        unsafe self.simulation = simulation
        self.began = began
        self.jobsBefore = jobsBefore
    }
}

/// Random numbers of the system; on a simulated loop those of the simulation.
package struct LoopRandom: RandomNumberGenerator {
    package init() {}

    package func next() -> UInt64 {
        if let run = unsafe EventLoop.currentIfAny?.simulation { return unsafe run.simulation.randomNumber() }
        var system = SystemRandomNumberGenerator()
        return system.next()
    }
}

/// A simulated loop: the clock of its thread stands while anything is left to do, and jumps to the next timer when nothing
/// is. There is one look a turn, which is where the order is chosen; so a loop that is not simulated pays for none of it but
/// a test in each look.
extension EventLoop {
    /// No program that ends sleeps for longer than this; one that does waits for what will not come.
    private static let horizon: UInt64 = 100 * 86_400 * 1_000_000_000

    /// On the loop's thread.
    package func beginSimulation(_ simulation: any LoopSimulation) {
        let now = swiftlet_now()
        swiftlet_simulate_now(now)
        unsafe self.simulation = SimulatedRun(simulation, at: now, jobsBefore: core.pointee.jobs)
        unsafe core.pointee.budget = 0
    }

    /// On the loop's thread. What has ended leaves no timers to the next simulation.
    package func endSimulation() {
        unsafe simulation = nil
        swiftlet_simulate_now(0)
        dropCalls()
    }

    /// Calls that have not come due belong to the program that has ended.
    private func dropCalls() {
        var kept: [swiftlet_timer] = []
        while unsafe core.pointee.timers.count > 0 {
            let timer = unsafe swiftlet_timer_heap_pop(&core.pointee.timers)
            if timer.item.tag == .callback {
                unsafe Unmanaged<Callback>.fromOpaque(timer.item.pointer).release()
            } else if isWanted(timer) {
                kept.append(timer)
            }
        }
        unsafe core.pointee.stale_timers = 0
        for timer in kept { unsafe swiftlet_timer_heap_push(&core.pointee.timers, timer) }
    }

    /// How far the simulated clock has come; `nil` for a loop in real time. On the loop's thread.
    package var simulatedTime: Duration? {
        unsafe simulation.map { .nanoseconds(Int64(clamping: swiftlet_now() - $0.began)) }
    }

    /// Brings one of those that may run next to the front. Calls keep their places: their order is promised.
    func chooseNext(_ simulation: any LoopSimulation) {
        let ready = unsafe core.pointee.ready
        let waiting = unsafe swiftlet_ring_count(&core.pointee.ready)
        var candidates: UInt32 = 0
        while candidates < waiting, unsafe ready.items[Int((ready.head &+ candidates) & ready.mask)].tag != .callback {
            candidates += 1
        }
        guard candidates > 1 else { return }
        var place = UInt32(simulation.choose(among: Int(candidates)))
        let chosen = unsafe ready.items[Int((ready.head &+ place) & ready.mask)]
        while place > 0 {
            unsafe ready.items[Int((ready.head &+ place) & ready.mask)] =
                unsafe ready.items[Int((ready.head &+ (place - 1)) & ready.mask)]
            place -= 1
        }
        unsafe ready.items[Int(ready.head & ready.mask)] = chosen
    }

    /// Nothing is ready. Who waits for another thread is waited for in earnest, before any timer.
    func waitInSimulation(_ run: SimulatedRun) {
        defer { unsafe core.pointee.budget = 0 }  // the next turn is chosen too
        if unsafe foreignWaits > 0, waitsForThreads {
            waitForOthers(timeout: -1)
        } else if run.workElsewhere.load(ordering: .acquiring) > 0 {
            // Its end need not wake anybody. A message that says so would come at any time, and change the order of turns.
            waitForOthers(timeout: 50_000_000)
        } else if unsafe run.mayHaveMessages {
            // What has ended sent its result before it was counted, perhaps after the last look.
            unsafe run.mayHaveMessages = false
            waitForOthers(timeout: 0)
        } else if unsafe core.pointee.timers.count > 0 {
            let next = unsafe core.pointee.timers.timers[0].deadline
            if next > run.began.advancedSaturating(by: Self.horizon) { return tellSimulatedDeadlock() }
            swiftlet_simulate_now(max(next, swiftlet_now()))
            fireDueTimers()
        } else {
            let servesTask = unsafe swiftlet_thread_root(thread)!.pointee.wait_kind == WaitKind.task.rawValue
            // A task that is to run here, and has not begun, is on its way: however long that takes.
            if servesTask, unsafe core.pointee.jobs == run.jobsBefore { return waitForOthers(timeout: -1) }
            // One that has begun may be suspended in another executor, and a descriptor belong to somebody else.
            let mayBeElsewhere =
                unsafe core.pointee.jobs > run.jobsBefore || descriptors.waiterCount > 0 || waits(for: .task)
            if mayBeElsewhere, othersBringWork() { return }
            tellSimulatedDeadlock()
        }
    }

    /// Work for a pool's thread. What a simulated program has given away is under way until it has ended, also if it sleeps.
    static func countedInSimulation(_ work: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        guard let run = unsafe currentIfAny?.simulation else { return work }
        unsafe run.mayHaveMessages = true
        run.workElsewhere.add(1, ordering: .relaxed)
        return {
            work()
            run.workElsewhere.subtract(1, ordering: .releasing)
        }
    }

    /// Waits until something comes from elsewhere, or nothing can be expected: then no other thread of the process has had
    /// anything to do for a second. Time alone would not tell that from a busy machine.
    private func othersBringWork() -> Bool {
        let looks = 20
        var quiet = 0
        // What was sent to Swift's pool has begun when these have run, which are behind it, a queue for each priority.
        let priorities: [TaskPriority] = [.background, .utility, .medium, .userInitiated]
        let unfinished = Locked(priorities.count)
        for priority in priorities { Task.detached(priority: priority) { unfinished.withLock { $0 -= 1 } } }
        while quiet < looks {
            waitForOthers(timeout: 1_000_000_000 / Int64(looks))
            if unsafe swiftlet_ring_count(&core.pointee.ready) > 0 { return true }
            quiet = unfinished.withLock { $0 } > 0 || swiftlet_other_threads_work() ? 0 : quiet + 1
        }
        return false
    }

    private func tellSimulatedDeadlock() {
        let root = unsafe swiftlet_thread_root(thread)!
        // Told already: it is on its way, or waits for fibers that it has cancelled.
        guard unsafe root.pointee.wait_id != 0 else { return waitForOthers(timeout: -1) }
        unsafe tellDeadlock(of: parkedStacks())
    }

    /// Ends the wait of every stack but the thread's own, as cancelled: after a deadlock. On the thread's own stack.
    package func cancelWaits() {
        let waiting = unsafe parkedStacks()
        for index in unsafe waiting.indices {
            unsafe decideHere(waiting[index], waiting[index].pointee.wait_id, .cancelled)
        }
    }

    private var waitsForThreads: Bool { waits(for: .thread) || waits(for: .otherLoop) }

    private func waits(for kind: WaitKind) -> Bool {
        unsafe (parkedStacks() + [swiftlet_thread_root(thread)!]).contains { stack in
            unsafe stack.pointee.wait_id != 0 && stack.pointee.wait_kind == kind.rawValue
        }
    }

    private func waitForOthers(timeout: Int64) {
        guard unsafe swiftlet_inbox_prepare_sleep(inbox) else { return takeInbox() }
        descriptors.poll(for: self, timeout: timeout)
        unsafe swiftlet_inbox_end_sleep(inbox)
        takeInbox()
    }
}
