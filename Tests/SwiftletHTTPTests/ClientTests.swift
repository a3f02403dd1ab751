import Glibc
import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP
@testable import SwiftletNet

@Suite struct ClientTests {
    @Test func readsBodiesOfEachFraming() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([
                [
                    answer("by length", fields: "X-A: b\r\n"),
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nby ch\r\n4\r\nunks\r\n0\r\nX-T: 1\r\n\r\n",
                    "HTTP/1.1 204 No Content\r\n\r\n",
                    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end",
                ]
            ])
            try HTTPClient.with { client throws in
                let first = try client.get(server.url + "a?b=c")
                #expect(first.text == "by length")
                #expect(first.status == .ok)
                #expect(first.headers[HTTPField.Name("X-A")!] == "b")
                #expect(first.url.description == server.url + "a?b=c")
                #expect("\(first)" == "<Response [200]>")
                #expect(try client.get(server.url).text == "by chunks")
                #expect(try client.get(server.url).status == .noContent)
                #expect(try client.get(server.url).text == "until the end")
                #expect(client.pool.counts.waiting == 0)
            }
            // All over one connection, since the script has but one.
            #expect(server.requestCount == 4)
            #expect(server.requests.withLock { $0[0] }.hasPrefix("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"))
        }
    }

    @Test func sendsBodiesAndFields() async throws {
        try await onLoop {
            let routes = { (server: HTTPServer) in
                server.post("/echo") { request in
                    HTTPServerResponse(
                        headers: [.contentType: "text/plain; charset=ISO-8859-1"],
                        bytes: try request.bytes(limit: 16 << 20) + Array((request.headers[.userAgent] ?? "").utf8))
                }
            }
            try withServer(routes) { _, url throws in
                var configuration = HTTPClient.Configuration()
                configuration.baseURL = try HTTPURL(url)
                configuration.headers = [.userAgent: " tester"]
                try withHTTPClient(configuration) { client throws in
                    let target = try HTTPURL(url + "/echo")
                    let response = try client.send(HTTPClientRequest(method: .post, url: target, body: [0xFC, 0x62]))
                    #expect(response.text == "übtester")
                    let large = [UInt8](repeating: 7, count: 5_000_000)
                    let echoed = try client.send(HTTPClientRequest(method: .post, url: target, body: large))
                    #expect(echoed.bytes.prefix(large.count).elementsEqual(large))
                    #expect(try client.send(HTTPClientRequest(method: .post, url: target)).text == "tester")
                    #expect(try client.get("/nowhere").status == .notFound)
                    #expect(try client.send(HTTPClientRequest(method: .head, url: target)).status == .methodNotAllowed)
                }
            }
        }
    }

    @Test func aRelativeURLNeedsABase() async throws {
        try await onLoop(parks: false) {
            try HTTPClient.with { client throws in
                for url in ["/path", "?query", ""] {
                    let error = try failure(HTTPClientError.self) { try client.get(url) }
                    #expect(error.cause as? HTTPRequestFault == .hasNoBaseURL && error.phase == .request)
                }
                #expect(throws: HTTPURLError.self) { try client.get("example.com/path") }
            }
        }
    }

    @Test func closingManyConnectionsLetsOthersRun() async throws {
        try await onLoop {
            let everybody = 300
            let present = Tally()
            let all = Waiter<Void>()
            let routes = { (server: HTTPServer) in
                server.fallback { _ in
                    if present.add() == everybody { all.resume(returning: ()) }
                    _ = try all.wait()
                    return "ok"
                }
            }
            try withServer(routes) { _, url throws in
                var configuration = HTTPClient.Configuration()
                configuration.connectionLimit = everybody
                let client = HTTPClient(configuration)
                try joinAll((0..<everybody).map { _ in spawn { try client.get(url + "/") } }, rethrowing: true)
                #expect(client.pool.counts.waiting == everybody)
                var turns = 0
                let other = spawn {
                    while true {
                        turns += 1
                        try yield()
                    }
                }
                try yield()
                let before = turns
                client.close()
                #expect(turns - before >= everybody / 64)
                other.cancel()
                try other.join()
            }
        }
    }

    @Test func queuesBeyondItsLimit() async throws {
        try await onLoop {
            final class Load: @unchecked Sendable {
                var now = 0
                var peak = 0
                var served: [String] = []
            }
            let load = Load()  // one loop only
            let routes = { (server: HTTPServer) in
                server.fallback { request in
                    load.now += 1
                    load.peak = max(load.peak, load.now)
                    load.served.append(request.path)
                    try sleep(.milliseconds(2))
                    load.now -= 1
                    return "\(request.path)"
                }
            }
            try withServer(routes) { _, url throws in
                var configuration = HTTPClient.Configuration()
                configuration.connectionLimit = 10
                try HTTPClient.with(configuration) { client throws in
                    let fibers = (0..<200).map { number in spawn { try client.get("\(url)/\(number)").text } }
                    for (number, fiber) in fibers.enumerated() { #expect(try fiber.get() == "/\(number)") }
                    #expect(load.peak == 10)
                    #expect(client.pool.counts.used == 0)
                    #expect(client.pool.counts.waiting == 10)
                    // First come, first served, up to what the connections in flight make of it.
                    for (position, path) in load.served.enumerated() {
                        #expect(abs(position - Int(path.dropFirst())!) <= 10)
                    }
                }
            }
        }
    }

    @Test func cancelledInTheQueueLosesNoSlot() async throws {
        try await onLoop {
            let routes = { (server: HTTPServer) in
                server.fallback { _ in
                    try sleep(.milliseconds(5))
                    return "ok"
                }
            }
            try withServer(routes) { _, url throws in
                var configuration = HTTPClient.Configuration()
                configuration.connectionLimit = 1
                try HTTPClient.with(configuration) { client throws in
                    let fibers = (0..<20).map { _ in spawn { try client.get(url + "/").text } }
                    for _ in 0..<4 { try yield() }
                    for (index, fiber) in fibers.enumerated() where index.isMultiple(of: 2) { fiber.cancel() }
                    let late = try failure(HTTPClientError.self) {
                        try client.get(url + "/", timeout: .milliseconds(1))
                    }
                    #expect(late.phase == .queue)
                    #expect(late.isTimeout)
                    try joinAll(fibers)
                    #expect(fibers.filter { $0.value == "ok" }.count == 10)
                    #expect(client.pool.counts.used == 0)
                    #expect(try client.get(url + "/").text == "ok")

                    let busy = spawn { try client.get(url + "/").text }
                    let queued = try spawnAndPark { try client.get(url + "/").text }
                    client.close()
                    #expect(throws: HTTPClientError.self) { try queued.get() }
                    #expect(try busy.get() == "ok")
                    #expect(throws: HTTPClientError.self) { try client.get(url + "/") }
                }
            }
        }
    }

    @Test func repeatsWhenAKeptConnectionIsStale() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([[answer("1")], [answer("2")], [answer("3")], []])
            try HTTPClient.with { client throws in
                #expect(try client.get(server.url).text == "1")
                // The server has closed meanwhile, which the client finds out only by trying.
                #expect(try client.get(server.url).text == "2")
                #expect(server.requestCount == 2)
                // A request that is not idempotent asks first and so is sent once as well.
                try sleep(.milliseconds(5))
                let post = HTTPClientRequest(method: .post, url: try HTTPURL(server.url))
                #expect(try client.send(post).text == "3")
                try sleep(.milliseconds(5))
                // A fresh connection that ends without an answer is an error.
                let error = try failure(HTTPClientError.self) { try client.send(post) }
                #expect(error.phase == .readHead || error.phase == .write)
                #expect(error.attempt == 1)
                #expect(error.connectionAge != nil)
                #expect(error.description.contains(server.url))
                #expect(client.pool.counts == (0, 0, 0))
            }
        }
    }

    @Test func closesIdleConnections() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([[answer("1"), answer("never")], [answer("2"), answer("never")]])
            var configuration = HTTPClient.Configuration()
            configuration.idleTimeout = .milliseconds(5)
            try HTTPClient.with(configuration) { client throws in
                #expect(try client.get(server.url).text == "1")
                try sleep(.milliseconds(10))
                #expect(try client.get(server.url).text == "2")
            }
        }
    }

    @Test func keepsTheTotalOfConnections() async throws {
        try await onLoop {
            let servers = try (0..<4).map { _ in try ScriptedServer() }
            for server in servers { server.play([[answer("ok"), answer("ok")]]) }
            var configuration = HTTPClient.Configuration()
            configuration.connectionLimit = 2
            try HTTPClient.with(configuration) { client throws in
                for server in servers { #expect(try client.get(server.url).text == "ok") }
                #expect(client.pool.counts.waiting == 2)
                // The last ones are the ones that were kept.
                #expect(try client.get(servers[3].url).text == "ok")
                #expect(try client.get(servers[2].url).text == "ok")
            }
        }
    }

    @Test func leavesNoDescriptorsOpen() async throws {
        let names = try await onLoop { () throws in
            let server = try ScriptedServer()
            server.play([[answer("1"), answer("2")], ["HTTP/1.1 200 OK\r\n\r\n3"], ["nonsense\r\n\r\n"]])
            var names: Set<String> = []
            try HTTPClient.with { client throws in
                let origin = ConnectionKey(try HTTPURL(server.url))
                #expect(try client.get(server.url).text == "1")
                let (endpoint, found) = try client.pool.acquire(origin, until: nil) { _ in }
                let kept = try #require(found)
                let socket = try #require(kept.socket as? TCPConnection)
                names = socketNames([socket.descriptor.number])
                client.pool.release(endpoint, keeping: kept)
                #expect(try client.get(server.url).text == "2")
                #expect(stillOpen(names) == names)
                #expect(try client.send(HTTPClientRequest(method: .post, url: try HTTPURL(server.url))).text == "3")
                #expect(throws: HTTPClientError.self) { try client.get(server.url) }
                #expect(client.pool.counts == (0, 0, 0))
            }
            return names
        }
        #expect(names.count == 1)
        #expect(stillOpen(names).isEmpty)
    }

    @Test func limitsWhatAServerMaySend() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([
                [answer("0123456789")],
                ["HTTP/1.1 200 OK\r\n\r\n0123456789"],
                ["HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 300))\r\n\r\n"],
                ["nonsense\r\n\r\n"],
                ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"],
                ["HTTP/1.1 200"],
            ])
            var configuration = HTTPClient.Configuration()
            configuration.limits.bodyLength = 9
            configuration.limits.fieldLineLength = 200
            try HTTPClient.with(configuration) { client throws in
                let expected: [(HTTPClientError.Phase, HTTPParseError.Code)] = [
                    (.readBody, .bodyTooLong), (.readBody, .bodyTooLong), (.readHead, .fieldLineTooLong),
                    (.readHead, .invalidStartLine), (.readBody, .bodyTooLong), (.readHead, .truncated),
                ]
                for (phase, code) in expected {
                    let error = try failure(HTTPClientError.self) { try client.get(server.url) }
                    #expect(error.phase == phase)
                    #expect((error.cause as? HTTPParseError)?.code == code)
                }
                #expect(client.pool.counts == (0, 0, 0))
            }
        }
    }

    @Test func namesWhatFailed() async throws {
        try await onLoop {
            let client = HTTPClient()
            let https = try failure(HTTPClientError.self) { try client.get("https://127.0.0.1:1/") }
            #if TLS
                #expect(https.phase == .connect && https.isConnectionFailure)
            #else
                #expect(https.cause as? HTTPRequestFault == .needsTLS)
                #expect(https.description.contains("TLS, which is not built in"))
            #endif
            #expect(throws: HTTPURLError.self) { try client.get("no url") }

            let listener = try TCPListener()
            let port = listener.port
            listener.close()
            let refused = try failure(HTTPClientError.self) { try client.get("http://127.0.0.1:\(port)/x") }
            #expect(refused.phase == .connect)
            #expect((refused.cause as? SocketError)?.reason == .system(errno: ECONNREFUSED))
            #expect(refused.description.contains("GET http://127.0.0.1:\(port)/x: connecting failed"))

            let name = String(repeating: "x", count: 70)
            let unknown = try failure(HTTPClientError.self) { try client.get("http://\(name)/") }
            #expect(unknown.phase == .resolve)

            var fields = HTTPFields()
            fields.append(HTTPField(name: HTTPField.Name("Host")!, value: "x"))
            let injected = HTTPClientRequest(
                method: .get, url: try HTTPURL("http://127.0.0.1:\(port)/"), headers: fields)
            #expect(try failure(HTTPClientError.self) { try client.send(injected) }.phase == .request)
        }
    }

    @Test func timesOut() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
            let listener = try TCPListener()  // accepts in its backlog and never answers
            let client = HTTPClient()
            let silent = try failure(HTTPClientError.self) {
                try client.get("http://127.0.0.1:\(listener.port)/", timeout: .milliseconds(100))
            }
            #expect(silent.isTimeout)
            #expect(silent.phase == .readHead)

            // The script's second line never comes to pass, so its connection stays open.
            server.play([[half, ""]])
            var configuration = HTTPClient.Configuration()
            configuration.readTimeout = .milliseconds(500)
            let impatient = HTTPClient(configuration)
            let slow = try failure(HTTPClientError.self) { try impatient.get(server.url) }
            #expect(slow.isTimeout)
            #expect(slow.phase == .readBody)
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(10)) { try client.get("http://127.0.0.1:\(listener.port)/") }
            }

            let cancelled = try spawnAndPark { try client.get("http://127.0.0.1:\(listener.port)/") }
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get(timeout: .seconds(60)) }
            #expect(client.pool.counts == (0, 0, 0))
        }
    }
}
