import Glibc
import Swiftlet
import SwiftletHTTP

/// E18: the slow server. Words after the name: the port (5000), the delay in seconds (3); `--single`, with which requests
/// queue up for one place instead of waiting side by side, as with Flask's `threaded=False`; `--async`, with which the
/// handler is an async function, as aiohttp's are.
func slowServer() throws {
    let options = CommandLine.arguments.dropFirst(2)
    let words = options.filter { !$0.hasPrefix("-") }
    let delay = Duration.seconds(words.dropFirst().first.flatMap { Double($0) } ?? 3)
    var configuration = HTTPServer.Configuration()
    configuration.port = words.first.flatMap { Int($0) } ?? 5000

    try EventLoop.run {
        let server = HTTPServer(configuration)
        let places = Semaphore(options.contains("--single") ? 1 : .max)
        if options.contains("--async") {
            server.get("/") { _ async throws in
                try await places.withPermit { try await sleep(delay) }
                return "Hello!"
            }
        } else {
            server.get("/") { _ in
                try places.withPermit { try sleep(delay) }
                return "Hello!"
            }
        }
        try server.start()
        print("Running on http://127.0.0.1:\(server.port)/ (Press CTRL+C to quit)")
        let stopped = AsyncResult<Void>()
        try onSignal(SIGINT) { stopped.trySet(.success(())) }
        try stopped.get()
        try server.stop(grace: .zero)
    }
}
