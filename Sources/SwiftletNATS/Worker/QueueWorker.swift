import Glibc
import SwiftletCoroutines
import SwiftletLoop
import SwiftletPool
import Synchronization

/// A worker's side of a queue: takes jobs, runs them, stores what comes of them, and then acknowledges them. On one loop.
///
/// States of a job: waiting -> running -> storing -> acknowledged; from each to dropped, when its caller has cancelled it. One
/// that was delivered before is looked up first; one that was delivered very often runs alone (`DeliveredBefore`).
/// A job is acknowledged when its result is stored, and not before: whatever happens until then, it comes again. As long
/// as it is here the queue is told that it is in good hands, by another thread: a job may compute without a break.
///
/// States of the worker: starting -> serving -> draining -> ended; from starting to ended as well. It starts for as long as it
/// takes: a cluster that has no leader gets one, sooner or later.
final class QueueWorker: @unchecked Sendable {
    /// On the worker's loop, as all of this.
    private final class Job: @unchecked Sendable {
        let key: String
        let message: IncomingMessage
        /// Where its acknowledgement goes; a later delivery of the same job has another place.
        var acknowledgement: String
        var task: Task<Void, Never>?
        var isCancelled = false
        /// How often it has been, this time included.
        let deliveries: Int
        /// It may have been done before: by a worker whose acknowledgement was lost, or for an earlier run of its set.
        let mayBeDone: Bool
        /// Its result is on its way into the stream.
        var isStoring = false
        var began = ContinuousClock.now

        init(_ key: String, _ message: IncomingMessage, _ delivery: Delivery) {
            self.key = key
            deliveries = delivery.count
            mayBeDone = delivery.count > 1 || message.header(Header.expectedLast) != nil
            self.message = message
            acknowledgement = message.reply
        }
    }

    let loop: EventLoop
    /// The process was told to end.
    let hasBeenAsked = Flag()
    let ended = Waiter<Void>()

    private let types: [String: JobType]
    private let configuration: NATSConfiguration
    private let concurrency: Int
    private let onError: @Sendable (any Error, String) -> Void
    private var starting: AnyFiber?
    private var client: Client?
    private var puller: Puller?
    private var cancellations: Connection.Subscription?
    private var isDraining = false
    private var hasEnded = false
    private var jobs: [String: Job] = [:]
    private let heartbeat: Heartbeat
    private var waiting: [Job] = []
    private var running = 0
    /// The one that runs alone.
    private var onTrial: Job?
    /// Of a job, smoothed; how many are taken ahead follows from it.
    private var usualTime = Duration.seconds(1)

    /// So much work is taken ahead: what it takes to get more.
    private static let ahead = Duration.milliseconds(20)
    private static let mostAhead = 1024

    init(
        _ types: [JobType], _ configuration: NATSConfiguration, concurrency: Int, on loop: EventLoop,
        _ onError: @escaping @Sendable (any Error, String) -> Void
    ) {
        self.types = Dictionary(types.map { ($0.name, $0) }) { first, _ in first }
        self.configuration = configuration
        self.concurrency = concurrency
        self.loop = loop
        heartbeat = Heartbeat(interval: configuration.acknowledgementWait / 3)
        self.onError = onError
    }

    // MARK: Beginning and end

    func start(_ onReady: @escaping @Sendable () -> Void) {
        starting = loop.spawn(name: "start of a NATS worker") { [self] in
            do {
                try serve()
                onReady()
            } catch {
                end(isDraining ? nil : error)
            }
        }
    }

    private func serve() throws {
        let client = try Client(configuration, name: "swiftlet worker", on: loop)
        self.client = client
        client.connection.onClose { [self] in
            end(isDraining ? nil : NATSError.connectionClosed(reason: "its loop has ended"))
        }
        try untilAnswered { try client.makeStreams() }
        cancellations = try client.connection.subscribe(client.names.cancellations) { [self] in cancelled($0) }
        let wait = configuration.acknowledgementWait.wholeNanoseconds
        let puller = Puller(
            client.connection, stream: client.names.jobs,
            makeConsumer: { [self] in
                try untilAnswered {
                    try client.stream.makeConsumer(
                        of: client.names.jobs, named: QueueNames.consumer,
                        """
                        "ack_policy":"explicit","ack_wait":\(wait),"max_deliver":-1,"max_ack_pending":-1,\
                        "max_waiting":10000,"deliver_policy":"all"
                        """
                    ).name
                }
            },
            room: { [weak self] in self?.room ?? 0 }, onFailure: { [weak self] in self?.end($0) },
            take: { [weak self] in self?.take($0, $1) })
        self.puller = puller
        try puller.start()
        guard !hasEnded else { throw CancellationError() }
        try heartbeat.start(over: client.connection)
    }

