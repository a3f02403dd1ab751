import Glibc
import HTTPTypes
import Swiftlet
import SwiftletTesting
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

/// What users of aiohttp's client have suffered from, each by the number of its issue there.
@Suite struct KnownPainTests {
    private func holding(_ gate: Waiter<Void>) -> (HTTPServer) -> Void {
        { server in
            server.get("/hold") { _ in
                _ = try gate.wait()
                return "held"
            }
            server.get("/") { _ in "ok" }
        }
    }

    /// #9670: timeouts in the queue dead-locked the pool. #4936: the limit was exceeded by a race.
    @Test func timeoutsInTheQueueLeaveThePoolWhole() async throws {
        try await onLoop {
            let gate = Waiter<Void>()
            try withServer(holding(gate)) { _, url throws in
                try HTTPClient.with(configured { $0.connectionLimit = 2 }) { client throws in
                    let held = try (0..<2).map { _ in try spawnAndPark { try client.get(url + "/hold").text } }
                    while client.pool.counts.used < 2 { try yield() }
                    let late = (0..<50).map { _ in spawn { try client.get(url + "/", timeout: .milliseconds(20)) } }
                    try joinAll(late)
                    for fiber in late {
                        let error = try #require(fiber.error as? HTTPClientError)
                        #expect(error.timeout == .total && error.phase == .queue)
                    }
                    #expect(client.pool.counts == (2, 0, 0))
                    gate.resume(returning: ())
                    for fiber in held { #expect(try fiber.get() == "held") }
                    let after = (0..<50).map { _ in spawn { try client.get(url + "/").text } }
                    for fiber in after { #expect(try fiber.get() == "ok") }
                    #expect(client.pool.counts == (0, 2, 0))
                    #expect(client.statistics.openedConnections <= 4)
                }
            }
        }
    }

    /// #861, #2189: a failed connect leaked its slot. #253, #12795: so did a cancelled one.
    @Test func failuresAndCancellationsGiveTheirPlacesBack() async throws {
        try await onLoop {
            let gate = Waiter<Void>()
            try withServer(holding(gate)) { _, url throws in
                let configuration = configured {
                    $0.connectionLimit = 2
                    $0.hostConnectionLimit = 1
                }
                try HTTPClient.with(configuration) { client throws in
                    for _ in 0..<10 {
                        #expect(throws: HTTPClientError.self) { try client.get("http://127.0.0.1:1/") }
                    }
                    #expect(client.pool.counts == (0, 0, 0))
                    var generator = SeededRandom(seed: 7)
                    for _ in 0..<20 {
                        let fibers = (0..<10).map { _ in spawn { try client.get(url + "/hold", timeout: .seconds(20)) }
                        }
                        for _ in 0..<Int.random(in: 0..<6, using: &generator) { try yield() }
                        for fiber in fibers.shuffled(using: &generator) { fiber.cancel() }
                        try joinAll(fibers)
                        #expect(client.pool.counts == (0, 0, 0))
                    }
                    gate.resume(returning: ())
                    #expect(try client.get(url + "/").text == "ok")
                }
            }
        }
    }

    /// A request that waits for a slot is visible; the line is fair, per host and in all.
    @Test func waitingIsFairAndVisible() async throws {
        try await onLoop {
            let gate = Waiter<Void>()
            let served = Mutex<[String]>([])
            let queued = Mutex<[Int]>([])
            let routes = { (server: HTTPServer) in
                server.fallback { request in
                    served.withLock { $0.append(request.path) }
                    if request.path == "/0" { _ = try gate.wait() }
                    return "ok"
                }
            }
            try withServer(routes) { _, first throws in
                try withServer(routes) { _, second throws in
                    let configuration = configured {
                        $0.connectionLimit = 3
                        $0.hostConnectionLimit = 1
                        $0.trace = { event in
                            if case .queued(let ahead) = event.step { queued.withLock { $0.append(ahead) } }
                        }
                    }
                    try HTTPClient.with(configuration) { client throws in
                        let fibers = try (0..<10).map { number in
                            try spawnAndPark { try client.get("\(first)/\(number)").text }
                        }
                        #expect(client.statistics.queueLength == 9)
                        #expect(client.statistics.queuedRequests == 9)
                        #expect(queued.withLock { $0 } == Array(0..<9))
                        // Another host is not held up.
                        #expect(try client.get(second + "/other").text == "ok")
                        gate.resume(returning: ())
                        for fiber in fibers { #expect(try fiber.get() == "ok") }
                        #expect(served.withLock { $0 } == ["/0", "/other"] + (1..<10).map { "/\($0)" })
                        #expect(client.statistics.openedConnections == 2)
                    }
                }
            }
        }
    }

    /// #631, #850, #3609, #4923: the server had just closed. #10790: the retry could not be turned off.
    @Test func theRetryOfStaleConnectionsIsAChoice() async throws {
        try await onLoop {
            for retries in [true, false] {
                let server = try ScriptedServer()
                server.play([[answer("1")], [answer("2")]])
                try HTTPClient.with(configured { $0.retriesStaleConnections = retries }) { client throws in
                    #expect(try client.get(server.url).text == "1")
                    if retries {
                        #expect(try client.get(server.url).text == "2")
                        #expect(client.statistics.retries == 1)
                    } else {
                        let error = try failure(HTTPClientError.self) { try client.get(server.url) }
                        #expect(error.attempt == 1 && error.connectionAge != nil)
                        #expect(client.statistics.retries == 0)
                    }
                    // A body that has gone is not sent again, though PUT might be.
                    let second = try ScriptedServer()
                    second.play([[answer("1")], [answer("2")]])
                    #expect(try client.get(second.url).text == "1")
                    let once = HTTPRequestBody.stream(length: 1) { try $0.write("x") }
                    _ = try? client.put(second.url, body: once)
                    #expect(client.statistics.retries == (retries ? 1 : 0))
                }
            }
        }
    }

    /// #12953: an idle connection was poisoned by a read timeout that was armed again.
    @Test func idleConnectionsHaveNoReadTimeout() async throws {
        try await onLoop {
            try withServer(holding(Waiter())) { _, url throws in
                try HTTPClient.with(configured { $0.readTimeout = .milliseconds(300) }) { client throws in
                    #expect(try client.get(url + "/").text == "ok")
                    try sleep(.milliseconds(400))
                    #expect(try client.get(url + "/").text == "ok")
                    #expect(client.statistics.openedConnections == 1)
                    let slow = try failure(HTTPClientError.self) { try client.get(url + "/hold") }
                    #expect(slow.timeout == .read && slow.phase == .readHead)
                }
            }
        }
    }

    /// #3066: the total of five minutes ended long downloads.
    @Test func aLongDownloadIsNotEndedByTheTotal() async throws {
        try await onLoop {
            let listener = try TCPListener()
            spawn {
                while true {
                    let connection = try listener.accept()
                    spawn {
                        defer { connection.close() }
                        _ = try connection.read(upTo: 10_000)
                        try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
                        for _ in 0..<10 {
                            try sleep(.milliseconds(60))
                            try connection.write("x")
                        }
                    }
                }
            }
            try HTTPClient.with(configured { $0.timeout = .milliseconds(400) }) { client throws in
                let url = "http://127.0.0.1:\(listener.port)/"
                #expect(try client.withResponse(to: url) { try $0.body.collect().count } == 10)
                let error = try failure(HTTPClientError.self) { try client.get(url) }
                #expect(error.timeout == .total && error.phase == .readBody)
                #expect(error.description.contains("`timeout` of 400 ms"))
            }
        }
    }

    /// Timeouts are told apart.
    @Test func eachLimitHasItsError() async throws {
        try await onLoop {
            let gate = Waiter<Void>()
            try withServer(holding(gate)) { _, url throws in
                let configuration = configured {
                    $0.connectionLimit = 1
                    $0.queueTimeout = .milliseconds(30)
                    $0.connectTimeout = .milliseconds(200)
                }
                try HTTPClient.with(configuration) { client throws in
                    let held = try spawnAndPark { try client.get(url + "/hold").text }
                    while client.pool.counts.used < 1 { try yield() }
                    let queued = try failure(HTTPClientError.self) { try client.get(url + "/") }
                    #expect(queued.timeout == .queue && queued.phase == .queue && queued.isTimeout)
                    gate.resume(returning: ())
                    #expect(try held.get() == "held")
                    // Its backlog is full: the kernel drops what comes, so connecting hangs.
                    let full = try TCPListener(backlog: 1)
                    var pending: [Fiber<TCPConnection>] = []
                    for _ in 0..<8 {
                        pending.append(
                            try spawnAndPark {
                                try TCPConnection.connect(to: "127.0.0.1", port: full.port, timeout: .milliseconds(500))
                            })
                    }
                    // The kernel has their first packets, and has taken as many as it will.
                    let slow = try failure(HTTPClientError.self) { try client.get("http://127.0.0.1:\(full.port)/") }
                    #expect(slow.timeout == .connect && slow.phase == .connect && slow.isConnectionFailure)
                    try joinAll(pending)
                }
            }
        }
    }

    /// #1175: "Unclosed client session" came for what could not be helped; here it says what to do.
    @Test func aDroppedClientIsReported() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            func drop() throws {
                let client = HTTPClient()
                #expect(try client.get(server.url).text == "1")
            }
            let before = ReportLog.reports(containing: "an HTTPClient was dropped with 1 open").count
            _ = HTTPClient()
            server.play([[answer("1"), ""]])
            try drop()
            #expect(ReportLog.reports(containing: "an HTTPClient was dropped with 1 open").count > before)
        }
    }

    /// #12826, #12832: the limit of a line was evaded by reads that split it. #13136: bare line feeds.
    @Test func splitReadsEvadeNoLimit() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let heads = [
                "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 300) + "\r\n\r\n",
                "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            ]
            spawn {
                for head in heads {
                    let connection = try listener.accept()
                    _ = try connection.read(upTo: 10_000)
                    for byte in head.utf8 {
                        do {
                            try connection.write([byte])
                        } catch {
                            break
                        }
                        try yield()
                    }
                }
            }
            try HTTPClient.with(configured { $0.limits.fieldLineLength = 200 }) { client throws in
                let expected: [HTTPParseError.Code] = [.fieldLineTooLong, .invalidLineEnding]
                for code in expected {
                    let error = try failure(HTTPClientError.self) {
                        try client.get("http://127.0.0.1:\(listener.port)/")
                    }
                    #expect((error.cause as? HTTPParseError)?.code == code)
                }
            }
        }
    }

