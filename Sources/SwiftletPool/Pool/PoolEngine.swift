import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// What is under a `ProcessPool`: its workers, and the calls that wait for one. All of it belongs to one loop.
///
/// States: open -> closed -> ended, or to ended by `terminate`.
/// - closed: no further calls; those that were made are answered, then the workers finish.
/// - ended: there is no worker any more, and no call. Whoever waits in `join` goes on.
///
/// Workers that are missing are started at once. If that fails it is tried again, after longer and longer, unless no worker
/// has ever been ready: then the program or its initializer is wrong. After a few times in vain (`failure`) the calls of a queue
/// without workers get the reason.
///
/// Each call is answered once: by its worker, by its own deadline or cancellation, by the death of its worker, or by the
/// end of the pool.
final class PoolEngine: CallEngine, PoolOwner, @unchecked Sendable {
    enum State {
        case open
        case closed
        case terminated
    }

    let loop: EventLoop
    let options: PoolOptions
    private var state = State.open
    // Checks for exclusive access, several a call, would cost as much as the rest of what is done here.
    @exclusivity(unchecked) private(set) var workers: [PoolWorker] = []
    @exclusivity(unchecked) private var queues: [WorkerQueue]
    private var scheduler: any PoolScheduler
    @exclusivity(unchecked) private var lastNumber: UInt64 = 0
    /// Why no worker can be started: the calls of queues without workers get it.
    private var failure: PoolError?
    /// How often in a row; those that fail while the next start is waited for count once.
    private var failedStarts = 0
    private var hasBeenReady = false
    /// The time to start workers that are missing.
    private var nextStart: TimerHandle?
    /// What the workers' program has registered, by name: the same in all workers.
    private var jobs: [Hello.Job]?
    private var indexes: [String: Int] = [:]
    private var types: [ObjectIdentifier: Result<Int, PoolError>] = [:]
    private var readyWaiters: [Waiter<Void>] = []
    let ended = Waiter<Void>()
    /// Is told how each worker process has ended.
    var whenWorkerEnds: ((WorkerExit) -> Void)?

    /// Calls that wait for a worker of a group, and how that group is doing.
    private struct WorkerQueue {
        var calls = CallQueue()
        var running = 0
        /// Those that are starting included; those that take no more calls not.
        var workers = 0
    }

    init(_ options: PoolOptions) throws {
        try options.check()
        self.options = options
        loop = try EventLoop.carrier ?? EventLoop.sharedLoop()
        queues = Array(repeating: WorkerQueue(), count: options.queueCount)
        scheduler = options.scheduler
    }

    var slots: Int { options.processes * options.childConcurrency }
    var sharesBuild: Bool { true }

    func chunkSize(_ rule: ChunkRule, jobs: Int) -> Int { rule.size(jobs: jobs, processes: options.processes) }

    func start() { startMissingWorkers() }

    // MARK: Calls

    func submit(_ call: PoolCall) {
        guard state == .open else {
            return call.finish(.failure(state == .closed ? PoolError.closed : PoolError.terminated))
        }
        lastNumber += 1
        call.number = lastNumber
        if let deadline = call.deadline {
            call.timer = try? loop.callAt(deadline) { [self] in cancel(call, DeadlineExceeded()) }
        }
        let index = call.queue ?? chooseQueue()
        guard queues.indices.contains(index) else {
            return call.finish(
                .failure(PoolError.invalidOption("the scheduler has chosen queue \(index), which does not exist")))
        }
        if let failure, queues[index].workers == 0 { return call.finish(.failure(failure)) }
        queues[index].calls.append(call)
        dispatch(index)
    }

    private func chooseQueue() -> Int {
        guard queues.count > 1 else { return 0 }
        return scheduler.choose(
            among: queues.map { QueueLoad(waiting: $0.calls.count, running: $0.running, workers: $0.workers) })
    }

    /// Answers the call now. If a worker is at it, it is told.
    func cancel(_ call: PoolCall, _ error: any Error) {
        guard !call.isAnswered else { return }
        call.finish(.failure(error))
        call.worker?.cancel(call)
        finishIfDone()
    }

