import Swiftlet
import SwiftletHTTP

/// E15: a callback for the end of a task. Needs the slow server: `swiftlet serve`.
func doneCallback() throws {
    let url = Settings.url
    func request() -> Coroutine<HTTPClientResponse> {
        Coroutine { try get(url) }
    }
    func callback(_ task: Future<HTTPClientResponse>) throws {
        print("Status:", try task.result())
    }

    let coroutine = request()
    let task = try ensureFuture(coroutine)
    try task.addDoneCallback("callback", callback)
    print("Task:", task)

    let loop = try EventLoop.current
    try loop.run(until: task)
    print("Task:", task)
}

/// The synchronous spelling: in async code the other one would be chosen. It waits like a plain function call, and the
/// thread goes on with others meanwhile.
func get(_ url: String) throws -> HTTPClientResponse { try HTTP.get(url) }
