import Swiftlet
import SwiftletHTTP
import SwiftletPool

/// What the workers of E26 run, several at a time in each.
struct TaskRequest: PoolJob {
    let url: String

    func run() async throws -> String {
        try await withHTTPClient { client in try await client.get(url).text }
    }
}

/// E26: processes with coroutines in each. Needs the slow server: `swiftlet serve`. `AIOMP_PROCS`, `AIOMP_CONC` and `AIOMP_N`
/// set the sizes.
func processesAndTasks() throws {
    let url = Settings.url
    let time = try ContinuousClock().measure {
        let results = try EventLoop.run {
            try await withProcessPool(
                processes: Settings.number("AIOMP_PROCS", default: EventLoopGroup.availableProcessors),
                childConcurrency: Settings.number("AIOMP_CONC", default: 16)
            ) { pool in
                try await pool.map((0..<Settings.number("AIOMP_N", default: 100)).map { _ in TaskRequest(url: url) })
            }
        }
        print(results.count, "results, all Hello!:", Set(results) == ["Hello!"] ? "True" : "False")
    }
    print("Cost time:", time.seconds)
}