    /// Asks again and again, and says so. What ends it is the end of the worker.
    private func untilAnswered<Value>(_ request: () throws -> Value) throws -> Value {
        while true {
            do {
                return try request()
            } catch let error as NATSError {
                guard case .unanswered = error else { throw error }
                Report(.unavailable, "\(error) The worker goes on asking.").post()
            }
        }
    }

    /// Takes no further jobs, and ends when those that run are done.
    func drain() {
        guard !isDraining else { return }
        isDraining = true
        starting?.cancel()
        // Others do what has not begun.
        for job in waiting { giveBack(job) }
        waiting = []
        endIfDone()
    }

    private func endIfDone() {
        guard isDraining, client != nil, jobs.isEmpty else { return }
        end(nil)
    }

    private func end(_ error: (any Error)?) {
        guard !hasEnded else { return }
        hasEnded = true
        heartbeat.stop()
        puller?.stop()
        guard let client else { return finish(error) }
        // What was acknowledged last is sent first.
        client.connection.onClose { [self] in finish(error) }
        client.connection.close()
    }

    private func finish(_ error: (any Error)?) {
        if let error { ended.resume(throwing: error) } else { ended.resume(returning: ()) }
    }

    // MARK: Jobs

    /// How many jobs may be here that have not come yet: those that can be begun at once, and some ahead if they are short.
    private var room: Int {
        // Who waits for one to run alone, or for its end, leaves what there is to others.
        guard !isDraining, onTrial == nil, !(waiting.first.map(isSuspicious) ?? false) else { return 0 }
        let ahead = usualTime > .zero ? Int(min(Self.ahead / usualTime, 1000)) * concurrency : Self.mostAhead
        return concurrency + min(ahead, Self.mostAhead) - jobs.count
    }

    private func take(_ message: IncomingMessage, _ delivery: Delivery) {
        guard let key = message.key else { return }
        if let known = jobs[key] {
            // It was thought to be lost, with us or on its way.
            known.acknowledgement = message.reply
            heartbeat.add(key, message.reply)
            return
        }
        let job = Job(key, message, delivery)
        jobs[key] = job
        heartbeat.add(key, job.acknowledgement)
        if isDraining { return giveBack(job) }
        // With one attempt there is none to be had alone.
        if configuration.deliveryLimit == 1, job.deliveries > 1 { return bury(job) }
        waiting.append(job)
        beginWaiting()
    }

    private func isSuspicious(_ job: Job) -> Bool { client?.isSuspicious(deliveries: job.deliveries) ?? false }

    private func hasRoom(for job: Job) -> Bool {
        onTrial == nil && running < (isSuspicious(job) ? 1 : concurrency)
    }

    /// - Parameter delay: before somebody else gets it.
    private func giveBack(_ job: Job, after delay: Duration = .zero) {
        forget(job)
        let text = delay > .zero ? "-NAK {\"delay\":\(delay.wholeNanoseconds)}" : "-NAK"
        client?.connection.send(OutgoingMessage(job.acknowledgement, text: text))
    }

    private func forget(_ job: Job) {
        jobs[job.key] = nil
        if job === onTrial { onTrial = nil }
        heartbeat.remove(job.key)
    }

    private func begin(_ job: Job) {
        guard job.mayBeDone, let client else { return run(job) }
        running += 1
        if isSuspicious(job) { onTrial = job }
        loop.spawn(name: "search for a NATS job's result") { [self] in
            var found = DeliveredBefore.isUnknown
            do {
                found = try client.lookBack(at: job.key, deliveries: job.deliveries)
            } catch {}  // the loop ends
            running -= 1
            // It may have been cancelled meanwhile.
            if jobs[job.key] === job {
                switch found {
                case .isDone: acknowledge(job)
                case .isToRun: run(job)
                case .isPoisonous: bury(job)
                case .isUnknown: giveBack(job, after: .seconds(1))
                }
            }
            beginWaiting()
            puller?.refill()
        }
    }

