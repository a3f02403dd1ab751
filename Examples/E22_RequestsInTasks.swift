import Swiftlet
import SwiftletHTTP

/// E22 and E23: requests in tasks, all at once on one thread. Needs the slow server: `swiftlet serve`.
func requestsInTasks(_ count: Int) throws {
    let url = Settings.url

    @Sendable func get(_ url: String) async throws -> String {
        try await withHTTPClient { client in try await client.get(url).text }
    }
    @Sendable func request() async throws {
        print("Waiting for", url)
        let result = try await get(url)
        print("Get response from", url, "Result:", result)
    }

    let time = try ContinuousClock().measure {
        try EventLoop.run {
            let tasks = (0..<count).map { _ in Task { try await request() } }
            for task in tasks { try await task.value }
        }
    }
    print("Cost time:", time.seconds)
}
