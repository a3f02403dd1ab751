import Swiftlet
import SwiftletHTTP

/// E20: `await` on a plain object fails, and nobody asks the tasks for their errors. Needs the slow server.
func awaitResponse() throws {
    let url = Settings.url
    func request() -> Coroutine<Void> {
        Coroutine {
            print("Waiting for", url)
            let response = try await awaitAny(Requests.get(url))
            print("Get response from", url, "Result:", response)
        }
    }

    var tasks: [LoopTask<Void>] = []
    let time = try ContinuousClock().measure {
        tasks = try (0..<5).map { _ in try ensureFuture(request()) }
        try EventLoop.current.run(until: wait(for: tasks))
    }
    print("Cost time:", time.seconds)
    tasks = []  // the reports come now
}
