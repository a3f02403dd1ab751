import SwiftletCoroutines
import SwiftletLoop

/// The jobs of one `map` on their way: taken one by one from the input, sent in chunks, as many at a time as may be under way.
///
/// A fiber of the pool's loop takes the jobs; so the input may wait. After a failure no more are taken if `stopsAtFailure`.
/// Results are kept by chunk until they are asked for: in order, or as they come.
final class PoolMap<Job: PoolJob>: @unchecked Sendable {
    typealias Outcome = Result<Job.Output, any Error>

    /// What came of the jobs of a call.
    enum Chunk {
        /// All have succeeded.
        case values([Job.Output])
        case outcomes([Outcome])

        var count: Int {
            switch self {
            case .values(let values): values.count
            case .outcomes(let outcomes): outcomes.count
            }
        }

        subscript(index: Int) -> Outcome {
            switch self {
            case .values(let values): .success(values[index])
            case .outcomes(let outcomes): outcomes[index]
            }
        }

        var firstFailure: (any Error)? {
            guard case .outcomes(let outcomes) = self else { return nil }
            for case .failure(let error) in outcomes { return error }
            return nil
        }
    }

    private struct State {
        /// What has come and was not asked for, by the number of the first job.
        var ready: [Int: Chunk] = [:]
        /// Numbers of chunks in the order in which they came.
        var arrived: [Int] = []
        var arrivedHead = 0
        /// The number of the job that comes next in order.
        var next = 0
        /// The chunk that is being handed out, and how much of it has been.
        var current = Chunk.values([])
        var position = 0
        var taken = 0
        var handedOut = 0
        var isTaking = true
        var hasFailed = false
        var isCancelled = false
        var underway: [ObjectIdentifier: PoolCall] = [:]
    }

    private let engine: any CallEngine
    private let isOrdered: Bool
    private let stopsAtFailure: Bool
    private let state = Locked(State())
    /// A permit for each chunk that may be under way or wait to be asked for.
    private let room: Semaphore
    private let changed = Event()

    init(
        _ engine: any CallEngine, _ jobs: JobSource<Job>, chunk: Int, lookAhead: Int?, isOrdered: Bool,
        stopsAtFailure: Bool, timeout: Duration?
    ) {
        self.engine = engine
        self.isOrdered = isOrdered
        self.stopsAtFailure = stopsAtFailure
        // Each worker has its next chunks ready when it is done with these.
        room = Semaphore(max(1, lookAhead.map { $0 / chunk } ?? engine.slots * 2))
        let values = CallContext.values
        let deadline = timeout.map { Deadline.after($0) }
        let entered = engine.enter { [self] in
            engine.loop.spawn(name: "input of a pool's map") { [self] in
                do {
                    try take(jobs, chunk, deadline, values)
                } catch {}  // the loop ends: the calls are answered by the end of the pool
                endOfInput()
            }
        }
        if !entered {
            put(.outcomes([.failure(PoolError.closed)]), at: 0)
            state.withLock { $0.taken = 1 }
            endOfInput()
        }
    }

    // MARK: Input, on the pool's loop

    private func take(_ jobs: JobSource<Job>, _ size: Int, _ deadline: Deadline?, _ values: [String: String]) throws {
        var first = 0
        while true {
            try room.acquire()
            if state.withLock({ $0.isCancelled || stopsAtFailure && $0.hasFailed }) { return }
            let batch = jobs.take(size)
            if batch.isEmpty { return }
            // Where there is room for thousands, others shall have their turns meanwhile.
            if first / size % 64 == 63 { try yield() }
            first = try send(batch[...], at: first, deadline, values)
        }
    }

    /// - Returns: the number of the job behind these.
    private func send(
        _ jobs: ArraySlice<Job>, at first: Int, _ deadline: Deadline?, _ values: [String: String]
    ) throws -> Int {
        var builder = CallBuilder(Job.self, for: engine, deadline: deadline, values: values)
        guard let (bad, error) = builder.add(jobs) else {
            try submit(builder, at: first)
            return first + jobs.count
        }
        // One that cannot be encoded has its answer; what is before and behind it goes by itself.
        var next = first
        if builder.count > 0 {
            try submit(builder, at: next)
            next += builder.count
            try room.acquire()
        }
        state.withLock { $0.taken += 1 }
        put(.outcomes([.failure(error)]), at: next)
        next += 1
        guard bad + 1 < jobs.endIndex else { return next }
        try room.acquire()
        return try send(jobs[(bad + 1)...], at: next, deadline, values)
    }