    /// Hands out what waits in a queue.
    private func dispatch(_ queue: Int) {
        while !queues[queue].calls.isEmpty, let worker = leastLoaded(of: queue), let call = queues[queue].calls.pop() {
            switch index(of: call.job) {
            case .failure(let error): call.finish(.failure(error))
            case .success(let type):
                queues[queue].running += 1
                worker.give(call, type: type)
            }
        }
    }

    private func leastLoaded(of queue: Int) -> PoolWorker? {
        var best: PoolWorker?
        for worker in workers where worker.queue == queue && worker.hasRoom {
            if worker.running.count < best?.running.count ?? .max { best = worker }
        }
        return best
    }

    private func index(of job: any PoolJob.Type) -> Result<Int, PoolError> {
        let key = ObjectIdentifier(job)
        if let known = types[key] { return known }
        let name = job.jobName
        let found: Result<Int, PoolError>
        if let index = indexes[name], let theirs = jobs?[index].version {
            found =
                theirs == job.jobVersion
                ? .success(index) : .failure(.versionMismatch(job: name, ours: job.jobVersion, theirs: theirs))
        } else {
            found = .failure(.notRegistered(job: name, registered: indexes.keys.sorted()))
        }
        types[key] = found
        return found
    }

    /// A job that begins or ends each worker, as it goes over the socket.
    func setup(_ job: some PoolJob) throws -> Begin.Setup {
        let encoder = BinaryEncoder()
        try encoder.encode(job)
        return Begin.Setup(type: try index(of: type(of: job)).get(), job: [UInt8](encoder.writer.bytes))
    }

    // MARK: Workers

    private func startMissingWorkers() {
        while nextStart == nil, let queue = queueInNeed, startWorker(of: queue) {}
    }

    /// The queue that gets the next worker, if any does.
    private var queueInNeed: Int? {
        switch state {
        case .open:
            guard queues.reduce(0, { $0 + $1.workers }) < options.processes else { return nil }
            return queues.indices.min { queues[$0].workers < queues[$1].workers }
        // Calls that nobody else would take: their workers have died, or taken their last.
        case .closed: return queues.indices.first { queues[$0].workers == 0 && queues[$0].calls.hasUnanswered }
        case .terminated: return nil
        }
    }

    private func startWorker(of queue: Int) -> Bool {
        do {
            let worker = try PoolWorker(for: self, queue: queue)
            queues[queue].workers += 1
            workers.append(worker)
            worker.watch()
            return true
        } catch {
            startFailed(error)
            return false
        }
    }

    /// Why a worker is of no use, if it is.
    func refusal(of hello: Hello) -> PoolError? {
        if hello.protocolVersion != Hello.protocolVersion {
            return .incompatibleWorker(
                "it speaks version \(hello.protocolVersion) of the pool's language, this program \(Hello.protocolVersion)"
            )
        }
        if options.program == .same, hello.build != buildIdentity {
            return .incompatibleWorker("it is build \(hello.build), this program build \(buildIdentity)")
        }
        if let jobs {
            return jobs == hello.jobs ? nil : .incompatibleWorker("it knows other jobs than the workers before it")
        }
        jobs = hello.jobs
        for (index, job) in hello.jobs.enumerated() { indexes[job.name] = index }
        return nil
    }

    func workerIsReady(_ worker: PoolWorker) {
        hasBeenReady = true
        failure = nil
        failedStarts = 0
        dispatch(worker.queue)
        startMissingWorkers()
        if areReady { wakeReadyWaiters(.success(())) }
        finishIfDone()
    }

    func workerAnswered(_ worker: PoolWorker) {
        queues[worker.queue].running -= 1
        dispatch(worker.queue)
        worker.finishIfIdle()
        finishIfDone()
    }

    /// It takes no more calls: another one starts while it finishes.
    func workerRetires(_ worker: PoolWorker) {
        queues[worker.queue].workers -= 1
        startMissingWorkers()
    }

