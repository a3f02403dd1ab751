import PoolTestJobs
import SwiftletLoop
import SwiftletNATS
import SwiftletPool

/// Figures for whoever works on this: those that are published come from `swiftlet-bench`.
func measure(_ servers: String, count: Int) throws {
    try EventLoop.run {
        try withNATSPool(NATSConfiguration(servers)) { pool in
            for _ in 0..<20 { _ = try pool.apply(Doubled(1)) }
            var times: [Duration] = []
            for _ in 0..<200 {
                let start = ContinuousClock.now
                _ = try pool.apply(Doubled(1))
                times.append(ContinuousClock.now - start)
            }
            times.sort()
            say("call: median \(times[100]), p90 \(times[180])")
            let start = ContinuousClock.now
            let results = try pool.map((0..<count).lazy.map { Doubled($0) })
            let time = ContinuousClock.now - start
            say("map of \(count): \(time), \(Int(Double(count) / (time / .seconds(1)))) jobs a second")
            guard results == (0..<count).map({ $0 * 2 }) else { fatalError("wrong results") }
        }
    }
}
