import Swiftlet
import SwiftletHTTP

/// E19: a client that blocks, in five tasks: still one after the other. Needs the slow server: `swiftlet serve`.
func blockingRequestsInTasks() throws {
    let url = Settings.url
    func request() -> Coroutine<Void> {
        Coroutine {
            print("Waiting for", url)
            let response = try Requests.get(url)
            print("Get response from", url, "Result:", response.text)
        }
    }

    let time = try ContinuousClock().measure {
        let tasks = try (0..<5).map { _ in try ensureFuture(request()) }
        try EventLoop.current.run(until: wait(for: tasks))
    }
    print("Cost time:", time.seconds)
}
