import Swiftlet
import SwiftletPool

/// Computes, and waits for nothing: coroutines gain nothing here, processes do.
struct CountPrimes: PoolJob {
    let range: Range<Int>

    func run() -> Int {
        range.count { number in
            guard number > 1 else { return false }
            var divisor = 2
            while divisor * divisor <= number {
                if number.isMultiple(of: divisor) { return false }
                divisor += 1
            }
            return true
        }
    }
}

/// A map that computes, on all processors. Large numbers take longer than small ones, so each worker gets one piece at a time.
func primesInProcesses() throws {
    let limit = 1_000_000
    let pieces = stride(from: 0, to: limit, by: 20_000).map { CountPrimes(range: $0..<min($0 + 20_000, limit)) }
    try EventLoop.run {
        try withProcessPool { pool in
            let counts = try pool.map(pieces, chunks: .one)
            print("\(counts.reduce(0, +)) primes below \(limit)")
        }
    }
}
