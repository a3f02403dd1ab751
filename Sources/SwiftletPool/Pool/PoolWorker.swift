import CSwiftletPool
import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// One worker process, as its pool sees it. On the pool's loop.
///
/// States: starting -> ready -> retiring -> ended; from each state to ended, if it dies or is killed.
/// - starting: it has not said that it can run jobs.
/// - retiring: it gets no more calls; once the last one is answered it is told to finish.
///
/// Two fibers belong to it. One waits for the process's end, by its descriptor; it then shuts the socket down. The other
/// reads the socket, takes what the worker had still said, and tells the pool, once, that the worker has gone.
final class PoolWorker: @unchecked Sendable {
    enum State {
        case starting
        case ready
        case retiring
        case ended
    }

    let queue: Int
    let identifier: pid_t
    let channel: FrameChannel
    private let process: Descriptor
    private let exited = Waiter<WorkerExit>()
    /// Kept until the process has ended.
    private let pool: PoolEngine
    private(set) var state = State.starting
    /// Calls that it is at, those included that nobody waits for any more.
    @exclusivity(unchecked) private(set) var running: [UInt64: PoolCall] = [:]
    /// Jobs that it has been given in all.
    private var assigned = 0
    private var limit: TimerHandle?
    private var cancelled: [UInt64: TimerHandle] = [:]
    /// It has been counted out of its queue.
    private(set) var hasRetired = false
    /// It was told to finish.
    private var hasFinished = false
    /// Why the pool has killed it.
    private var reason: WorkerExit?
    /// Why it is of no use, in the state starting.
    private var startFailure: PoolError?

    /// Starts the process.
    init(for pool: PoolEngine, queue: Int) throws(PoolError) {
        self.pool = pool
        self.queue = queue
        var ends: [CInt] = [-1, -1]
        var status = swiftlet_pool_pair(&ends)
        guard status == 0 else { throw Self.cannotStart("no socket", -status) }
        var descriptor: CInt = -1
        status = Self.spawn(pool.options.program, ends[1], &descriptor)
        Glibc.close(ends[1])
        guard status > 0 else {
            Glibc.close(ends[0])
            throw Self.cannotStart("no process", -status)
        }
        identifier = status
        process = Descriptor(owning: descriptor)
        channel = FrameChannel(owning: ends[0], loop: pool.loop)
    }

    private static func cannotStart(_ what: String, _ errno: CInt) -> PoolError {
        .cannotStart("\(what): \(String(cString: strerror(errno))) (errno \(errno))")
    }

    private static func spawn(_ program: WorkerProgram, _ socket: CInt, _ process: inout CInt) -> CInt {
        let path: String
        let words: [String]
        switch program {
        case .same: (path, words) = ("/proc/self/exe", [CommandLine.arguments.first ?? "worker"])
        case .at(let place, let arguments): (path, words) = (place, [place] + arguments)
        }
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        let list = copies.map { UnsafePointer<CChar>($0) } + [nil]
        return swiftlet_pool_spawn(path, list, "\(WorkerProcess.variable)=\(getpid())", socket, &process)
    }

    // MARK: Its fibers

    /// Begins to watch it. The fibers keep it, and the pool, until it has ended.
    func watch() {
        limit = later(pool.options.startLimit) { [self] in
            startFailure = .cannotStart(
                "the process \(identifier) did not say that it is a worker within \(pool.options.startLimit); "
                    + Self.remedy)
            kill()
        }
        pool.loop.spawn(name: "watcher of worker \(identifier)") { [self] in
            do {
                try shielded { try process.waitUntilReadable() }
            } catch {
                kill()  // it cannot be watched; to wait for it must not take long
            }
            let how = swiftlet_pool_reap(process.number)
            process.close()
            exited.resume(returning: Self.exit(how))
            channel.shutDown()
        }
        pool.loop.spawn(name: "reader of worker \(identifier)") { [self] in
            do {
                try channel.receive { try take($0, $1) }
            } catch let error as WireError {
                if state == .starting { startFailure = .incompatibleWorker(error.description) }
            } catch is CancellationError {
                pool.terminate()  // the loop ends, and the pool with it
            } catch {}  // the socket has ended
            // It has nothing more to say; a worker that was told to finish is about to.
            if state != .retiring || !hasFinished { kill() }
            let how = try shielded { try exited.wait()! }
            ended(reason ?? how)
        }
    }

    private static let remedy =
        "does its main begin with WorkerProcess.runIfWorker(...), before anything else?"

    private static func exit(_ how: swiftlet_pool_exit) -> WorkerExit {
        guard how.is_known else { return .unknown }
        return how.signal > 0 ? .killed(signal: Int(how.signal)) : .exited(code: Int(how.code))
    }

    private func ended(_ how: WorkerExit) {
        channel.close()
        limit?.cancel()
        for timer in cancelled.values { timer.cancel() }
        cancelled = [:]
        let before = state
        state = .ended
        let calls = running
        running = [:]
        pool.whenWorkerEnds?(how)
        if before == .starting {
            pool.workerFailedToStart(self, startFailure ?? failure(from: how))
        } else {
            pool.workerEnded(self, how, calls.values.sorted { $0.number < $1.number })
        }
    }

