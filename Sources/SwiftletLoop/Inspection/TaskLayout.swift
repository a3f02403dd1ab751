import SwiftletCoroutines

/// What can be told of a task from its memory.
///
/// The beginning is the runtime's ABI (Job): what sort of object it is, the kind of job, its number. Whether it has ended is
/// not: so that is found out on tasks made for it, by what differs in each before and after its end.
@safe
struct TaskLayout: Sendable {
    private static let kindOffset = 32
    private static let numberOffset = 36
    /// Where the runtime's own part of a task begins and ends.
    private static let privatePart = 64..<184

    /// What tasks have in their first word.
    private let sort: UInt
    /// Bits that are set in all tasks that have ended, and in none before.
    private let ended: [Int: UInt]

    private static let kept = Locked<TaskLayout??>(nil)

    /// `nil` before `find()`, and when tasks cannot be told in this build.
    static var found: TaskLayout? { kept.withLock { $0 ?? nil } }

    /// The number of the task whose job this is; `nil` for jobs that are none.
    static func number(of job: UnsafeRawBufferPointer) -> UInt32? {
        guard unsafe job.loadUnaligned(fromByteOffset: kindOffset, as: UInt8.self) == 0 else { return nil }
        return unsafe job.loadUnaligned(fromByteOffset: numberOffset, as: UInt32.self)
    }

    /// Those of the tasks that are there and have not ended.
    func alive(_ tasks: [UInt: SuspendedTasks.Entry]) -> Set<UInt> {
        var alive: Set<UInt> = []
        var batch = PeekBatch(capacity: 1 << 20)
        var rest = Array(tasks)[...]
        while !rest.isEmpty {
            batch.clear()
            var pieces: [Int] = []
            for (task, _) in rest {
                guard let piece = batch.add(task, Self.privatePart.upperBound) else { break }
                pieces.append(piece)
            }
            batch.read()
            for (entry, piece) in zip(rest, pieces) where unsafe isAlive(batch.piece(piece), entry.value.number) {
                alive.insert(entry.key)
            }
            rest = rest.dropFirst(pieces.count)
        }
        return alive
    }

    private func isAlive(_ memory: UnsafeRawBufferPointer, _ number: UInt32) -> Bool {
        guard memory.count == Self.privatePart.upperBound,
            unsafe memory.loadUnaligned(as: UInt.self) == sort, unsafe Self.number(of: memory) == number
        else { return false }
        return !ended.allSatisfy { offset, bits in
            unsafe memory.loadUnaligned(fromByteOffset: offset, as: UInt.self) & bits == bits
        }
    }

    // MARK: Finding out

    /// Once, on a thread that runs neither loops nor tasks: jobs are run right here, which would end what the runtime knows of the
    /// current task.
    static func find() {
        kept.withLock { kept in
            if kept == nil { kept = .some(look()) }
        }
    }

    private static func look() -> TaskLayout? {
        let executor = HandExecutor()
        var sort: UInt?
        var ended: [Int: UInt] = [:]
        for round in 0..<6 {
            let continuation = Locked<CheckedContinuation<Void, Never>?>(nil)
            let task = Task(executorPreference: executor) {
                await withCheckedContinuation { next in continuation.withLock { $0 = next } }
            }
            guard let address = executor.runNext(), let before = copy(address) else { return nil }
            continuation.withLock { $0 }?.resume()
            guard executor.runNext() == address, let after = copy(address) else { return nil }
            if sort == nil { sort = before[0] }
            guard before[0] == sort, after[0] == sort else { return nil }
            for place in privatePart.lowerBound / 8..<privatePart.upperBound / 8 {
                let changed = after[place] & ~before[place]
                ended[place * 8] = round == 0 ? changed : (ended[place * 8] ?? 0) & changed
            }
            withExtendedLifetime(task) {}
        }
        ended = ended.filter { $0.value != 0 }
        guard let sort, !ended.isEmpty else { return nil }
        return TaskLayout(sort: sort, ended: ended)
    }

    private static func copy(_ address: UInt) -> [UInt]? {
        peekArray(address, count: privatePart.upperBound / 8, of: UInt.self)
    }
}

/// Keeps jobs until they are run by hand.
private final class HandExecutor: TaskExecutor, @unchecked Sendable {
    private let jobs = Locked<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
    }

    /// Answers the address of what it has run; `nil` if there was nothing.
    func runNext() -> UInt? {
        guard let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return nil }
        let address = unsafe UInt(bitPattern: unsafeBitCast(job, to: UnsafeMutableRawPointer.self))
        unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        return address
    }
}
