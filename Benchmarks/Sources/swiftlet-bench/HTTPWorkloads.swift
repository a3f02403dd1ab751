import Swiftlet
import SwiftletHTTP
import Synchronization

/// Answers 'Hello' to wrk. Runs until it is killed.
func serveHTTP(port: Int, _ kind: Kind) throws {
    var configuration = HTTPServer.Configuration()
    configuration.port = port
    let server = HTTPServer(configuration)
    switch kind {
    case .fiber: server.get("/") { _ in "Hello" }
    case .task: server.get("/") { _ async in "Hello" }
    }
    try EventLoop.run { try server.run() }
}

/// Answers 16 KB over TLS to wrk. Runs until it is killed. The certificate is a file with its key in it.
func serveHTTPS(port: Int, certificate: String, _ kind: Kind) throws {
    var configuration = HTTPServer.Configuration()
    configuration.port = port
    configuration.tls = try TLSServerConfiguration(certificateFile: certificate, privateKeyFile: certificate)
    let server = HTTPServer(configuration)
    let page = [UInt8](repeating: UInt8(ascii: "x"), count: 16 * 1024)
    switch kind {
    case .fiber: server.get("/") { _ in HTTPServerResponse(bytes: page) }
    case .task: server.get("/") { _ async in HTTPServerResponse(bytes: page) }
    }
    try EventLoop.run { try server.run() }
}

/// GETs to a C server, `concurrency` at a time over as many connections.
func measureHTTPClient(port: Int, count: Int, concurrency: Int, _ kind: Kind) throws {
    let work = Fetches(port: port, total: count)
    let before = processorSeconds()
    let elapsed = try work.run(workers: concurrency, kind)
    emit(
        "http_client", kind.peer, count: count, value: Double(count) / elapsed.seconds, unit: "req/s",
        more: [
            "cpu_us_per_req": (processorSeconds() - before) * 1e6 / Double(count),
            "errors": Double(work.errors.load(ordering: .relaxed)),
        ])
}

/// So many requests at once to a server that answers after 3 s.
func measureSlowFetch(port: Int, count: Int, _ kind: Kind) throws {
    let work = Fetches(port: port, total: count)
    let before = processorSeconds()
    let elapsed = try work.run(workers: count, kind)
    emit(
        "slow_fetch", kind.peer, count: count, value: elapsed.seconds - 3, unit: "s overhead",
        more: [
            "wall_s": elapsed.seconds, "fetch_cpu_s": processorSeconds() - before,
            "errors": Double(work.errors.load(ordering: .relaxed)),
        ])
}

/// Workers that share a number of requests. The answer to each must be five bytes, as the peers check too.
private final class Fetches: Sendable {
    let errors = Atomic(0)
    private let next = Atomic(0)
    private let total: Int
    private let url: String

    init(port: Int, total: Int) {
        self.total = total
        url = "http://127.0.0.1:\(port)/"
    }

    /// How long it took to the last answer. Closing the connections is not counted: the peers leave that to the exit.
    func run(workers: Int, _ kind: Kind) throws -> Duration {
        let clock = ContinuousClock()
        let start = clock.now
        let configuration = configuration(workers)
        switch kind {
        case .fiber:
            return try EventLoop.run {
                try withHTTPClient(configuration) { client in
                    let fibers = (0..<workers).map { _ in spawn { self.work(client) } }
                    try joinAll(fibers)
                    return clock.now - start
                }
            }
        case .task:
            return try EventLoop.run {
                await withHTTPClient(configuration) { client in
                    let tasks = (0..<workers).map { _ in Task { await self.work(client) } }
                    for task in tasks { await task.value }
                    return clock.now - start
                }
            }
        }
    }

    private func configuration(_ workers: Int) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.connectionLimit = workers
        return configuration
    }

    private func work(_ client: HTTPClient) {
        while takeOne() { judge(Result { try client.get(url) }) }
    }

    private func work(_ client: HTTPClient) async {
        while takeOne() {
            do {
                judge(.success(try await client.get(url)))
            } catch {
                judge(.failure(error))
            }
        }
    }

    private func takeOne() -> Bool { next.add(1, ordering: .relaxed).newValue <= total }

    private func judge(_ result: Result<HTTPClientResponse, any Error>) {
        if case .success(let response) = result, response.isSuccessful, response.bytes.count == 5 { return }
        if case .failure(let error) = result { complain("\(error)") }
        errors.add(1, ordering: .relaxed)
    }
}
