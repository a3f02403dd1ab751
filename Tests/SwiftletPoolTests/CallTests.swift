import Foundation
import PoolTestJobs
import Swiftlet
import SwiftletPool
import TestSupport
import Testing

@Suite("Calls of a process pool")
struct CallTests {
    @Test func applyAndMap() async throws {
        let pid = try await onLoop {
            try withProcessPool(processes: 2, program: worker) { pool in
                #expect(try pool.apply(Doubled(21)) == 42)
                #expect(try pool.map((0..<1000).map { Doubled($0) }) == (0..<1000).map { $0 * 2 })
                #expect(try pool.map((0..<100).map { Echo("\($0)") }, chunks: .one) == (0..<100).map { "\($0)" })
                #expect(try pool.map([Doubled]()) == [])
                #expect(try pool.starmap([("a", 1), ("b", 2)], Join.init(left:right:)) == ["a1", "b2"])
                return try pool.apply(WhoAmI())
            }
        }
        #expect(!exists(pid))
    }

    @Test func fromTasks() async throws {
        try await onTaskLoop { _ in
            try await withProcessPool(processes: 2, program: worker) { pool in
                #expect(try await pool.apply(Echo("hello")) == "hello")
                #expect(try await pool.map((0..<100).map { Doubled($0) }) == (0..<100).map { $0 * 2 })
                var inOrder: [Int] = []
                for try await value in pool.imap((0..<100).map { Doubled($0) }) { inOrder.append(value) }
                #expect(inOrder == (0..<100).map { $0 * 2 })
                var unordered: Set<Int> = []
                for try await value in pool.imapUnordered((0..<100).map { Doubled($0) }) { unordered.insert(value) }
                #expect(unordered == Set((0..<100).map { $0 * 2 }))
            }
        }
    }

    /// On no loop: the pool runs on the shared one.
    @Test func fromPlainThreads() async throws {
        try await onFreshThread {
            try withProcessPool(processes: 2, program: worker) { pool in
                #expect(try pool.apply(Doubled(2)) == 4)
                #expect(try pool.map((0..<50).map { Echo("\($0)") }) == (0..<50).map { "\($0)" })
                let results = pool.imap((0..<10).map { Doubled($0) })
                var values: [Int] = []
                while let value = try results.next(timeout: .seconds(60)) { values.append(value) }
                #expect(values == (0..<10).map { $0 * 2 })
            }
        }
    }

    @Test func fromTasksOutsideOfLoops() async throws {
        let values = try await withProcessPool(processes: 1, program: worker) { pool in
            try await pool.map((0..<10).map { Doubled($0) })
        }
        #expect(values == (0..<10).map { $0 * 2 })
    }

