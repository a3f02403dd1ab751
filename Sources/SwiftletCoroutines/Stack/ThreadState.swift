import CSwiftlet
import Glibc

/// Whether the Swift runtime's per-thread state could be found, which parking inside a `Task` needs.
///
/// The runtime keeps the current task, the executor, task-local values outside tasks and the open exclusive accesses
/// in thread-local words. They travel with a stack when it is switched. Where they lie depends on linkage and
/// toolchain, so they are found at start-up by behaviour: see `thread_state.c`.
public enum ThreadState {
    /// Why Swift jobs cannot park in this process, or `nil` when they can.
    public static var refusal: String? {
        prepare()
        return unsafe swiftlet_thread_state_refusal().map { unsafe String(cString: $0) }
    }

    /// Runs the probe, once a process, on a thread of its own: inside a task its task-local round would mislead.
    static func prepare() { _ = probed }

    private static let probed: Void = {
        var prober = pthread_t()
        let status = unsafe pthread_create(
            &prober, nil,
            { _ in
                ThreadStateProbe.run()
                return nil
            }, nil)
        if status == 0 { pthread_join(prober, nil) }
        // Otherwise nothing is published and tasks are refused with the initial reason.
    }()
}

/// The rounds of the probe. Each makes the runtime set one word in a known way.
private enum ThreadStateProbe {
    @TaskLocal static var value: Int = 0

    static func run() {
        guard let probe = unsafe swiftlet_probe_begin() else { return }
        for round in 0..<3 {
            unsafe swiftlet_probe_access_round(probe)
            unsafe taskLocalRound(probe, marker: 0x5afe_c0de_1234_5678 &+ round &* 0x1111)
            unsafe taskRound(probe)
        }
        var words = unsafe (
            UnsafeMutablePointer<UInt64>?.none, UnsafeMutablePointer<UInt64>?.none,
            UnsafeMutablePointer<UInt64>?.none, UnsafeMutablePointer<UInt64>?.none
        )
        // Safe: a homogeneous tuple has the layout of the C array.
        let refusal = unsafe withUnsafeMutableBytes(of: &words) { bytes in
            unsafe swiftlet_probe_finish(
                probe, bytes.baseAddress!.assumingMemoryBound(to: UnsafeMutablePointer<UInt64>?.self))
        }
        if let refusal = unsafe refusal {
            unsafe swiftlet_probe_publish(probe, refusal)
        } else if unsafe taskLocalIsCaused(by: words.2!), unsafe taskIsCaused(by: words.0!) {
            unsafe swiftlet_probe_publish(probe, nil)
        } else {
            // A static string: the C side keeps the pointer.
            let reason: StaticString = "a word was found, but changing it did not change the runtime's answer"
            unsafe swiftlet_probe_publish(
                probe, UnsafeRawPointer(reason.utf8Start).assumingMemoryBound(to: CChar.self))
        }
    }

    @inline(never)
    private static func taskLocalRound(_ probe: OpaquePointer, marker: Int) {
        unsafe swiftlet_probe_mark(probe)
        $value.withValue(marker) {
            unsafe swiftlet_probe_keep_leading_to(probe, Int32(SWIFTLET_WORD_TASK_LOCAL), UInt64(marker))
        }
        unsafe swiftlet_probe_keep_restored(probe, Int32(SWIFTLET_WORD_TASK_LOCAL))
    }

    @inline(never)
    private static func taskRound(_ probe: OpaquePointer) {
        let executor = ProbeExecutor()
        let identity = unsafe UInt64(UInt(bitPattern: Unmanaged.passUnretained(executor).toOpaque()))
        unsafe swiftlet_probe_mark(probe)
        nonisolated(unsafe) let probe = unsafe probe
        executor.run {
            let task = unsafe UInt64(UInt(bitPattern: swiftlet_current_task()))
            unsafe swiftlet_probe_keep_value(probe, Int32(SWIFTLET_WORD_TASK), task)
            unsafe swiftlet_probe_keep_leading_to(probe, Int32(SWIFTLET_WORD_EXECUTOR), identity)
        }
        unsafe swiftlet_probe_keep_restored(probe, Int32(SWIFTLET_WORD_TASK))
        unsafe swiftlet_probe_keep_restored(probe, Int32(SWIFTLET_WORD_EXECUTOR))
    }

    /// Clearing the word must make the task-local read its default.
    private static func taskLocalIsCaused(by word: UnsafeMutablePointer<UInt64>) -> Bool {
        $value.withValue(42) {
            let saved = unsafe word.pointee
            unsafe word.pointee = 0
            let vanished = value == 0
            unsafe word.pointee = saved
            return vanished && value == 42
        }
    }

    /// Clearing the word must make the runtime see no task.
    private static func taskIsCaused(by word: UnsafeMutablePointer<UInt64>) -> Bool {
        nonisolated(unsafe) let word = unsafe word
        nonisolated(unsafe) var caused = false
        ProbeExecutor().run {
            let saved = unsafe word.pointee
            unsafe word.pointee = 0
            let vanished = unsafe swiftlet_current_task() == nil
            unsafe word.pointee = saved
            unsafe caused = unsafe vanished && swiftlet_current_task() != nil
        }
        return unsafe caused
    }
}

/// Runs one job at a time on the calling thread.
private final class ProbeExecutor: TaskExecutor, @unchecked Sendable {
    // Only ever touched by the probing thread.
    private var job: UnownedJob?

    func enqueue(_ job: consuming ExecutorJob) { self.job = UnownedJob(job) }

    func run(_ body: @escaping @Sendable () -> Void) {
        Task(executorPreference: self) { body() }
        while let next = job {
            job = nil
            unsafe next.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