    private func submit(_ builder: CallBuilder<Job>, at first: Int) throws {
        let count = builder.count
        var key: ObjectIdentifier?
        let call = builder.call { [self] outcome in
            if let key { state.withLock { _ = $0.underway.removeValue(forKey: key) } }
            if let values = OutcomeReader<Job>.plainValues(outcome, count: count) {
                put(.values(values), at: first)
            } else {
                var outcomes: [Outcome] = []
                outcomes.reserveCapacity(count)
                OutcomeReader<Job>.read(outcome, count: count) { outcomes.append($1) }
                put(.outcomes(outcomes), at: first)
            }
        }
        key = ObjectIdentifier(call)
        let isCancelled = state.withLock { state in
            state.taken += count
            state.underway[ObjectIdentifier(call)] = call
            return state.isCancelled
        }
        engine.submit(call)
        if isCancelled { engine.cancel(call, CancellationError()) }
    }

    private func endOfInput() {
        state.withLock { $0.isTaking = false }
        changed.set()
    }

    private func put(_ chunk: Chunk, at first: Int) {
        state.withLock { state in
            if chunk.firstFailure != nil { state.hasFailed = true }
            state.ready[first] = chunk
            if !isOrdered { state.arrived.append(first) }
        }
        changed.set()
    }

    // MARK: Output

    /// The next outcome; waits for it.
    ///
    /// - Returns: `nil` after the last.
    func next(until deadline: Deadline?) throws -> Outcome? {
        try wait(until: deadline) { state in
            if state.position == state.current.count {
                guard let chunk = nextChunk(&state) else { return nil }
                (state.current, state.position) = (chunk, 0)
            }
            defer { state.position += 1 }
            return state.current[state.position]
        }
    }

    /// All results in order.
    ///
    /// - Throws: the error of the first job, in their order, that has failed.
    func all() throws -> [Job.Output] {
        var values: [Job.Output] = []
        var failure: (any Error)?
        while let chunk = try wait(until: nil, { nextChunk(&$0) }) {
            if failure == nil { failure = chunk.firstFailure }
            if failure != nil { continue }
            switch chunk {
            case .values(let some): values.append(contentsOf: some)
            case .outcomes(let outcomes): for case .success(let value) in outcomes { values.append(value) }
            }
        }
        if let failure { throw failure }
        return values
    }

    /// Waits until there is what is wanted.
    ///
    /// - Returns: `nil` when nothing more will come.
    private func wait<Wanted>(until deadline: Deadline?, _ take: (inout State) -> Wanted?) throws -> Wanted? {
        while true {
            var hasEnded = false
            let found = state.withLock { state -> Wanted? in
                if let found = take(&state) { return found }
                hasEnded = !state.isTaking && state.handedOut == state.taken
                changed.clear()
                return nil
            }
            if found != nil || hasEnded { return found }
            guard try changed.wait(timeout: deadline?.remaining) else { throw DeadlineExceeded() }
        }
    }

    /// The chunk whose turn it is, which makes room for another one.
    private func nextChunk(_ state: inout State) -> Chunk? {
        let found: Chunk?
        if isOrdered {
            found = state.ready.removeValue(forKey: state.next)
        } else if state.arrivedHead < state.arrived.count {
            found = state.ready.removeValue(forKey: state.arrived[state.arrivedHead])
            state.arrivedHead += 1
            if state.arrivedHead == state.arrived.count { (state.arrived, state.arrivedHead) = ([], 0) }
        } else {
            found = nil
        }
        guard let found else { return nil }
        state.next += found.count
        state.handedOut += found.count
        room.release()
        return found
    }

    /// Takes no further input, and cancels what is under way.
    func cancel() {
        let calls = state.withLock { state in
            state.isCancelled = true
            return Array(state.underway.values)
        }
        let engine = engine
        engine.enter { for call in calls { engine.cancel(call, CancellationError()) } }
        room.release()
    }
}