    @Test func resultsAndCallbacks() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                try pool.waitUntilReady()
                let journal = SharedJournal<String>()
                let good = pool.applyAsync(Doubled(1), callback: { journal.note("\($0)") })
                #expect(try good.get(timeout: .seconds(60)) == 2)
                #expect(good.isReady && good.isSuccessful)
                let bad = pool.applyAsync(
                    Fail("why"), errorCallback: { journal.note("\($0 as? Known == Known("why"))") })
                #expect(throws: Known("why")) { try bad.get(timeout: .seconds(60)) }
                let all = pool.mapAsync([Doubled(3), Doubled(4)], callback: { journal.note("\($0)") })
                #expect(try all.get() == [6, 8])
                #expect(journal.entries == ["2", "true", "[6, 8]"])
                let late = pool.applyAsync(Sleep(milliseconds: 60_000))
                #expect(throws: DeadlineExceeded.self) { try late.get(timeout: .milliseconds(10)) }
                late.cancel()
                #expect(throws: CancellationError.self) { try late.get() }
            }
        }
    }

    @Test func errorsComeBack() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                #expect(throws: Known("as itself")) { try pool.apply(Fail("as itself")) }
                // Not a closure: beside one in `#expect` that looks like it the compiler takes the other.
                func failPlainly() throws -> Int { try pool.apply(FailPlainly()) }
                let error = try failure(WorkerFailure.self, of: failPlainly)
                #expect(error.text == "nobody knows me" && error.type == "PoolTestJobs.Unknown")
                #expect(error.job == "PoolTestJobs.FailPlainly" && error.process > 1)
                // The first in order; a chunk with errors and values.
                let mixed = pool.imap([0, 1].map { Fail("\($0)") }, chunks: .fixed(2))
                #expect(throws: Known("0")) { try mixed.next() }
                #expect(throws: Known("1")) { try mixed.next() }
                #expect(try mixed.next() == nil)
            }
        }
    }

    /// #79492, #103061: an exception that cannot be rebuilt ends the thread that reads results, and all calls hang.
    @Test func errorsThatCannotBeRebuilt() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                func failFragilely() throws -> Int { try pool.apply(FailFragilely()) }
                let error = try failure(WorkerFailure.self, of: failFragilely)
                #expect(error.type == "PoolTestJobs.FragileError" && error.job == "PoolTestJobs.FailFragilely")
                #expect(try pool.apply(Doubled(1)) == 2)
            }
        }
    }

    /// #79423, #208: one call fails, the others do not.
    @Test func whatCannotBeCoded() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                func check(_ job: some PoolJob, _ expected: (String, String) -> PoolError) throws {
                    let error = try failure(PoolError.self) { _ = try pool.apply(job) }
                    let name = String(reflecting: type(of: job))
                    #expect(error == expected(name, "not with me"))
                    #expect(try pool.apply(Doubled(1)) == 2)
                }
                try check(FragileArgument(Fragile(breaksOnEncoding: true))) {
                    .unencodableArgument(job: $0, reason: $1)
                }
                try check(FragileArgument(Fragile(breaksOnDecoding: true))) {
                    .undecodableArgument(job: $0, reason: $1)
                }
                try check(StubbornResult()) { .unencodableResult(job: $0, reason: $1) }
                try check(FragileResult()) { .undecodableResult(job: $0, reason: $1) }
                let some = pool.imap(
                    (0..<5).map { FragileArgument(Fragile(breaksOnEncoding: $0 == 1, breaksOnDecoding: $0 == 3)) },
                    chunks: .fixed(3))
                for index in 0..<5 {
                    if index == 1 || index == 3 {
                        #expect(throws: PoolError.self) { try some.next() }
                    } else {
                        #expect(try some.next() == "fragile")
                    }
                }
            }
        }
    }

    /// Each has its own answer, and so many of them need no more of the stack than one.
    @Test func manyThatCannotBeEncoded() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                let count = 20_000
                let results = pool.imap(
                    (0..<count).lazy.map { FragileArgument(Fragile(breaksOnEncoding: $0 < count - 1)) },
                    chunks: .fixed(count))
                for _ in 0..<count - 1 { _ = try failure(PoolError.self) { _ = try results.next() } }
                #expect(try results.next() == "fragile")
                #expect(try results.next() == nil)
            }
        }
    }

    @Test func onlyRegisteredJobsRun() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                let error = try failure(PoolError.self) { try pool.apply(Stranger()) }
                guard case .notRegistered(let job, let known) = error else { throw error }
                #expect(job == "PoolTestJobs.Stranger" && known.contains("PoolTestJobs.Echo"))
                #expect(
                    try failure(PoolError.self) { try pool.apply(NewerDouble()) }
                        == .versionMismatch(job: "PoolTestJobs.Doubled", ours: 2, theirs: 1))
            }
        }
    }

    @Test func contextTravels() async throws {
        try await onTaskLoop { _ in
            try await withProcessPool(processes: 1, program: worker) { pool in
                let values = try await CallContext.$values.withValue(["trace": "17"]) {
                    try await pool.apply(Context(), timeout: .seconds(30))
                }
                #expect(values == ["trace": "17", "deadline": "ahead"])
                #expect(try await pool.apply(Context()) == [:])
            }
        }
    }

    @Test(arguments: [1 << 20, Int.max])
    func largePayloads(sharedFrom threshold: Int) async throws {
        try await onLoop {
            let pool = try ProcessPool(
                processes: 1, childConcurrency: 4, sharedMemoryThreshold: threshold, program: worker)
            for size in [0, 1, 100_000, 131_072, 131_073, 1_000_000, 3_000_001] {
                let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                #expect(try pool.apply(Reverse(bytes)) == bytes.reversed())
            }
            // Several at a time, and small ones between them.
            let large = (0..<4).map { number in
                pool.applyAsync(Reverse([UInt8](repeating: UInt8(number), count: 2_000_000)))
            }
            #expect(try pool.apply(Doubled(4)) == 8)
            for (number, result) in large.enumerated() {
                #expect(try result.get().allSatisfy { $0 == UInt8(number) })
            }
            try pool.drain()
        }
    }

    /// Memory that arguments and results were lent in comes back, and is used for the next ones.
    @Test func sharedMemoryIsUsedAgain() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                for number in 0..<50 {
                    let bytes = [UInt8](repeating: UInt8(number), count: 2_000_000)
                    #expect(try pool.apply(Reverse(bytes)) == bytes)
                }
                // One each, if no other test runs at the same time; without any use again, fifty.
                let mine = try sharedMemoryDescriptors(of: "self")
                let theirs = try sharedMemoryDescriptors(of: "\(pool.apply(WhoAmI()))")
                #expect(mine < 25 && theirs < 5)
            }
        }
    }

    private func sharedMemoryDescriptors(of process: String) throws -> Int {
        let folder = "/proc/\(process)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).count {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))?.contains("swiftlet-pool")
                == true
        }
    }

    @Test func hundredMegabytes() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                try pool.waitUntilReady()
                let bytes = [UInt8](repeating: 9, count: 100 << 20)
                #expect(try pool.apply(HungryEcho(bytes)) == bytes)
            }
        }
    }

    /// The input has no end, and no more of it is taken than is wanted.
    /// The loops look out for answers for some microseconds, and no longer.
    /// Under 50 ms each, says `swiftlet-bench pool_start`; here programs are not optimized, and others use the machine.
    @Test func workersStartSoon() async throws {
        try await onLoop {
            let time = try ContinuousClock().measure {
                try withProcessPool(processes: 4, program: worker) { try $0.waitUntilReady() }
            }
            #expect(time < .seconds(4))
        }
    }

    @Test func idlePoolsUseNoProcessor() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                let pid = try pool.apply(WhoAmI())
                for number in 0..<100 { #expect(try pool.apply(Doubled(number)) == 2 * number) }
                let before = try processorTime(pid)
                let looks = try EventLoop.current.statistics.polls
                try sleep(.milliseconds(500))
                #expect(try processorTime(pid) - before <= 5)
                #expect(try EventLoop.current.statistics.polls - looks < 1000)
            }
        }
    }

    @Test func inputIsTakenAsWanted() async throws {
        try await onLoop {
            try withProcessPool(processes: 2, program: worker) { pool in
                try pool.waitUntilReady()
                let taken = Tally()
                let endless = (0...).lazy.map { number -> Doubled in
                    taken.add()
                    return Doubled(number)
                }
                let results = pool.imap(endless, lookAhead: 10)
                for number in 0..<100 { #expect(try results.next() == number * 2) }
                #expect(taken.count <= 111)
                results.cancel()
            }
        }
    }

    @Test func coroutinesInAWorker() async throws {
        try await onTaskLoop { _ in
            try await withProcessPool(processes: 1, childConcurrency: 50, program: worker) { pool in
                try await pool.waitUntilReady()
                let time = try await ContinuousClock().measure {
                    _ = try await pool.map((0..<50).map { _ in Sleep(milliseconds: 200) })
                    _ = try await pool.map((0..<50).map { _ in BlockingSleep(milliseconds: 200) })
                }
                // One after the other they would take 20 seconds.
                #expect(time < .seconds(5))
            }
        }
    }

    /// #104: one worker took them all.
    @Test func workersShareTheWork() async throws {
        try await onTaskLoop { _ in
            try await withProcessPool(processes: 2, program: worker) { pool in
                try await pool.waitUntilReady()
                let pids = try await pool.map((0..<8).map { _ in Spin(milliseconds: 20) })
                #expect(pids.filter { $0 == pids[0] }.count == 4)
            }
        }
    }

    @Test func queuesAndSchedulers() async throws {
        #expect(throws: PoolError.self) { try ProcessPool(processes: 2, queueCount: 3, program: worker) }
        #expect(throws: PoolError.self) { try ProcessPool(processes: 0, program: worker) }
        try await onLoop {
            try withProcessPool(processes: 2, queueCount: 2, scheduler: RoundRobin(), program: worker) { pool in
                try pool.waitUntilReady()
                let pids = try (0..<6).map { _ in try pool.apply(WhoAmI()) }
                #expect(pids[0] != pids[1] && pids[0] == pids[2] && pids[1] == pids[3] && pids[2] == pids[4])
            }
        }
    }

    /// The queue whose worker is busy gets nothing as long as the other one has nothing to do.
    @Test func theLeastLoadedQueue() async throws {
        try await onLoop {
            try withProcessPool(processes: 2, queueCount: 2, scheduler: LeastLoaded(), program: worker) { pool in
                try pool.waitUntilReady()
                let first = try pool.apply(WhoAmI())
                let long = pool.applyAsync(Sleep(milliseconds: 60_000))
                let pids = try (0..<6).map { _ in try pool.apply(WhoAmI()) }
                #expect(Set(pids).count == 1 && !pids.contains(first))
                long.cancel()
            }
        }
    }

    @Test func pythonsChunks() {
        #expect(ChunkRule.pythonDefault.size(jobs: 100, processes: 8) == 4)
        #expect(ChunkRule.pythonDefault.size(jobs: 64, processes: 8) == 2)
        #expect(ChunkRule.pythonDefault.size(jobs: 0, processes: 8) == 1)
        #expect(ChunkRule.fixed(7).size(jobs: 100, processes: 8) == 7)
        #expect(ChunkRule.one.size(jobs: 100, processes: 8) == 1)
    }
}

/// What a process has used of processors, in hundredths of a second.
private func processorTime(_ pid: Int32) throws -> Int {
    let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
    let fields = stat[stat.lastIndex(of: ")")!...].split(separator: " ")
    return Int(fields[12])! + Int(fields[13])!
}
