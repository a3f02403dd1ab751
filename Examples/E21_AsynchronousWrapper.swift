import Swiftlet
import SwiftletHTTP

/// E21: putting the blocking call into another async function does not help. Needs the slow server: `swiftlet serve`.
func asynchronousWrapper() throws {
    let url = Settings.url
    @Sendable func get(_ url: String) async throws -> HTTPClientResponse { try Requests.get(url) }
    func request() -> Coroutine<Void> {
        Coroutine {
            print("Waiting for", url)
            let response = try await get(url)
            print("Get response from", url, "Result:", response.text)
        }
    }

    let time = try ContinuousClock().measure {
        let tasks = try (0..<5).map { _ in try ensureFuture(request()) }
        try EventLoop.current.run(until: wait(for: tasks))
    }
    print("Cost time:", time.seconds)
}
