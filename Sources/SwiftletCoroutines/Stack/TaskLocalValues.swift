import CSwiftlet
import Glibc

/// The task-local values that are bound at one place, kept so that what begins there and runs on another stack finds them
/// bound too. What is bound there later is not seen here.
///
/// The runtime copies them at one occasion: when a task is made. So one is made that does nothing, and that runs only when its
/// values are not needed any more. It keeps them in a list, of the kind that the thread's own word leads to where no task
/// runs: that word is set to the address of a word with the list's first entry. In which word of a task that is, is found by
/// behaviour, as the thread's words are; if it cannot be found, values stay where they were bound.
@safe
package final class TaskLocalValues: @unchecked Sendable {
    /// The list's first entry.
    private let list: UInt64
    private let keeper: TaskKeeper

    private init?(_ keeper: TaskKeeper, index: Int) {
        list = unsafe keeper.words[index]
        self.keeper = keeper
        if list == 0 { return nil }
    }

    /// The caller may have some: it is in a task, or its stack has some bound. Costs two comparisons.
    package static var mayBeBound: Bool { unsafe swiftlet_may_have_task_locals(currentThread()) }

    /// Those of the caller, or `nil` if there are none.
    ///
    /// - Parameter own: those that the caller itself began with, which are shared if no others have been bound since.
    package static func current(sharing own: TaskLocalValues? = nil) -> TaskLocalValues? {
        let thread = unsafe currentThread()
        guard unsafe swiftlet_may_have_task_locals(thread), let index = ListProbe.index else { return nil }
        // Safe: a running task's object has at least the words that the probe looked at.
        let task = unsafe swiftlet_current_task()?.assumingMemoryBound(to: UInt64.self)
        let list = unsafe task.map { unsafe $0[index] } ?? swiftlet_first_task_local(thread)
        if list == 0 { return nil }
        if let own, own.list == list { return own }
        return TaskLocalValues(TaskKeeper(), index: index)
    }

    /// Runs a closure on a stack that is in no task, with the values bound. What it binds itself is put in front of them, and is
    /// gone at its end.
    package func bound<Value, Failure: Error>(during body: () throws(Failure) -> Value) throws(Failure) -> Value {
        let thread = unsafe currentThread()
        let first = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        unsafe first.initialize(to: list)
        let earlier = unsafe swiftlet_exchange_task_locals(thread, first)
        defer {
            _ = unsafe swiftlet_exchange_task_locals(thread, earlier)
            unsafe first.deallocate()
        }
        return try body()
    }
}

/// Makes a task, and runs it when it is not needed any more: its copies of the values are freed with it.
@safe
private final class TaskKeeper {
    private let executor = KeepingExecutor()
    private let task: Task<Void, Never>

    init() { task = Task(executorPreference: executor) {} }

    deinit { executor.runKept() }

    /// Safe while the keeper lives: a task's handle is one pointer to its object, which is longer than what is looked at.
    var words: UnsafePointer<UInt64> { unsafe unsafeBitCast(task, to: UnsafePointer<UInt64>.self) }
}

/// Keeps the one job that it is given.
private final class KeepingExecutor: TaskExecutor, @unchecked Sendable {
    // Set by who makes the task, taken by who frees it.
    private var job: UnownedJob?

    func enqueue(_ job: consuming ExecutorJob) { self.job = UnownedJob(job) }

    func runKept() { unsafe job.take()?.runSynchronously(on: asUnownedTaskExecutor()) }
}

/// Finds the word of a task's object that leads to the list of its values.
private enum ListProbe {
    @TaskLocal static var mark: UInt64 = 0

    /// No further: the runtime's part of a task is longer than this.
    private static let lookedAt = 24

    static let index: Int? = {
        // On a thread of its own, since here values may be bound.
        let found = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        defer { unsafe found.deallocate() }
        unsafe found.initialize(to: -1)
        var prober = pthread_t()
        let status = unsafe pthread_create(
            &prober, nil,
            { found in
                unsafe found!.assumingMemoryBound(to: Int.self).pointee = find() ?? -1
                return nil
            }, unsafe found)
        if status == 0 { pthread_join(prober, nil) }
        return unsafe found.pointee < 0 ? nil : found.pointee
    }()

    private static func find() -> Int? {
        let thread = unsafe currentThread()
        guard unsafe thread.pointee.has_task_state else { return nil }
        let key = unsafe UInt64(UInt(bitPattern: Unmanaged.passUnretained($mark).toOpaque()))
        let empty = TaskKeeper()
        var candidates = (0..<lookedAt).filter { unsafe empty.words[$0] == 0 }
        for mark in [0x5afe_c0de_0000_0001, 0x5afe_c0de_0000_0002, 0x5afe_c0de_0000_0003] as [UInt64] {
            $mark.withValue(mark) {
                let keeper = TaskKeeper()
                candidates.removeAll { unsafe !leads(keeper.words[$0], to: key, and: mark) }
            }
        }
        guard candidates.count == 1, let index = candidates.first else { return nil }
        // The cause too: with the thread's word set to it, the runtime must find the value.
        guard let values = $mark.withValue(7, operation: { TaskLocalValues.current(at: index) }) else { return nil }
        return values.bound(during: { mark == 7 && $mark.withValue(8) { mark == 8 } && mark == 7 }) && mark == 0
            ? index : nil
    }

    /// A list's first entry: the next one, the key, the value's type, the value. Read through the kernel, since what is no
    /// pointer must not fault.
    private static func leads(_ address: UInt64, to key: UInt64, and value: UInt64) -> Bool {
        guard let address = unsafe UnsafeRawPointer(bitPattern: UInt(address)) else { return false }
        var entry: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let count = unsafe withUnsafeMutableBytes(of: &entry) {
            unsafe swiftlet_peek($0.baseAddress, address, $0.count)
        }
        return count == MemoryLayout.size(ofValue: entry) && entry.1 == key && entry.3 == value
    }
}

extension TaskLocalValues {
    fileprivate static func current(at index: Int) -> TaskLocalValues? { TaskLocalValues(TaskKeeper(), index: index) }
}
