import SwiftletCoroutines
import SwiftletLoop
import SwiftletPool

/// What is under a pool over NATS, and under each of its named job sets: calls on their way to workers, and results on
/// their way back. On one loop.
///
/// States: starting -> open -> closed -> ended; to ended from each, by `terminate`, or when the servers cannot be used.
/// - starting: calls wait, until there are a connection and a consumer of the set's results.
/// - closed: no further calls; those that were made are answered.
///
/// A call waits -> is published -> stored -> answered; from each to answered when it is cancelled. It leaves `open` when it is
/// answered, and what comes for a key that is not there is dropped: so each is answered once, though a job may be done twice.
final class JobSetEngine: CallEngine, @unchecked Sendable {
    enum State {
        case starting
        case open
        case closed
        case ended
    }

    struct OpenCall {
        let call: PoolCall
        let key: String
        /// Of its publication, while that is not acknowledged.
        var publication: UInt64?
        /// In the stream of jobs.
        var sequence: Int?
        /// How often the job has been put into the stream.
        var attempts = 0
        var search = LostJobSearch()
    }

    let loop: EventLoop
    private let configuration: NATSConfiguration
    /// `nil` for the calls of a pool that belong to no named set.
    private let name: String?
    private let set: String
    /// Tells the jobs of this run of the program from those of others, which may be of the same set.
    private let run = String(UInt64.random(in: .min ... .max), radix: 36)
    private var state = State.starting
    private var failure: (any Error)?
    private(set) var client: Client?
    private var puller: Puller?
    private var identities: CallIdentities
    private var waiting = CallQueue()
    var open: [String: OpenCall] = [:]
    /// Of the open calls, by their number.
    private var keys: [UInt64: String] = [:]
    private var lastNumber: UInt64 = 0
    private var isReady = false
    /// Results that were there when this run began: where they lie in the stream, by their key.
    private var stored: [String: Int] = [:]
    /// The last result that came.
    private var lastSequence = 0
    private var answersSincePurge = 0
    private var searcher: AnyFiber?
    private let ready = Waiter<Void>()

    init(_ configuration: NATSConfiguration, name: String?, on loop: EventLoop) {
        self.loop = loop
        self.configuration = configuration
        self.name = name
        set = name.map { "s-" + QueueNames.token($0) } ?? "r-" + String(UInt64.random(in: .min ... .max), radix: 36)
        identities = CallIdentities(isNamed: name != nil)
    }

    // MARK: As a call engine

    var slots: Int { configuration.outstandingLimit / 2 }
    /// Workers may be another program, on another kind of machine.
    var sharesBuild: Bool { false }

    /// Nobody knows how many workers there are: Python's rule, which divides by that, is one at a time.
    func chunkSize(_ rule: ChunkRule, jobs: Int) -> Int {
        if case .fixed(let size) = rule { max(1, size) } else { 1 }
    }

    func submit(_ call: PoolCall) {
        guard state == .starting || state == .open else {
            return call.finish(.failure(failure ?? (state == .closed ? PoolError.closed : PoolError.terminated)))
        }
        if let deadline = call.deadline {
            call.timer = try? loop.callAt(deadline) { [self] in cancel(call, DeadlineExceeded()) }
        }
        waiting.append(call)
        dispatch()
    }

    func cancel(_ call: PoolCall, _ error: any Error) {
        guard !call.isAnswered else { return }
        call.finish(.failure(error))
        // One that waits is passed over when its turn comes.
        if let key = keys[call.number], let found = removeOpen(key) { withdraw(found) }
        dispatch()
    }

    /// Takes a job back: out of the queue if it is there, and from the worker that is at it.
    private func withdraw(_ open: OpenCall) {
        guard let client else { return }
        // Of one that the stream has not said to have: it says so later.
        if let sequence = open.sequence { client.stream.deleteMessage(sequence, of: client.names.jobs) }
        client.connection.send(OutgoingMessage(client.names.cancellations, text: open.key))
    }

    // MARK: Beginning

    /// Connects, if no client is given, and begins to listen for results. In a fiber of its own.
    func start(with client: @escaping @Sendable () throws -> Client) {
        loop.spawn(name: "start of a NATS pool") { [self] in
            do {
                let client = try client()
                guard state != .ended else { return }
                self.client = client
                client.connection.onClose { [self] in
                    terminate(NATSError.connectionClosed(reason: "its loop has ended"))
                }
                if name != nil { try findStored(client) }
                let puller = Puller(
                    client.connection, stream: client.names.results,
                    makeConsumer: { [weak self] in try self?.makeConsumer() ?? "" }, room: { 4096 },
                    onFailure: { [weak self] in self?.terminate($0) }, take: { [weak self] in self?.came($0, $1) })
                self.puller = puller
                try puller.start()
                guard state != .ended else { return puller.stop() }
                if state == .starting { state = .open }
                isReady = true
                searcher = loop.spawn(name: "search for lost NATS jobs") { [self] in try searchForLostJobs() }
                ready.resume(returning: ())
                dispatch()
            } catch {
                terminate(error is CancellationError ? PoolError.terminated : error)
            }
        }
    }

