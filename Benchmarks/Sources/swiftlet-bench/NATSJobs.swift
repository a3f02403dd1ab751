@preconcurrency import Glibc  // for `environ`
import Swiftlet
import SwiftletNATS
import SwiftletPool

/// Says back what it is told.
struct EchoJob: PoolJob {
    var number: Int
    func run() -> Int { number }
}

/// A worker for `measureNATSJobs`, until SIGTERM.
func runNATSWorker(_ servers: String) throws {
    try NATSWorker.run(EchoJob.self, from: NATSConfiguration(servers), onReady: { complain("worker is ready") })
}

/// Jobs through a server, done by one worker process, each acknowledged: jobs a second. `call_us`: the median of one call
/// after the other.
func measureNATSJobs(_ servers: String, count: Int) throws {
    var worker: pid_t = 0
    let texts: [String] = ["swiftlet-bench", "nats_worker", servers]
    let words = texts.map { text in strdup(text) }
    defer { for word in words { free(word) } }
    let status = posix_spawn(&worker, "/proc/self/exe", nil, nil, words + [nil], environ)
    guard status == 0 else { throw UsageError(reason: "no worker: \(String(cString: strerror(status)))") }
    defer {
        kill(worker, SIGTERM)
        waitpid(worker, nil, 0)
    }
    let (call, all) = try EventLoop.run { () throws -> (Duration, Duration) in
        try withNATSPool(NATSConfiguration(servers)) { pool in
            for _ in 0..<20 { _ = try pool.apply(EchoJob(number: 1)) }
            var times: [Duration] = []
            for number in 0..<200 {
                times.append(try ContinuousClock().measure { _ = try pool.apply(EchoJob(number: number)) })
            }
            var results: [Int] = []
            let all = try ContinuousClock().measure {
                results = try pool.map((0..<count).map { EchoJob(number: $0) })
            }
            guard results == Array(0..<count) else { throw UsageError(reason: "the results are wrong") }
            return (times.sorted()[100], all)
        }
    }
    emit(
        "nats_jobs", "swiftlet", count: count, value: Double(count) / all.seconds, unit: "jobs/s",
        more: ["call_us": call.nanoseconds(per: 1) / 1000])
}
