import Glibc
import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

private let routes: @Sendable (HTTPServer) -> Void = { server in
    server.get("/") { _ in "home" }
    server.get("/directory/") { request in "in \(request.path) \(request.query ?? "-")" }
    server.get("/ü") { _ in "umlaut" }
    server.get("/search") { "\($0.queryValue("q") ?? "none") \($0.queryValue("r") ?? "none")" }
    server.post("/echo") { HTTPServerResponse(bytes: try $0.bytes()) }
    server.route("/both", methods: [.get, .put]) { "\($0.method.rawValue)" }
    server.get("/broken") { _ in throw Broken() }
    server.get("/impossible") { _ in HTTPServerResponse(status: .init(code: 42)) }
    server.get("/nothing") { _ in HTTPServerResponse(status: .noContent) }
    server.get("/close") { _ in HTTPServerResponse("bye", headers: [.connection: "close", .contentLength: "77"]) }
    server.get("/sleep") { _ in
        try sleep(.milliseconds(30))
        return "rested"
    }
    server.get("/large") { _ in HTTPServerResponse(bytes: [UInt8](repeating: 65, count: 1_000_000)) }
}

private struct Broken: Error {}

@Suite struct ServerTests {
    @Test func findsRoutes() async throws {
        try await onLoop {
            try withServer(routes) { _, url throws in
                let client = HTTPClient()
                let home = try client.get(url + "/")
                #expect(home.text == "home")
                #expect(home.headers[.contentType] == "text/html; charset=utf-8")
                #expect(home.headers[.contentLength] == "4")
                #expect(home.headers[.date]?.hasSuffix(" GMT") == true)
                #expect(try client.get(url + "/directory/?a=b").text == "in /directory/ a=b")
                var request = HTTPClientRequest(url: try HTTPURL(url + "/directory?a=b"))
                request.followsRedirects = false
                let redirect = try client.send(request)
                #expect(redirect.status.code == 308)
                #expect(redirect.headers[.location] == "/directory/?a=b")
                #expect(try client.get(url + "/both/").status == .notFound)
                #expect(try client.get(url + "/%C3%BC").text == "umlaut")
                #expect(try client.get(url + "/search?r=&q=a+b%21&q=c").text == "a b! ")
                #expect(try client.get(url + "/search").text == "none none")
                #expect(try client.get(url + "/none").status == .notFound)
                #expect(try client.get(url + "/nothing").status == .noContent)
                #expect(try client.get(url + "/large").bytes.count == 1_000_000)
            }
        }
    }

