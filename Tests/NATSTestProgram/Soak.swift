import PoolTestJobs
import SwiftletLoop
import SwiftletNATS
import SwiftletPool

/// So many jobs, whatever happens to servers and workers meanwhile: each must be answered once.
func soak(_ servers: String, count: Int) throws {
    var configuration = NATSConfiguration(servers)
    configuration.queue = "soak"
    configuration.replicas = 3
    configuration.outstandingLimit = 1000
    let start = ContinuousClock.now
    var answers = [UInt8](repeating: 0, count: count)
    try EventLoop.run {
        try withNATSPool(configuration) { pool in
            let numbers = 0..<count
            let results = pool.imapUnordered(numbers.map { Doubled($0) })
            var done = 0
            while let value = try results.next(timeout: .seconds(300)) {
                answers[value / 2] += 1
                done += 1
                if done % 10_000 == 0 { say("\(done) jobs after \(ContinuousClock.now - start)") }
            }
        }
    }
    let (lost, twice) = (answers.count { $0 == 0 }, answers.count { $0 > 1 })
    let time = ContinuousClock.now - start
    say("\(count) jobs in \(time): \(lost) lost, \(twice) answered twice")
    if lost + twice > 0 { fatalError("jobs were lost or answered twice") }
}
