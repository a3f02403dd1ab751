import SwiftletCoroutines

/// A coroutine as it was found: what runs or waits on a stack, or a fiber or task that has none.
package struct InspectedCoroutine: Sendable {
    package enum Kind: Int, Sendable {
        /// A thread's own stack.
        case thread = 0
        case generator = 1
        case greenlet = 2
        case fiber = 3
        case task = 4
    }

    package enum State: Int, Sendable {
        /// Spawned, and has not begun.
        case unstarted
        case running
        /// Stands in the ready queue.
        case ready
        case waiting
        /// A generator or greenlet that nobody has resumed; a task at an `await`.
        case suspended
    }

    /// The address of its stack, or of itself if it has none: its own as long as it lives.
    package var identity: UInt
    package var loop: Int
    package var kind: Kind
    package var state: State
    /// Fibers are numbered on their loop in the order in which they begin. 0: not begun.
    package var number: UInt64 = 0
    /// Tells what runs on a stack from what ran there before.
    package var run: UInt64 = 0
    package var name: String?
    /// Where it was spawned.
    package var origin: String?
    /// The number of the fiber that spawned it; 0 for none.
    package var spawner: UInt64 = 0
    package var isCancelled = false
    package var isBackground = false
    /// For how long it has run, while somebody had that counted.
    package var runNanoseconds: UInt64 = 0
    package var waitNumber: UInt64 = 0
    package var waitKind: WaitKind?
    /// What it waits on: a descriptor's number, or an address.
    package var waitObject: UInt = 0
    /// When the wait ends at the latest, on the loop's clock.
    package var deadline: UInt64?
    /// The task's or fiber's object.
    package var owner: UInt = 0
    package var scope: UInt = 0
    package var scopeOrigin: String?
    /// Its place among `InspectedProcess.stacks`.
    package var stack: Int?
    package var stackSize = 0
    /// Bytes in use at present, and touched ever.
    package var stackUsed = 0
    package var stackTouched = 0
    /// Those whose end or release it waits for: places among `InspectedProcess.coroutines`.
    package var waitsFor: [Int] = []
    /// Waits in a circle, with all others of the same number.
    package var cycle: Int?
    /// The stack on which a flow of control that began here waits.
    var parked: UInt = 0
    var resumer: UInt = 0
    var joiners: UInt = 0
}

/// A loop as it was found.
package struct InspectedLoop: Sendable {
    package var kernelID: Int
    package var threadName: String
    package var statistics: LoopStatistics
    package var readyCount = 0
    package var heldJobs = 0
    package var unreadMessages = 0
    package var readyJobs = 0
    /// It sleeps until something happens.
    package var isAsleep = false
    /// Its thread runs its own stack, outside of the loop.
    package var isOutside = false
    package var processorNanoseconds: UInt64 = 0
    package var lastWait: UInt64 = 0
    /// What runs on it, if anything: a place among the coroutines.
    package var running: Int?
    /// Of its thread: the kernel's letter, the call to the kernel that it is in, where it works.
    package var threadState: Character = "?"
    package var systemCall: String?
    package var systemCallArgument: UInt64 = 0
    package var stack: Int?
    package var watchedDescriptors = 0
}

/// All loops of this process, and what was found on them.
package struct InspectedProcess: Sendable {
    package var loops: [InspectedLoop] = []
    package var coroutines: [InspectedCoroutine] = []
    /// Distinct backtraces, innermost frame first.
    package var stacks: [[UInt]] = []
    /// Taken at this time, on the monotonic clock.
    package var time: UInt64 = 0
    package var duration: Duration = .zero
}
