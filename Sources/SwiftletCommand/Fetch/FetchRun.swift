import Glibc
import Swiftlet
import SwiftletHTTP

/// A run: who may start when, what is tried again, and the end. All on one loop.
///
/// A URL is read -> waiting for a place -> under way -> finished, or under way -> resting -> waiting again. How many are
/// between reading and the end is bounded, so the input may be of any length.
final class FetchRun {
    /// A URL on its way.
    private final class Job {
        let url: String
        let target: HTTPURL
        let host: FetchHost<Job>
        var attempts = 0
        /// What it does at the moment; `nil` while it waits for a place.
        var fiber: AnyFiber?
        /// Its fiber has begun. One that is cancelled before never does.
        var hasBegun = false

        init(_ url: String, _ target: HTTPURL, _ host: FetchHost<Job>) {
            self.url = url
            self.target = target
            self.host = host
            host.open += 1
        }
    }

    var concurrency = 100
    var perHost: Int?
    /// Between the beginnings of two requests.
    var interval: Duration?
    var retries = 2
    var isQuiet = false
    var workers = FetchWorkers.none

    private let pattern: FetchPattern
    private let input: FetchInput
    private let output: FetchOutput
    private let save: SaveDirectory?
    private let finished: FetchedBefore?

    /// Makes a try: here, or in a worker.
    private var perform: ((HTTPURL, _ isLast: Bool) throws -> FetchAttempt.End)!
    private var tally = FetchTally()
    private var hosts: [String: FetchHost<Job>] = [:]
    /// Hosts that have a URL waiting and a place free; each is in it once.
    private var ready = FirstInFirstOut<FetchHost<Job>>()
    private var underWay: [ObjectIdentifier: Job] = [:]
    private var resting: [ObjectIdentifier: Job] = [:]
    /// URLs that were read and have no result yet.
    private var open = 0
    private var hasReadAll = false
    private var isInterrupted = false
    /// What made going on impossible.
    private var failure: Failure?
    private var roomWanted: Waiter<Void>?
    private let ended = Waiter<Void>()
    private var nextBegin = ContinuousClock.now
    /// Results that nobody took after an interruption.
    private var unwritten = 0
    /// Ends the wait for a reader that takes nothing of an interrupted run's results.
    private var impatience: AnyFiber?
    private static let patience = Duration.seconds(2)

    init(
        pattern: FetchPattern, input: FetchInput, output: FetchOutput, save: SaveDirectory?, finished: FetchedBefore?
    ) {
        self.pattern = pattern
        self.input = input
        self.output = output
        self.save = save
        self.finished = finished
    }

    /// Fetches all.
    ///
    /// - Returns: the exit code.
    /// - Throws: `Failure` when results cannot be written, or the input cannot be read.
    func run() throws -> CInt {
        guard let pool = try workers.makePool(concurrency: concurrency) else {
            let client = HTTPClient.forFetching(connections: concurrency)
            defer { client.close() }
            perform = { [pattern, save] url, isLast in
                try FetchAttempt(client: client, pattern: pattern, save: save, isLast: isLast).perform(url)
            }
            return try fetchAll()
        }
        defer { pool.end() }
        perform = { [pattern, save] url, isLast in try pool.perform(url, pattern, save, isLast: isLast) }
        return try fetchAll()
    }

    private func fetchAll() throws -> CInt {
        let reader = spawn(name: "fetch-input") { self.readInput() }
        let interruption = try onSignal(SIGINT) {
            if self.isInterrupted { exit(130) }  // twice: at once
            reader.cancel()
            self.interrupt()
        }
        let display = spawn(name: "fetch-progress") { try self.showProgress() }
        defer {
            interruption.cancel()
            impatience?.cancel()
            display.cancel()
        }
        try ended.wait()
        display.cancel()
        if !isQuiet {
            FetchProgress().clear()
            writeToStandardError(tally.summary(isInterrupted: isInterrupted && failure == nil))
        }
        if unwritten > 0 {
            writeToStandardError("swiftlet: \(unwritten) results were not written: nobody took them\n")
        }
        if let failure { throw failure }
        return isInterrupted ? 130 : tally.failures > 0 ? 1 : 0
    }

    // MARK: Reading

    private func readInput() {
        var count = 0
        do {
            while let (url, isCut) = try input.next() {
                if isInterrupted { break }
                count += 1
                // A file never makes its reader wait, and lines that need no request do not either.
                if count % 64 == 0 { try yield() }
                if let finished, finished.take(url) {
                    tally.skipped += 1
                    continue
                }
                while open >= max(concurrency * 2, 1000) { try waitForRoom() }
                if isInterrupted { break }
                open += 1
                add(url, isCut)
            }
        } catch is CancellationError {
            // Interrupted: what was not read is for the next run.
        } catch let error as Failure {
            stop(for: error)
        } catch {
            stop(for: Failure(code: 1, reason: "the input cannot be read on: \(error)"))
        }
        hasReadAll = true
        endIfDone()
    }

    private func waitForRoom() throws {
        let waiter = Waiter<Void>()
        roomWanted = waiter
        try waiter.wait()
    }

    private func add(_ url: String, _ isCut: Bool) {
        do {
            if isCut { throw Failure(code: 1, reason: "a URL of more than 64 KB") }
            let target = try HTTPURL(url)
            enqueue(Job(url, target, host(of: target)))
            dispatch()
        } catch {
            conclude(url, .error(.url, Self.reason(error)), attempts: 0)
        }
    }

    private static func reason(_ error: any Error) -> String {
        (error as? Failure)?.reason ?? (error as? HTTPURLError)?.message ?? "\(error)"
    }