    private func run(_ job: Job) {
        let name = job.message.header(Header.job) ?? ""
        guard let type = types[name] else { return refuse(job, .notRegistered(types.keys.sorted())) }
        let version = job.message.header(Header.version) ?? ""
        guard version == String(type.version) else { return refuse(job, .otherVersion(type.version)) }
        let flags = FrameFlags(rawValue: job.message.header(Header.flags).flatMap { UInt8($0) } ?? 0)
        let payload = Payload(copying: job.message.bytes)
        var start = 0
        var envelope: CallEnvelope?
        if flags.contains(.enveloped) {
            do {
                (envelope, start) = try CallEnvelope.read(from: payload)
            } catch {
                return refuse(job, .undecodable("\(error)"))
            }
        }
        let input = JobInput(payload: payload, start: start, isPlain: false, sharesBuild: false)
        running += 1
        job.began = .now
        let onError = onError
        job.task = loop.makeTask { [self, envelope] in
            let output =
                if let envelope {
                    await envelope.bind { await type.run(input, onError) }
                } else {
                    await type.run(input, onError)
                }
            done(job, output)
        }
    }

    private func done(_ job: Job, _ output: JobOutput) {
        running -= 1
        usualTime = (usualTime * 7 + (ContinuousClock.now - job.began)) / 8
        job.task = nil
        endTrial(of: job)
        if job.isCancelled {
            // Nobody waits for it, and the next run of its set shall do it again.
            acknowledge(job)
        } else {
            let payload = output.payload
            let limit = client?.longestPayload ?? 0
            if payload.bytes.count > limit {
                refuse(job, .tooLarge(bytes: payload.bytes.count, limit: limit))
            } else {
                store(job, [(Header.flags, String(output.flags.rawValue))], payload)
            }
        }
        beginWaiting()
        puller?.refill()
    }

    private func beginWaiting() {
        var next = 0
        while next < waiting.count, hasRoom(for: waiting[next]) {
            begin(waiting[next])
            next += 1
        }
        waiting.removeFirst(next)
    }

    private func refuse(_ job: Job, _ refusal: Refusal) { store(job, [(Header.refusal, refusal.text)], nil) }

    /// Puts what is to be answered into the stream of results, and then acknowledges the job.
    private func store(_ job: Job, _ headers: [(name: String, value: String)], _ payload: Payload?) {
        guard let client else { return }
        job.isStoring = true
        let identity = (name: Header.identity, value: "r.\(job.message.header(Header.identity) ?? job.key)")
        let message = OutgoingMessage(client.names.result(job.key), headers: headers + [identity], payload: payload)
        client.publisher.publish(message) { [self] outcome in
            switch outcome {
            case .stored, .occupied: acknowledge(job)
            // It comes again, here or elsewhere, and its result may be taken then.
            case .refused: giveBack(job, after: .seconds(1))
            }
            beginWaiting()
            puller?.refill()
            endIfDone()
        }
    }

    /// Whatever comes now, the job did not kill its worker.
    private func endTrial(of job: Job) {
        guard job === onTrial else { return }
        onTrial = nil
        client?.endTrial(of: job.key)
    }

    private func acknowledge(_ job: Job) {
        endTrial(of: job)
        forget(job)
        client?.connection.send(OutgoingMessage(job.acknowledgement, text: "+ACK"))
        endIfDone()
    }

    /// It is put among the dead letters, and its caller is told.
    private func bury(_ job: Job) {
        guard let client else { return }
        let headers = [Header.job, Header.version, Header.flags, Header.identity].compactMap { name in
            job.message.header(name).map { (name: name, value: $0) }
        }
        let copy = OutgoingMessage(
            client.names.deadLetter(job.key), headers: headers, payload: Payload(copying: job.message.bytes))
        client.publisher.publish(copy) { [self] _ in refuse(job, .poisoned(deliveries: job.deliveries - 1)) }
    }

    // MARK: Cancellation

    private func cancelled(_ message: IncomingMessage) {
        let key = String(decoding: message.bytes, as: UTF8.self)
        guard let job = jobs[key], !job.isStoring else { return }
        job.isCancelled = true
        if let task = job.task {
            task.cancel()
        } else {
            waiting.removeAll { $0 === job }
            acknowledge(job)
        }
    }
}

/// Something that is true from some moment on. For any thread.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    /// - Returns: what it was before.
    func exchange(_ new: Bool) -> Bool { value.exchange(new, ordering: .sequentiallyConsistent) }
}
