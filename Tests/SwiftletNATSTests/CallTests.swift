import Foundation
import PoolTestJobs
import Swiftlet
import SwiftletNATS
import SwiftletPool
import TestSupport
import Testing

@Suite("Calls over NATS", .serialized, .enabled(if: isBuilt))
struct CallTests {
    /// The loop that asks has no thread that waits for it: it parks, and turns all the time.
    @Test func oneJobInAnotherProcess() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let loop = try EventLoop.current
                try pool.waitUntilReady()
                let parks = loop.statistics.parks
                let absence = try longestAbsence {
                    let (double, process) = (try pool.apply(Doubled(21)), try pool.apply(WhoAmI()))
                    #expect(double == 42 && process == worker.program.identifier)
                }
                #expect(loop.statistics.parks > parks)
                #expect(absence < .milliseconds(500))
            }
        }
    }

    @Test func mapAndItsKin() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                #expect(try pool.map((0..<1000).map { Doubled($0) }) == (0..<1000).map { $0 * 2 })
                #expect(
                    try pool.map((0..<100).map { Echo("\($0)") }, chunks: .fixed(7)) == (0..<100).map { "\($0)" })
                #expect(try pool.map([Doubled]()) == [])
                #expect(try pool.starmap([("a", 1), ("b", 2)], Join.init(left:right:)) == ["a1", "b2"])
                let result = pool.mapAsync([Doubled(3), Doubled(4)])
                #expect(try result.get(timeout: .seconds(60)) == [6, 8])
                #expect(try pool.applyAsync(Doubled(1)).get(timeout: .seconds(60)) == 2)
                _ = worker
            }
        }
    }

    @Test func fromTasks() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onTaskLoop { _ in
            try await withNATSPool(NATSConfiguration(server.address)) { pool in
                try await pool.waitUntilReady()
                #expect(try await pool.apply(Echo("hello")) == "hello")
                #expect(try await pool.map((0..<100).map { Doubled($0) }) == (0..<100).map { $0 * 2 })
                var inOrder: [Int] = []
                for try await value in pool.imap((0..<100).map { Doubled($0) }) { inOrder.append(value) }
                #expect(inOrder == (0..<100).map { $0 * 2 })
                var unordered: Set<Int> = []
                for try await value in pool.imapUnordered((0..<100).map { Doubled($0) }) { unordered.insert(value) }
                #expect(unordered == Set((0..<100).map { $0 * 2 }))
                _ = worker
            }
        }
    }

    /// On no loop: the pool runs on the shared one.
    @Test func fromPlainThreads() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onFreshThread {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                #expect(try pool.apply(Doubled(2)) == 4)
                let results = pool.imap((0..<10).map { Doubled($0) })
                var values: [Int] = []
                while let value = try results.next(timeout: .seconds(60)) { values.append(value) }
                #expect(values == (0..<10).map { $0 * 2 })
                _ = worker
            }
        }
    }

    @Test func errorsComeBack() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                #expect(throws: Known("as itself")) { try pool.apply(Fail("as itself")) }
                func failPlainly() throws -> Int { try pool.apply(FailPlainly()) }
                let error = try failure(WorkerFailure.self, of: failPlainly)
                #expect(error.text == "nobody knows me" && error.process == worker.program.identifier)
                func askStranger() throws -> Int { try pool.apply(Stranger()) }
                let stranger = try failure(PoolError.self, of: askStranger)
                guard case .notRegistered("PoolTestJobs.Stranger", let registered) = stranger else {
                    throw stranger
                }
                #expect(registered.contains("PoolTestJobs.Doubled"))
                func askNewer() throws -> Int { try pool.apply(NewerDouble()) }
                let newer = try failure(PoolError.self, of: askNewer)
                #expect(newer == .versionMismatch(job: "PoolTestJobs.Doubled", ours: 2, theirs: 1))
                func check(_ job: some PoolJob, _ expected: (String, String) -> PoolError) throws {
                    let error = try failure(PoolError.self) { _ = try pool.apply(job) }
                    #expect(error == expected(String(reflecting: type(of: job)), "not with me"))
                }
                try check(FragileArgument(Fragile(breaksOnEncoding: true))) {
                    .unencodableArgument(job: $0, reason: $1)
                }
                try check(FragileArgument(Fragile(breaksOnDecoding: true))) {
                    .undecodableArgument(job: $0, reason: $1)
                }
                try check(StubbornResult()) { .unencodableResult(job: $0, reason: $1) }
                try check(FragileResult()) { .undecodableResult(job: $0, reason: $1) }
                #expect(try pool.apply(Doubled(1)) == 2)
            }
        }
    }

    @Test func contextTravels() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let found = try CallContext.$values.withValue(["trace": "7"]) {
                    try pool.apply(Context(), timeout: .seconds(30))
                }
                #expect(found == ["trace": "7", "deadline": "ahead"])
                _ = worker
            }
        }
    }

    @Test func messagesOverTheLimitAreRefusedByName() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let argument = try failure(NATSError.self) {
                    try pool.apply(Reverse([UInt8](repeating: 1, count: 2 << 20)))
                }
                guard case .tooLarge("an argument", "PoolTestJobs.Reverse", let bytes, _) = argument else {
                    throw argument
                }
                #expect(bytes > 2 << 20)
                let result = try failure(NATSError.self) { try pool.apply(Zeros(2 << 20)) }
                guard case .tooLarge("the result", "PoolTestJobs.Zeros", _, _) = result else { throw result }
                #expect(try pool.apply(Zeros(900_000)).count == 900_000)
                _ = worker
            }
        }
    }

    /// A worker with room for one job: after a cancellation it must be free for the next.
    @Test func cancellationReachesTheWorker() async throws {
        let server = try Server()
        let worker = try Worker(for: server, concurrency: 1)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let path = scratchFile()
                defer { unlink(path) }
                let late = pool.applyAsync(Counted(path: path, milliseconds: 60_000))
                while fileLength(path) == 0 { try sleep(.milliseconds(2)) }
                let waiting = spawn { try pool.apply(Sleep(milliseconds: 60_000), timeout: .milliseconds(100)) }
                #expect(throws: DeadlineExceeded.self) { try waiting.get() }
                late.cancel()
                #expect(throws: CancellationError.self) { try late.get(timeout: .seconds(60)) }
                #expect(try pool.apply(Doubled(1), timeout: .seconds(60)) == 2)
                #expect(fileLength(path) == 1)
                _ = worker
            }
        }
    }

    /// The input has no end: no more is taken than is looked ahead.
    @Test func inputIsTakenAsThereIsRoom() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            let taken = Tally()
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let endless = (0...).lazy.map { number in
                    taken.add()
                    return Doubled(number)
                }
                let results = pool.imap(endless, lookAhead: 50)
                for number in 0..<200 { #expect(try results.next() == number * 2) }
                try sleep(.milliseconds(50))
                #expect(taken.count <= 200 + 51)
                results.cancel()
                _ = worker
            }
        }
    }

    /// More calls at a time than may be at the servers.
    @Test func outstandingCallsAreBounded() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            var configuration = NATSConfiguration(server.address)
            configuration.outstandingLimit = 10
            try withNATSPool(configuration) { pool in
                try pool.waitUntilReady()
                let fibers = (0..<200).map { number in spawn { try pool.apply(Doubled(number)) } }
                for (number, fiber) in fibers.enumerated() { #expect(try fiber.get() == number * 2) }
                _ = worker
            }
        }
    }

    @Test func aClosedPoolRefuses() async throws {
        let server = try Server()
        try await onLoop {
            let before = openDescriptors()
            let pool = try NATSPool(NATSConfiguration(server.address))
            try pool.waitUntilReady()
            #expect(throws: PoolError.stillOpen) { try pool.join() }
            let waiting = spawn { try pool.apply(Doubled(1)) }
            try yield()
            pool.terminate()
            #expect(throws: PoolError.terminated) { try waiting.get() }
            try pool.join()
            #expect(throws: PoolError.terminated) { try pool.apply(Doubled(1)) }
            #expect(throws: PoolError.closed) { try pool.jobSet("late").apply(Doubled(1)) }
            // libnats ends on threads of its own.
            let limit = ContinuousClock.now + .seconds(60)
            while openDescriptors().count > before.count, ContinuousClock.now < limit {
                try sleep(.milliseconds(5))
            }
            #expect(openDescriptors().count <= before.count)
        }
    }
}
