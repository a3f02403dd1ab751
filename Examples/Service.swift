import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP

/// A service as it is deployed: it says whether it is alive and ready, counts for Prometheus, and ends in order on SIGTERM.
/// `Deployment` has what systemd and a container need to run it.
///
///     PORT=8080 swift run SwiftletExamples service
func service() throws {
    var configuration = HTTPServer.Configuration()
    configuration.host = Settings.word("HOST") ?? "127.0.0.1"
    configuration.port = Settings.number("PORT", default: 8080)
    configuration.connectionLimit = Settings.number("CONNECTIONS", default: 10_000)
    // Less than the time that is given between SIGTERM and SIGKILL.
    configuration.grace = Settings.seconds("GRACE", default: 20)
    let state = ServiceState()
    let server = HTTPServer(configuration)
    server.use { request, next in
        state.requests += 1
        return try next(request)
    }
    server.get("/") { _ in "Hello!" }
    server.get("/health/alive") { _ in "alive" }
    server.get("/health/ready") { _ in
        guard state.isReady else { throw HTTPAbort(.serviceUnavailable, "about to stop") }
        return "ready"
    }
    server.get("/metrics") { _ in try state.metrics() }
    try EventLoop.run {
        try server.start()
        print("Serving at http://\(configuration.host):\(server.port)/")
        let signalled = AsyncResult<CInt>()
        for signal in [SIGINT, SIGTERM] { try onSignal(signal) { signalled.trySet(.success(signal)) } }
        _ = try signalled.get()
        state.isReady = false
        try server.stop()
        print("Stopped")
    }
}

/// Used by one loop.
private final class ServiceState: @unchecked Sendable {
    var isReady = true
    var requests = 0

    /// Prometheus's text format, version 0.0.4.
    func metrics() throws -> HTTPServerResponse {
        let loop = try EventLoop.current.statistics
        let values: [(name: String, kind: String, help: String, value: Int)] = [
            ("http_requests_total", "counter", "Requests that came.", requests),
            ("swiftlet_loop_turns_total", "counter", "Items run by the loop.", Int(loop.turns)),
            ("swiftlet_loop_parks_total", "counter", "Times that a stack was set aside.", Int(loop.parks)),
            ("swiftlet_loop_sleeps_total", "counter", "Times that the loop had nothing to do.", Int(loop.sleeps)),
            ("swiftlet_stacks", "gauge", "Stacks in use.", loop.liveStacks),
        ]
        let text = values.map { "# HELP \($0.name) \($0.help)\n# TYPE \($0.name) \($0.kind)\n\($0.name) \($0.value)\n" }
        return HTTPServerResponse(text.joined(), contentType: "text/plain; version=0.0.4; charset=utf-8")
    }
}