    private func failure(from how: WorkerExit) -> PoolError {
        if how == .exited(code: Int(WorkerProcess.forgotten)) {
            return .cannotStart("the program made a pool of its own instead of being a worker; \(Self.remedy)")
        }
        return .cannotStart("the process \(identifier) \(how) before it said that it is a worker; \(Self.remedy)")
    }

    /// Ends the process at once; the rest follows from that.
    func kill(_ reason: WorkerExit? = nil) {
        if self.reason == nil { self.reason = reason }
        send(SIGKILL)
    }

    /// Once it has been reaped the descriptor is closed, and nobody gets the signal.
    func send(_ signal: CInt) {
        if !process.isClosed { _ = swiftlet_pool_signal(process.number, signal) }
    }

    private func later(_ delay: Duration, _ body: @escaping () -> Void) -> TimerHandle? {
        // Refused by a loop that is closed: then the fibers end, and the process with them.
        try? pool.loop.callLater(delay, body)
    }

    // MARK: What it says

    private func take(_ frame: Frame, _ payload: Received) throws {
        switch frame.kind {
        case .answer: try answered(frame, payload)
        case .heard: cancelled.removeValue(forKey: frame.call)?.cancel()
        case .hello: try greeted(payload.withBytes { try BinaryDecoder($0).decode(Hello.self) })
        case .ready: becomeReady()
        case .startFailed:
            let error = try payload.withBytes { try BinaryDecoder($0).decode(RemoteError.self) }
            startFailure = .initializerFailed(type: error.type, text: error.text)
            kill()
        default: throw WireError("a worker has sent a \(frame.kind)")
        }
    }

    private func greeted(_ hello: Hello) throws {
        if let refusal = pool.refusal(of: hello) {
            startFailure = refusal
            return kill()
        }
        limit?.cancel()
        let options = pool.options
        do {
            let begin = Begin(
                sharedMemoryThreshold: options.sharedMemoryThreshold,
                initializer: try options.initializer.map { try pool.setup($0) },
                finalizer: try options.finalizer.map { try pool.setup($0) })
            channel.sharedMemoryThreshold = options.sharedMemoryThreshold
            try channel.send(Frame(kind: .begin), begin)
        } catch {
            startFailure = error as? PoolError ?? .cannotStart("\(error)")
            return kill()
        }
        if options.initializer == nil { becomeReady() }
    }

    private func becomeReady() {
        guard state == .starting else { return }
        state = .ready
        pool.workerIsReady(self)
    }

    private func answered(_ frame: Frame, _ payload: Received) throws {
        if !cancelled.isEmpty { cancelled.removeValue(forKey: frame.call)?.cancel() }
        guard let call = running.removeValue(forKey: frame.call) else { return }
        call.worker = nil
        if !call.isAnswered {
            do {
                if case .bytes(let bytes) = payload {
                    call.finish(.output(frame.flags, bytes, nil))
                } else {
                    let payload = try payload.keep()
                    call.finish(.output(frame.flags, payload.bytes, payload))
                }
            } catch {
                call.finish(.failure(PoolError.undecodableResult(job: call.job.jobName, reason: "\(error)")))
            }
        }
        pool.workerAnswered(self)
    }

    // MARK: What it is told

    var hasRoom: Bool { state == .ready && running.count < pool.options.childConcurrency }

    func give(_ call: PoolCall, type: Int) {
        assigned += call.count
        call.attempts += 1
        call.worker = self
        running[call.number] = call
        channel.send(Frame(kind: .call, flags: call.flags, type: type, call: call.number), call.payload)
        if let most = pool.options.maxTasksPerChild, assigned >= most { retire() }
    }

    /// Nobody waits for the call any more. If the worker does not hear of it in time it is stopped, or computes without a
    /// break: then only the kernel can end the job.
    func cancel(_ call: PoolCall) {
        guard running[call.number] != nil, cancelled[call.number] == nil else { return }
        if channel.withdraw(call.number) {
            running[call.number] = nil
            call.worker = nil
            return pool.workerAnswered(self)
        }
        channel.send(Frame(kind: .cancel, call: call.number))
        cancelled[call.number] = later(pool.options.responseLimit) { [self] in kill(.unresponsive) }
    }

    /// Gives it no more calls, and lets it finish once it has answered.
    func retire() {
        guard state == .ready else { return }
        state = .retiring
        hasRetired = true
        pool.workerRetires(self)
        finishIfIdle()
    }

    func finishIfIdle() {
        guard state == .retiring, running.isEmpty, !hasFinished else { return }
        hasFinished = true
        channel.send(Frame(kind: .finish))
        // A finalizer that does not end.
        limit = later(pool.options.startLimit) { [self] in kill() }
    }
}

extension Descriptor {
    /// Parks until it can be read: of a process, until that has ended.
    fileprivate func waitUntilReadable() throws {
        try drained(.reading)
        try waitUnlessReady(.reading)
    }
}
