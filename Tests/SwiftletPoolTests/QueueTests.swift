import PoolTestJobs
import SwiftletLoop
import TestSupport
import Testing

@testable import SwiftletPool

/// What waits in a pool, and what is let go once somebody has taken it, though more wait behind it.
@Suite("Queues of pools")
struct QueueTests {
    private func makeCall() -> PoolCall {
        PoolCall(
            Doubled.self, Payload(copying: UnsafeRawBufferPointer(start: nil, count: 0)), jobsStart: 0, [], count: 1,
            deadline: nil
        ) {
            _ in
        }
    }

    @Test func callsComeInOrder() {
        var queue = CallQueue()
        let calls = (0..<20).map { _ in makeCall() }
        for call in calls { queue.append(call) }
        #expect(queue.pop() === calls[0] && queue.pop() === calls[1])
        queue.putBack(calls[1])
        #expect(queue.count == 19)
        calls[2].finish(.failure(CancellationError()))
        #expect(queue.pop() === calls[1] && queue.pop() === calls[3])
        for call in calls[4...] { call.finish(.failure(CancellationError())) }
        #expect(queue.count == 16 && !queue.hasUnanswered)
        #expect(queue.pop() == nil && queue.isEmpty)
    }

    @Test func takenCallsAreLetGo() {
        var queue = CallQueue()
        for _ in 0..<3 { queue.append(makeCall()) }
        weak let taken = queue.pop()
        #expect(taken == nil && queue.count == 2)
    }

    private final class Marker: Error {}

    /// Calls stay where they are.
    private final class NoEngine: CallEngine {
        let loop: EventLoop
        let slots = 1
        let sharesBuild = true

        init(_ loop: EventLoop) { self.loop = loop }

        func chunkSize(_ rule: ChunkRule, jobs: Int) -> Int { 1 }
        func submit(_ call: PoolCall) {}
        func cancel(_ call: PoolCall, _ error: any Error) {}
    }

    @Test(arguments: [true, false]) func takenAnswersAreLetGo(isOrdered: Bool) async throws {
        try await onLoop(parks: false) {
            let calls = MapCalls(NoEngine(try EventLoop.current), room: 3, isOrdered: isOrdered, stopsAtFailure: false)
            weak var first: Marker?
            do {
                let marker = Marker()
                first = marker
                calls.fail(marker)
            }
            for _ in 0..<2 { calls.fail(Marker()) }
            #expect(first != nil)
            for _ in 0..<3 { _ = try calls.waitForRoom() }
            _ = try calls.next(until: nil)
            #expect(first == nil)
            let rest = try calls.nextOnes()
            #expect(rest.count == 2)
        }
    }

    /// A worker of another build, of another version, or with other jobs than those before it: only values of this build may go as
    /// they lie in memory.
    @Test func strangeWorkers() async throws {
        try await onLoop(parks: false) {
            let pool = try ProcessPool(processes: 1, program: .at(path: "/nonexistent"))
            func refusal(_ hello: Hello, by engine: PoolEngine) throws -> String {
                guard case .incompatibleWorker(let reason) = engine.refusal(of: hello) else {
                    throw PoolError.invalidOption("taken")
                }
                return reason
            }
            let jobs = [Hello.Job(name: "a", version: 1)]
            var newer = Hello(build: buildIdentity, jobs: jobs)
            newer.protocolVersion = 2
            #expect(try refusal(newer, by: pool.engine).contains("version 2"))
            var options = pool.engine.options
            options.program = .same
            let same = try PoolEngine(options)
            #expect(try refusal(Hello(build: "17", jobs: jobs), by: same).contains("build 17"))
            #expect(same.refusal(of: Hello(build: buildIdentity, jobs: jobs)) == nil)
            let others = Hello(build: buildIdentity, jobs: jobs + [Hello.Job(name: "b", version: 1)])
            #expect(try refusal(others, by: same).contains("other jobs"))
            try pool.drain()
        }
    }

    /// A count that the bytes do not bear out, as from a damaged message: it costs no more than what has come.
    @Test func damagedCounts() async throws {
        let writer = ByteWriter()
        writer.fixed(UInt32(1_000_000))
        let encoder = BinaryEncoder(writer)
        for number in 0..<3 { try encoder.encode(Doubled(number)) }
        let input = JobInput(payload: Payload(writer), start: 0, isPlain: false, sharesBuild: false)
        let told = Tally()
        let output = await JobType(Doubled.self).run(input) { _, _ in told.add() }
        #expect(output.payload.bytes.count < 100_000)
    }
}
