import SwiftletCoroutines
import SwiftletLoop

/// The jobs of one `map` on their way: taken one by one from the input, sent in chunks, as many at a time as may be under way.
///
/// A fiber of the pool's loop takes the jobs; so the input may wait. After a failure no more are taken if `stopsAtFailure`.
/// Results are kept by chunk until they are asked for: in order, or as they come. One consumer at a time.
final class PoolMap<Job: PoolJob>: @unchecked Sendable {
    typealias Outcome = Result<Job.Output, any Error>

    private let calls: MapCalls
    /// The chunk that is being handed out, and how much of it has been.
    private let current = Locked((outcomes: [Outcome](), position: 0))

    init(
        _ engine: any CallEngine, _ jobs: JobSource<Job>, chunk: Int, lookAhead: Int?, isOrdered: Bool,
        stopsAtFailure: Bool, timeout: Duration?
    ) {
        // Each worker has its next chunks ready when it is done with these.
        calls = MapCalls(
            engine, room: max(1, lookAhead.map { $0 / chunk } ?? engine.slots * 2), isOrdered: isOrdered,
            stopsAtFailure: stopsAtFailure)
        let values = CallContext.values
        let deadline = timeout.map { Deadline.after($0) }
        let calls = calls
        let entered = engine.enter {
            engine.loop.spawn(name: "input of a pool's map") {
                do {
                    try Self.take(jobs, chunk, calls, deadline, values)
                } catch {}  // the loop ends: the calls are answered by the end of the pool
                calls.endInput()
            }
        }
        if !entered {
            calls.fail(PoolError.closed)
            calls.endInput()
        }
    }

    // MARK: Input, on the pool's loop

    private static var directBytes: Int { 1 << 14 }

    private static func take(
        _ jobs: JobSource<Job>, _ size: Int, _ calls: MapCalls, _ deadline: Deadline?, _ values: [String: String]
    ) throws {
        // Small chunks of plain jobs never become an array, which would cost more than all else that is done for them.
        let isDirect =
            CallBuilder<Job>.isPlain(for: calls.engine) && size <= directBytes / max(plainStride(Job.self), 1)
        var sent = 0
        while try calls.waitForRoom() {
            if isDirect {
                var builder = CallBuilder(Job.self, for: calls.engine, deadline: deadline, values: values)
                builder.add(size, from: jobs)
                if builder.count == 0 { return }
                calls.submit(count: builder.count) { builder.call(answer: $0) }
            } else {
                let batch = jobs.take(size)
                if batch.isEmpty { return }
                try send(batch[...], calls, deadline, values)
            }
            // Where there is room for thousands, others shall have their turns meanwhile.
            sent += 1
            if sent % 64 == 0 { try yield() }
        }
    }

    private static func send(
        _ jobs: ArraySlice<Job>, _ calls: MapCalls, _ deadline: Deadline?, _ values: [String: String]
    ) throws {
        var rest = jobs
        while !rest.isEmpty {
            var builder = CallBuilder(Job.self, for: calls.engine, deadline: deadline, values: values)
            let failure = builder.add(rest)
            if builder.count > 0 { calls.submit(count: builder.count) { builder.call(answer: $0) } }
            guard let (bad, error) = failure else { return }
            // One that cannot be encoded has its answer; what is before and behind it goes by itself.
            if builder.count > 0, try !calls.waitForRoom() { return }
            calls.fail(error)
            rest = rest[(bad + 1)...]
            if !rest.isEmpty, try !calls.waitForRoom() { return }
        }
    }

    // MARK: Output

    /// The next outcome; waits for it.
    ///
    /// - Returns: `nil` after the last.
    func next(until deadline: Deadline?) throws -> Outcome? {
        while true {
            let found = current.withLock { current -> Outcome? in
                guard current.position < current.outcomes.count else { return nil }
                defer { current.position += 1 }
                return current.outcomes[current.position]
            }
            if let found { return found }
            guard let answer = try calls.next(until: deadline) else { return nil }
            var outcomes: [Outcome] = []
            outcomes.reserveCapacity(answer.count)
            OutcomeReader<Job>.read(answer.outcome, count: answer.count) { outcomes.append($0) }
            current.withLock { $0 = (outcomes, 0) }
        }
    }

    /// All results in order.
    ///
    /// - Throws: the error of the first job, in their order, that has failed.
    func all() throws -> [Job.Output] {
        var values: [Job.Output] = []
        var failure: (any Error)?
        // Values of a plain type, side by side: what knows no type is quicker, so many of them go into the array at a time.
        let plain = ByteWriter()
        var plainCount = 0
        func unpack() {
            OutcomeReader<Job>.append(plainCount, plain: plain.bytes, to: &values)
            plain.truncate(to: 0)
            plainCount = 0
        }
        while case let answers = try calls.nextOnes(), !answers.isEmpty {
            for answer in answers where failure == nil {
                if let bytes = OutcomeReader<Job>.plainValues(answer.outcome, count: answer.count) {
                    withExtendedLifetime(answer) { plain.append(bytes) }
                    plainCount += answer.count
                    if plain.count > 1 << 16 { unpack() }
                    continue
                }
                unpack()
                OutcomeReader<Job>.read(answer.outcome, count: answer.count) { outcome in
                    switch outcome {
                    case .success(let value): values.append(value)
                    case .failure(let error): if failure == nil { failure = error }
                    }
                }
            }
        }
        if let failure { throw failure }
        unpack()
        return values
    }

    /// Takes no further input, and cancels what is under way.
    func cancel() { calls.cancel() }
}
