import Swiftlet
import SwiftletPool

/// Job types of the pool workloads: what their workers know.
let poolJobs: [any PoolJob.Type] = [EmptyJob.self, NumberedJob.self, ComputingJob.self, SwallowingJob.self]

struct EmptyJob: PoolJob {
    func run() -> NoOutput { NoOutput() }
}

/// Empty, with the argument that the peers' jobs have.
struct NumberedJob: PoolJob {
    let number: Int
    func run() -> NoOutput { NoOutput() }
}

struct ComputingJob: PoolJob {
    let rounds: Int
    func run() -> UInt64 {
        var state: UInt64 = 88_172_645_463_325_252
        for _ in 0..<rounds {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
        }
        return state
    }
}

struct SwallowingJob: PoolJob {
    let bytes: [UInt8]
    func run() -> Int { bytes.count }
}

/// The median time of an empty call.
func measurePoolCall(count: Int) throws {
    try withBenchmarkPool { pool in
        for _ in 0..<100 { _ = try pool.apply(EmptyJob()) }
        var times: [Duration] = []
        for _ in 0..<count {
            let start = ContinuousClock.now
            _ = try pool.apply(EmptyJob())
            times.append(ContinuousClock.now - start)
        }
        times.sort()
        emit(
            "pool_call", "swiftlet", count: count, value: times[count / 2] / .microseconds(1), unit: "us/call",
            more: ["p90_us": times[count * 9 / 10] / .microseconds(1)])
    }
}

/// A map of empty jobs: in the best of several sizes of chunks, or each by itself.
func measurePoolMap(count: Int, chunks: [Int]) throws {
    try withBenchmarkPool(childConcurrency: chunks == [1] ? 16 : 1) { pool in
        var best = (time: Duration.seconds(1_000_000), chunk: 0)
        _ = try pool.map((0..<1000).lazy.map { NumberedJob(number: $0) })
        for chunk in chunks {
            for _ in 0..<3 {
                let time = try ContinuousClock().measure {
                    _ = try pool.map((0..<count).lazy.map { NumberedJob(number: $0) }, chunks: .fixed(chunk))
                }
                if time < best.time { best = (time, chunk) }
            }
        }
        emit(
            "pool_map", chunks == [1] ? "swiftlet-single" : "swiftlet", count: count,
            value: best.time.nanoseconds(per: count), unit: "ns/job", more: ["chunk": Swift.Double(best.chunk)])
    }
}

/// How long a map that computes takes, as a part of what the jobs take one after the other.
func measurePoolCompute(count: Int) throws {
    let rounds = 20_000_000
    // The sum is looked at, and no two are the same: the optimizer would leave out what nobody uses.
    var sum: UInt64 = 0
    let alone = ContinuousClock().measure {
        for number in 0..<count { sum &+= ComputingJob(rounds: rounds + number).run() }
    }
    guard sum != 0 else { throw UsageError(reason: "nothing was computed") }
    try withBenchmarkPool { pool in
        let together = try ContinuousClock().measure {
            _ = try pool.map((0..<count).map { _ in ComputingJob(rounds: rounds) }, chunks: .one)
        }
        emit(
            "pool_compute", "swiftlet", count: count, value: together / alone, unit: "of serial",
            more: ["speedup": alone / together])
    }
}

/// How long a gigabyte takes into a worker.
func measurePoolBytes(size: Int) throws {
    try withBenchmarkPool { pool in
        let bytes = [UInt8](repeating: 7, count: size)
        _ = try pool.apply(SwallowingJob(bytes: bytes))
        let count = (1 << 30) / size
        let time = try ContinuousClock().measure {
            let sizes = pool.imap((0..<count).lazy.map { _ in SwallowingJob(bytes: bytes) })
            while try sizes.next() != nil {}
        }
        emit("pool_bytes", "swiftlet", count: size, value: time.seconds, unit: "s/GB")
    }
}

/// The median time from the order for a worker to the moment when it can run jobs.
func measurePoolStart(count: Int) throws {
    var times: [Duration] = []
    try EventLoop.run {
        for _ in 0..<count {
            let start = ContinuousClock.now
            try withProcessPool(processes: 1) { pool in
                try pool.waitUntilReady()
                times.append(ContinuousClock.now - start)
            }
        }
    }
    times.sort()
    emit(
        "pool_start", "swiftlet", count: count, value: times[count / 2] / .milliseconds(1), unit: "ms/worker",
        more: ["p90_ms": times[count * 9 / 10] / .milliseconds(1)])
}

private func withBenchmarkPool(childConcurrency: Int = 1, _ body: @escaping (ProcessPool) throws -> Void) throws {
    try EventLoop.run {
        try withProcessPool(processes: 2, childConcurrency: childConcurrency) { pool in
            try pool.waitUntilReady()
            try body(pool)
        }
    }
}
