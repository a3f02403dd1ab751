import Glibc
import PoolTestJobs
import SwiftletLoop
import SwiftletPool

/// Figures for whoever works on the pool: those that are published come from `swiftlet-bench`.
func measure(_ what: String) throws {
    try EventLoop.run {
        let begin = ContinuousClock.now
        let pool = try ProcessPool(processes: 2)
        try pool.waitUntilReady()
        print("start of two workers:", ContinuousClock.now - begin)
        switch what {
        case "call":
            var times: [Duration] = []
            for _ in 0..<5000 {
                let start = ContinuousClock.now
                _ = try pool.apply(Empty())
                times.append(ContinuousClock.now - start)
            }
            times.sort()
            print("call: median", times[2500], "p10", times[500], "p90", times[4500])
        case "map":
            for chunk in [1, 100, 1000, 5000, 12500] {
                var best = Duration.seconds(100)
                for _ in 0..<5 {
                    let start = ContinuousClock.now
                    _ = try pool.map((0..<100_000).lazy.map { Numbered($0) }, chunks: .fixed(chunk))
                    best = min(best, ContinuousClock.now - start)
                }
                print("map of 100000, chunks of \(chunk):", best)
            }
        case "bytes":
            for size in [64 << 10, 1 << 20, 16 << 20, 64 << 20] {
                let bytes = [UInt8](repeating: 7, count: size)
                for answers in [false, true] {
                    let start = ContinuousClock.now
                    for _ in 0..<((1 << 30) / size) { _ = try pool.apply(HungryEcho(bytes, answers: answers)) }
                    print("1 GB in \(size), answered \(answers):", ContinuousClock.now - start)
                }
            }
        default: break
        }
        try pool.drain()
    }
}
