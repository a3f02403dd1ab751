import Swiftlet
import SwiftletHTTP

/// E16: the result of a task after the loop has run. Needs the slow server: `swiftlet serve`.
func taskResult() throws {
    let url = Settings.url
    func request() -> Coroutine<HTTPClientResponse> {
        Coroutine { try get(url) }
    }

    let coroutine = request()
    let task = try ensureFuture(coroutine)
    print("Task:", task)

    let loop = try EventLoop.current
    try loop.run(until: task)
    print("Task:", task)
    print("Task Result:", try task.result())
}