    func waitUntilReady() throws { _ = try ready.wait() }

    private func filter(_ names: QueueNames) -> String { "\"filter_subject\":\"\(names.result("\(set).*"))\"" }

    private static let ownSettings =
        "\"ack_policy\":\"none\",\"num_replicas\":1,\"mem_storage\":true,\"inactive_threshold\":120000000000"

    /// A consumer of the results behind the last one that came.
    private func makeConsumer() throws -> String {
        let client = client!
        if let old = puller?.name { client.stream.deleteConsumer(old, of: client.names.results) }
        return try client.stream.makeConsumer(
            of: client.names.results,
            """
            \(Self.ownSettings),\(filter(client.names)),"deliver_policy":"by_start_sequence",\
            "opt_start_seq":\(lastSequence + 1)
            """
        ).name
    }

    /// Reads the keys of the results that are there. Failures do not count: those jobs are done again.
    private func findStored(_ client: Client) throws {
        let finished = Waiter<Void>()
        let puller = Puller(
            client.connection, stream: client.names.results,
            makeConsumer: { [self] in
                let settings = """
                    \(Self.ownSettings),\(filter(client.names)),"headers_only":true,"deliver_policy":"by_start_sequence",\
                    "opt_start_seq":\(lastSequence + 1)
                    """
                let made = try client.stream.makeConsumer(of: client.names.results, settings)
                if made.pending == 0 { finished.resume(returning: ()) }
                return made.name
            },
            room: { 4096 }, onFailure: { finished.resume(throwing: $0) },
            take: { [self] message, delivery in
                lastSequence = delivery.sequence
                if let key = message.key, Answer(message).isSuccess { stored[key] = delivery.sequence }
                if delivery.pending == 0 { finished.resume(returning: ()) }
            })
        defer {
            puller.stop()
            if let name = puller.name { client.stream.deleteConsumer(name, of: client.names.results) }
        }
        try puller.start()
        _ = try finished.wait()
    }

    // MARK: Calls

    private func dispatch() {
        guard let client, state == .open || state == .closed, isReady else { return }
        while open.count < configuration.outstandingLimit, let call = waiting.pop() {
            let key = "\(set).\(identities.next(call))"
            if let sequence = stored.removeValue(forKey: key) {
                addOpen(call, key)
                fetch(key, sequence, client)
            } else {
                publish(call, key, client)
            }
        }
        finishIfDone()
    }

    private func addOpen(_ call: PoolCall, _ key: String) {
        lastNumber += 1
        call.number = lastNumber
        keys[lastNumber] = key
        open[key] = OpenCall(call: call, key: key)
    }

    private func removeOpen(_ key: String) -> OpenCall? {
        guard let found = open.removeValue(forKey: key) else { return nil }
        keys[found.call.number] = nil
        return found
    }

    private func publish(_ call: PoolCall, _ key: String, _ client: Client) {
        let size = call.payload.bytes.count
        guard size <= client.longestPayload else {
            return call.finish(
                .failure(
                    NATSError.tooLarge(
                        what: call.count > 1 ? "a chunk of arguments" : "an argument", job: call.job.jobName,
                        bytes: size,
                        limit: client.longestPayload)))
        }
        addOpen(call, key)
        put(call, key, client)
    }

    func put(_ call: PoolCall, _ key: String, _ client: Client) {
        let attempts = open[key]?.attempts ?? 0
        open[key]?.attempts = attempts + 1
        var headers = [
            (name: Header.identity, value: "\(key).\(run)" + (attempts > 0 ? ".\(attempts)" : "")),
            (Header.job, call.job.jobName), (Header.version, String(call.job.jobVersion)),
            (Header.flags, String(call.flags.rawValue)),
        ]
        // An earlier run of the set may have left it in the queue.
        if name != nil { headers.append((Header.expectedLast, "0")) }
        open[key]?.publication = client.publisher.publish(
            OutgoingMessage(client.names.job(key), headers: headers, payload: call.payload)
        ) { [self] outcome in
            guard open[key]?.call === call else {
                // Cancelled meanwhile.
                if case .stored(let sequence) = outcome, name == nil || state != .ended {
                    withdraw(OpenCall(call: call, key: key, sequence: sequence))
                }
                return
            }
            open[key]?.publication = nil
            switch outcome {
            case .stored(let sequence): open[key]?.sequence = sequence
            case .occupied: break
            case .refused(let error): answer(key, .failure(error))
            }
        }
    }