    func workerEnded(_ worker: PoolWorker, _ exit: WorkerExit, _ lost: [PoolCall]) {
        workers.removeAll { $0 === worker }
        queues[worker.queue].running -= lost.count
        for call in lost.reversed() where !call.isAnswered {
            call.worker = nil
            if call.job.isIdempotent, call.attempts <= options.retryLimit, state != .terminated {
                queues[worker.queue].calls.putBack(call)
            } else {
                call.finish(.failure(lossOf(call, exit)))
            }
        }
        if !worker.hasRetired { queues[worker.queue].workers -= 1 }
        startMissingWorkers()
        dispatch(worker.queue)
        finishIfDone()
    }

    private func lossOf(_ call: PoolCall, _ exit: WorkerExit) -> PoolError {
        state == .terminated
            ? .terminated : .workerDied(job: call.job.jobName, exit: exit, attempts: call.attempts)
    }

    func workerFailedToStart(_ worker: PoolWorker, _ error: PoolError) {
        workers.removeAll { $0 === worker }
        queues[worker.queue].workers -= 1
        startFailed(error)
    }

    private func startFailed(_ error: PoolError) {
        guard state == .open || hasWaitingCalls else { return finishIfDone() }
        if hasBeenReady {
            startLater()
            if failedStarts <= Self.patience { return }
        } else if !workers.isEmpty {
            return  // the others may do better
        }
        failure = error
        for index in queues.indices where queues[index].workers == 0 { abandonCalls(of: index, error) }
        wakeReadyWaiters(.failure(error))
        finishIfDone()
    }

    /// After so many failures there is no hope for calls that wait.
    private static let patience = 3
    private static let longestDelay = Duration.seconds(5)

    /// What was lacking may be there later.
    private func startLater() {
        guard nextStart == nil else { return }
        failedStarts += 1
        let delay = min(.milliseconds(50) * failedStarts, Self.longestDelay)
        // Refused by a loop that is closed: then the pool ends.
        nextStart = try? loop.callLater(delay) { [self] in
            nextStart = nil
            startMissingWorkers()
            finishIfDone()
        }
    }

    private func abandonCalls(of queue: Int, _ error: PoolError) {
        while let call = queues[queue].calls.pop() { call.finish(.failure(error)) }
    }

    // MARK: Beginning and end

    /// Waits until all workers are ready.
    func waitUntilReady() throws {
        let waiter = Waiter<Void>()
        let entered = enter { [self] in
            if let failure { return waiter.resume(throwing: failure) }
            if state != .open { return waiter.resume(throwing: PoolError.closed) }
            if areReady { return waiter.resume(returning: ()) }
            readyWaiters.append(waiter)
        }
        guard entered else { throw PoolError.closed }
        _ = try waiter.wait()
    }

    private var areReady: Bool { nextStart == nil && workers.allSatisfy { $0.state != .starting } }

    private func wakeReadyWaiters(_ result: Result<Void, any Error>) {
        let waiters = readyWaiters
        readyWaiters = []
        for waiter in waiters {
            switch result {
            case .success: waiter.resume(returning: ())
            case .failure(let error): waiter.resume(throwing: error)
            }
        }
    }

    var isOpen: Bool { state == .open }

    private var hasWaitingCalls: Bool { queues.contains { $0.calls.hasUnanswered } }

    func close() {
        guard state == .open else { return }
        state = .closed
        finishIfDone()
    }

    /// Kills the workers. Calls that are not answered get `PoolError.terminated`.
    func terminate() {
        guard state != .terminated else { return }
        state = .terminated
        for index in queues.indices { abandonCalls(of: index, .terminated) }
        for worker in workers {
            for call in worker.running.values { call.finish(.failure(PoolError.terminated)) }
            worker.kill()
        }
        wakeReadyWaiters(.failure(PoolError.terminated))
        finishIfDone()
    }

    private func finishIfDone() {
        guard state != .open, !hasWaitingCalls else { return }
        nextStart?.cancel()
        nextStart = nil
        if state == .closed {
            for worker in workers {
                switch worker.state {
                case .ready where worker.running.isEmpty: worker.retire()
                case .starting: worker.kill()
                default: break
                }
            }
        }
        if workers.isEmpty {
            wakeReadyWaiters(.failure(PoolError.closed))
            ended.resume(returning: ())
        }
    }
}