    /// #1029, #4618, #7252: a session for each request was slow. Here it is a few hundred bytes.
    @Test func aClientForEachRequestIsCheap() async throws {
        try await onLoop {
            try withServer(holding(Waiter())) { _, url throws in
                for _ in 0..<200 { #expect(try HTTPClient.with { try $0.get(url + "/").text } == "ok") }
            }
        }
    }

    /// #12497: a reset while the name was looked up.
    @Test func aCancelledLookupLeavesNothing() async throws {
        try await onLoop {
            try HTTPClient.with(configured { $0.connectionLimit = 1 }) { client throws in
                for _ in 0..<5 {
                    let fiber = try spawnAndPark { try client.get("http://no-such-host.invalid/") }
                    fiber.cancel()
                    #expect(throws: (any Error).self) { try fiber.get(timeout: .seconds(20)) }
                    #expect(client.pool.counts == (0, 0, 0))
                }
            }
        }
    }

    /// Bytes that nobody asked for are never taken for the next answer.
    @Test func answersAreNotMixedUp() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([[answer("1") + answer("smuggled")], [answer("2")]])
            try HTTPClient.with { client throws in
                #expect(try client.get(server.url).text == "1")
                #expect(client.pool.counts == (0, 0, 0))
                #expect(try client.get(server.url).text == "2")
            }
        }
    }
}
