import Swiftlet
import SwiftletHTTP
import SwiftletPool

/// What the workers of E25 run: a client that blocks, and prints.
struct BlockingRequest: PoolJob {
    let url: String

    func run() throws -> String {
        print("Waiting for", url)
        let result = try HTTP.get(url).text
        print("Get response from", url, "Result:", result)
        return result
    }
}

/// E25: a hundred requests over a pool of processes. Needs the slow server: `swiftlet serve`. `POOL_PROCS`, `POOL_N` and
/// `POOL_CHUNK` set the sizes; without the last the chunks are Python's.
func processPool() throws {
    let url = Settings.url
    let processors = EventLoopGroup.availableProcessors
    print("Cpu count:", processors)
    let chunk = Settings.number("POOL_CHUNK", default: 0)
    let time = try ContinuousClock().measure {
        try withProcessPool(processes: Settings.number("POOL_PROCS", default: processors)) { pool in
            let requests = (0..<Settings.number("POOL_N", default: 100)).map { _ in BlockingRequest(url: url) }
            _ = try pool.map(requests, chunks: chunk > 0 ? .fixed(chunk) : .pythonDefault)
        }
    }
    print("Cost time:", time.seconds)
}