    @Test func checksMethods() async throws {
        try await onLoop {
            try withServer(routes) { server, url throws in
                let client = HTTPClient()
                func send(_ method: HTTPRequest.Method, _ path: String) throws -> HTTPClientResponse {
                    try client.send(HTTPClientRequest(method: method, url: try HTTPURL(url + path)))
                }
                #expect(try send(.put, "/both").text == "PUT")
                let wrong = try send(.delete, "/both")
                #expect(wrong.status == .methodNotAllowed)
                #expect(wrong.headers[.allow] == "GET, PUT, HEAD, OPTIONS")
                #expect(try send(.get, "/echo").headers[.allow] == "POST, OPTIONS")
                let head = try send(.head, "/large")
                #expect(head.headers[.contentLength] == "1000000")
                #expect(head.bytes.isEmpty)
                let text = try exchange(server.port, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                #expect(text.hasSuffix("\r\n\r\n"))
                #expect(text.contains("Content-Length: 4\r\n"))
            }
        }
    }

    @Test func answersPipelinedRequestsInOrder() async throws {
        try await onLoop {
            try withServer(routes) { server, _ throws in
                let text = try exchange(
                    server.port,
                    "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                        + "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
                        + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"
                )
                let bodies = text.components(separatedBy: "\r\n\r\n").dropFirst()
                #expect(bodies.map { $0.components(separatedBy: "HTTP/1.1")[0] } == ["rested", "abc", "def", "home"])
                #expect(text.components(separatedBy: "Connection: close").count == 2)
            }
        }
    }

    @Test func keepsOrClosesConnections() async throws {
        try await onLoop {
            try withServer(routes) { server, _ throws in
                let old = try exchange(server.port, "GET / HTTP/1.0\r\n\r\n")
                #expect(old.contains("Connection: close"))
                let kept = try exchange(
                    server.port, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
                #expect(kept.components(separatedBy: "home").count == 3)
                #expect(kept.contains("Connection: keep-alive"))
                let closed = try exchange(server.port, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(closed.hasSuffix("bye"))
                #expect(closed.contains("Content-Length: 3\r\n"))
                #expect(!closed.contains("77"))
            }
        }
    }

    @Test func refusesWhatIsNoRequest() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.limits.bodyLength = 10
            configuration.limits.startLineLength = 100
            try withServer(routes, configuration) { server, _ throws in
                let field = String(repeating: "x", count: 9000)
                for (request, status) in [
                    ("nonsense\r\n\r\n", "400"), ("GET / HTTP/2.0\r\n\r\n", "505"), ("GET / HTTP/1.1\r\n\r\n", "400"),
                    ("GET /\(field) HTTP/1.1\r\n", "414"), ("GET / HTTP/1.1\r\nX: \(field)\r\n", "431"),
                    ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", "413"),
                    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", "413"),
                    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"),
                    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400"),
                ] {
                    let answer = try exchangeHalfClosed(server.port, request)
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(request.prefix(30)): \(answer.prefix(50))")
                    #expect(answer.contains("Connection: close"))
                }
                // A client that leaves in the middle gets no answer.
                #expect(try exchangeHalfClosed(server.port, "GET / HT").isEmpty)
            }
        }
    }

    private func exchangeHalfClosed(_ port: Int, _ text: String) throws -> String {
        try TCPConnection.with("127.0.0.1", port: port) { connection in
            connection.timeout = .seconds(10)
            try connection.write(text)
            try connection.closeWriting()
            return String(decoding: try connection.readToEnd(), as: UTF8.self)
        }
    }

    @Test func saysContinue() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.limits.bodyLength = 10
            try withServer(routes, configuration) { server, _ throws in
                func ask(_ path: String, length: Int) throws -> (first: String, connection: TCPConnection) {
                    let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                    connection.timeout = .seconds(10)
                    try connection.write(
                        "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\nExpect: 100-continue\r\n\r\n")
                    return (String(decoding: try connection.readExactly(12), as: UTF8.self), connection)
                }
                let (first, connection) = try ask("/echo", length: 3)
                #expect(first == "HTTP/1.1 100")
                try connection.write("abc")
                try connection.closeWriting()
                #expect(String(decoding: try connection.readToEnd(), as: UTF8.self).hasSuffix("\r\n\r\nabc"))
                #expect(try ask("/echo", length: 11).first == "HTTP/1.1 413")
                #expect(try ask("/none", length: 3).first == "HTTP/1.1 404")
                #expect(try ask("/both", length: 3).first == "HTTP/1.1 405")
            }
        }
    }

    @Test func reportsWhatAHandlerThrows() async throws {
        ReportLog.begin()
        try await onLoop {
            try withServer(routes) { _, url throws in
                let client = HTTPClient()
                #expect(try client.get(url + "/broken").status == .internalServerError)
                #expect(try client.get(url + "/impossible").status == .internalServerError)
                #expect(client.pool.counts.waiting == 1)
            }
        }
        #expect(ReportLog.reports(containing: "GET /broken threw Broken()").count == 1)
        #expect(ReportLog.reports(containing: "the response to /impossible cannot be sent").count == 1)
    }

    @Test func hasTimeLimits() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.headTimeout = .milliseconds(30)
            configuration.bodyTimeout = .milliseconds(20)
            configuration.idleTimeout = .milliseconds(500)
            try withServer(routes, configuration) { server, _ throws in
                // A byte now and then does not help.
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                let dripping = spawn {
                    for byte in "GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".utf8 {
                        try connection.write([byte])
                        try sleep(.milliseconds(2))
                    }
                }
                #expect(String(decoding: try connection.readToEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 408 "))
                dripping.cancel()
                try dripping.join()
                _ = dripping.error
                let body = try exchange(server.port, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
                #expect(body.hasPrefix("HTTP/1.1 408 "))
                #expect(body.contains("Connection: close"))
                #expect(try exchange(server.port, "").isEmpty)
            }
        }
    }

    @Test func stopsGracefully() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration)
            routes(server)
            let (began, mayEnd) = (Waiter<Void>(), Waiter<Void>())
            server.get("/wait") { _ in
                began.resume(returning: ())
                _ = try mayEnd.wait()
                return "waited"
            }
            let running = try spawnAndPark { try server.run() }
            let port = server.port
            let client = HTTPClient()
            #expect(try client.get("http://127.0.0.1:\(port)/").text == "home")  // leaves an idle connection
            let slow = spawn { try client.get("http://127.0.0.1:\(port)/wait") }
            _ = try began.wait()
            let stopping = try spawnAndPark { try server.stop() }
            #expect(!stopping.isFinished)
            mayEnd.resume(returning: ())
            try stopping.get(timeout: .seconds(60))
            try running.get(timeout: .seconds(60))
            let response = try slow.get(timeout: .seconds(60))
            #expect(response.text == "waited")
            #expect(response.headers[.connection] == "close")
            #expect(throws: HTTPClientError.self) { try HTTPClient().get("http://127.0.0.1:\(port)/") }
            #expect(!running.isCancelled)
        }
    }

    @Test func stopsWithinItsGrace() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration)
            let began = Waiter<Void>()
            server.get("/") { _ in
                began.resume(returning: ())
                try sleep(.seconds(3600))
                return ""
            }
            let running = try spawnAndPark { try server.run() }
            let url = "http://127.0.0.1:\(server.port)/"
            let endless = spawn { try HTTPClient().get(url) }
            _ = try began.wait()
            let watch = Stopwatch()
            try server.stop(grace: .milliseconds(10))
            #expect(watch.elapsed < .seconds(2))
            #expect(throws: HTTPClientError.self) { try endless.get(timeout: .seconds(60)) }
            try running.get()

            let again = try spawnAndPark { try server.run() }
            again.cancel()
            #expect(throws: CancellationError.self) { try again.get(timeout: .seconds(60)) }
        }
    }

    @Test func namesABusyPort() async throws {
        try await onLoop {
            let listener = try TCPListener()
            var configuration = HTTPServer.Configuration()
            configuration.port = listener.port
            let error = try failure(SocketError.self) { try HTTPServer(configuration).start() }
            #expect(error.description.contains("127.0.0.1:\(listener.port)"))
            try yield()
        }
    }

    @Test func writesAnAccessLog() async throws {
        let lines = Mutex<[HTTPAccess]>([])
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.accessLog = { entry in lines.withLock { $0.append(entry) } }
            try withServer(routes, configuration) { _, url throws in
                _ = try HTTPClient().get(url + "/search?q=1")
                _ = try HTTPClient().get(url + "/none")
            }
        }
        let entries = lines.withLock { $0 }
        #expect(entries.map(\.target) == ["/search?q=1", "/none"])
        #expect(entries.map(\.status.code) == [200, 404])
        #expect(entries[0].description.hasPrefix("127.0.0.1 \"GET /search?q=1\" 200 6 "))
    }

    @Test func writesDates() {
        #expect(DateField.format(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(DateField.format(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