    // MARK: Results

    private func came(_ message: IncomingMessage, _ delivery: Delivery) {
        lastSequence = max(lastSequence, delivery.sequence)
        guard let key = message.key else { return }
        if name == nil {
            answer(key, with: message)
            answersSincePurge += 1
            if answersSincePurge == 10_000 { purge(below: lastSequence + 1) }
        } else if open[key] != nil {
            answer(key, with: message)
        } else if Answer(message).isSuccess {
            // Of a job that an earlier run has left in the queue: it may still be asked for.
            stored[key] = delivery.sequence
        }
    }

    func answer(_ key: String, with message: IncomingMessage) {
        guard let call = open[key]?.call else { return }  // answered before, or cancelled
        switch Answer(message) {
        case .output(let flags): answer(key, .output(flags, message.bytes, nil))
        case .refused(let refusal):
            answer(key, .failure(refusal.error(of: call.job, deadLetter: client!.names.deadLetter(key))))
        case .unknown:
            answer(key, .failure(PoolError.undecodableResult(job: call.job.jobName, reason: "it has no known form")))
        }
    }

    private func answer(_ key: String, _ outcome: PoolCall.Outcome) {
        guard let found = removeOpen(key) else { return }
        if let publication = found.publication { client?.publisher.abandon(publication) }
        found.call.finish(outcome)
        dispatch()
    }

    /// Takes a result out of the stream that was there when this run began.
    private func fetch(_ key: String, _ sequence: Int, _ client: Client) {
        loop.spawn(name: "result of a NATS job set") { [self] in
            do {
                while open[key] != nil {
                    let request = OutgoingMessage(
                        "$JS.API.DIRECT.GET.\(client.names.results)", text: "{\"seq\":\(sequence)}")
                    guard let message = try client.stream.ask(request, until: .after(.seconds(3))) else { continue }
                    guard let status = message.status else { return answer(key, with: message) }
                    // It was removed since: the job is done again.
                    if status == 404, let call = removeOpen(key)?.call {
                        return publish(call, key, client)
                    }
                    try sleep(.milliseconds(250))
                }
            } catch {
                answer(key, .failure(error))
            }
        }
    }

    /// Results of calls without a set: nobody asks for them again.
    private func purge(below sequence: Int?) {
        answersSincePurge = 0
        guard let client else { return }
        client.stream.purge(client.names.results, subject: client.names.result("\(set).*"), below: sequence)
    }

    /// Forgets the results of the set, and takes its jobs out of the queue.
    func remove() throws {
        try waitUntilReady()
        guard let client else { return }
        let operation = "remove the set \(name ?? "")"
        try client.stream.deleteMessages(of: client.names.jobs, subjects: client.names.job("\(set).*"), to: operation)
        let filter = "{\"filter\":\(JSON.quoted(client.names.result("\(set).*")))}"
        _ = try client.stream.request("$JS.API.STREAM.PURGE.\(client.names.results)", filter, to: operation)
        stored = [:]
    }

    // MARK: Ending

    func close() {
        guard state == .starting || state == .open else { return }
        state = .closed
        finishIfDone()
    }

    private func finishIfDone() {
        guard state == .closed, open.isEmpty, waiting.isEmpty, isReady else { return }
        end()
    }

    /// Calls that are not answered get the error. What is in the queue is taken back.
    func terminate(_ error: any Error) {
        guard state != .ended else { return }
        failure = error
        ready.resume(throwing: error)
        let calls = Array(open.values)
        (open, keys) = ([:], [:])
        // Of a named set the jobs stay: whoever goes on with it finds their results.
        if name == nil { for call in calls { withdraw(call) } }
        var others = waiting
        waiting = CallQueue()
        state = .ended
        for call in calls { call.call.finish(.failure(error)) }
        while let call = others.pop() { call.finish(.failure(error)) }
        end()
    }

    private func end() {
        state = .ended
        searcher?.cancel()
        puller?.stop()
        if let client {
            if let consumer = puller?.name { client.stream.deleteConsumer(consumer, of: client.names.results) }
            if name == nil { purge(below: nil) }
        }
        puller = nil
        whenEnded?()
        whenEnded = nil
    }

    /// Is called once, when no call is open any more.
    var whenEnded: (() -> Void)?

    var isAccepting: Bool { state == .starting || state == .open }
}
