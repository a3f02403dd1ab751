import Swiftlet
import SwiftletHTTP

/// E17: five tasks, waited for together. Python's five follow one another, since its client blocks the loop; here the
/// client only parks its task. Needs the slow server: `swiftlet serve`.
func waitForFive() throws {
    let url = Settings.url
    func request() -> Coroutine<HTTPClientResponse> {
        Coroutine { try get(url) }
    }

    let tasks = try (0..<5).map { _ in try ensureFuture(request()) }
    print("Tasks:", tasks)

    let loop = try EventLoop.current
    try loop.run(until: wait(for: tasks))

    for task in tasks {
        print("Task Result:", try task.result())
    }
}