    /// Without a limit of their own all hosts are one, and URLs begin in their order.
    private func host(of url: HTTPURL) -> FetchHost<Job> {
        let name = perHost == nil ? "" : url.authority
        if let host = hosts[name] { return host }
        let host = FetchHost<Job>(name)
        hosts[name] = host
        return host
    }

    // MARK: Places

    private func enqueue(_ job: Job) {
        job.host.waiting.append(job)
        makeReady(job.host)
    }

    private func makeReady(_ host: FetchHost<Job>) {
        guard !host.isReady, !host.waiting.isEmpty, host.running < perHost ?? .max else { return }
        host.isReady = true
        ready.append(host)
    }

    /// Begins as many as there are places for.
    private func dispatch() {
        while !isInterrupted, underWay.count < concurrency, let host = ready.popFirst() {
            host.isReady = false
            guard let job = host.waiting.popFirst() else { continue }
            host.running += 1
            makeReady(host)
            underWay[ObjectIdentifier(job)] = job
            job.hasBegun = false
            job.fiber = spawn { self.attempt(job) }
        }
    }

    private func leave(_ job: Job) {
        underWay[ObjectIdentifier(job)] = nil
        job.fiber = nil
        job.host.running -= 1
        makeReady(job.host)
    }

    // MARK: A try

    private func attempt(_ job: Job) {
        job.hasBegun = true
        do {
            try waitForRate()
            job.attempts += 1
            let end = try perform(job.target, job.attempts > retries)
            leave(job)
            if end.isRetryable, !isInterrupted {
                rest(job, end.retryAfter)
            } else {
                forget(job)
                conclude(job.url, end.outcome, attempts: job.attempts)
            }
        } catch {
            leave(job)
            if let failure = error as? Failure { stop(for: failure) }
            cancelled(job)
        }
        dispatch()
    }

    private func waitForRate() throws {
        guard let interval else { return }
        let begin = max(nextBegin, .now)
        nextBegin = begin + interval
        try sleep(begin - .now)
    }

    /// Waits before the next try, without a place: for as long as the server says, else longer each time.
    private func rest(_ job: Job, _ asked: Duration?) {
        let growing = Duration.milliseconds(500) * (1 << min(job.attempts - 1, 6))
        // Those that failed together do not come back together.
        let delay = asked ?? growing * Double.random(in: 0.5...1)
        resting[ObjectIdentifier(job)] = job
        job.fiber = spawn {
            try sleep(delay)
            self.resting[ObjectIdentifier(job)] = nil
            job.fiber = nil
            self.enqueue(job)
            self.dispatch()
        }
    }

    // MARK: Results and the end

    private func conclude(_ url: String, _ outcome: FetchResult.Outcome, attempts: Int) {
        let result = FetchResult(url: url, outcome: outcome, attempts: attempts)
        do {
            if failure == nil { try output.write(result) }
        } catch is CancellationError where output.isGivenUp {
            unwritten += 1
        } catch {
            stop(for: error as? Failure ?? Failure(code: 1, reason: "\(error)"))
        }
        tally.add(result)
        close()
    }

    /// One that was begun gets a result; the others are as if they had not been read.
    private func cancelled(_ job: Job) {
        forget(job)
        guard job.attempts > 0 else { return close() }
        conclude(job.url, .error(.cancelled, "interrupted"), attempts: job.attempts)
    }

    /// A host is kept while any of its URLs is open, also while that rests: its limit counts for all of them.
    private func forget(_ job: Job) {
        job.host.open -= 1
        if job.host.open == 0, hosts[job.host.name] === job.host { hosts[job.host.name] = nil }
    }

    private func close() {
        open -= 1
        roomWanted?.resume(returning: ())
        roomWanted = nil
        endIfDone()
    }

    private func endIfDone() { if hasReadAll, open == 0 { ended.resume(returning: ()) } }

    /// Ends what is under way and forgets what has not begun.
    private func interrupt() {
        guard !isInterrupted else { return }
        isInterrupted = true
        impatience = spawn(name: "fetch-impatience") { try self.output.giveUp(whenStuckFor: Self.patience) }
        roomWanted?.resume(returning: ())
        roomWanted = nil
        var left: [Job] = []
        for host in hosts.values { while let job = host.waiting.popFirst() { left.append(job) } }
        for job in resting.values {
            job.fiber?.cancel()
            left.append(job)
        }
        resting = [:]
        for job in underWay.values {
            job.fiber?.cancel()
            if !job.hasBegun { left.append(job) }
        }
        for job in left {
            underWay[ObjectIdentifier(job)] = nil
            cancelled(job)
        }
    }

    private func stop(for reason: Failure) {
        if failure == nil { failure = reason }
        hasReadAll = true
        interrupt()
    }

    private func showProgress() throws {
        let progress = FetchProgress()
        guard !isQuiet, progress.isTerminal else { return }
        while true {
            progress.show(tally, total: input.total)
            try sleep(.milliseconds(100))
        }
    }
}

/// A host's URLs that wait, and how many requests to it are under way.
final class FetchHost<Job> {
    let name: String
    var waiting = FirstInFirstOut<Job>()
    var running = 0
    /// Its URLs that have no result yet.
    var open = 0
    /// It is among those that may begin one.
    var isReady = false

    init(_ name: String) { self.name = name }
}

/// A queue that takes from its front without moving the rest each time.
struct FirstInFirstOut<Element> {
    private var elements: [Element?] = []
    private var first = 0

    var isEmpty: Bool { first == elements.count }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = elements[first].take()
        first += 1
        if first > 64, first * 2 > elements.count {
            elements.removeFirst(first)
            first = 0
        }
        return element
    }
}
