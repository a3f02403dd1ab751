import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct MiddlewareTests {
    private struct Tagging: HTTPClientMiddleware {
        let tag: String

        func send(
            _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
        ) throws -> HTTPResponseStream {
            var request = request
            let name = HTTPField.Name("X-Tag")!
            request.headers[name] = (request.headers[name] ?? "") + tag
            return try next(request)
        }
    }

    @Test func runAroundRequests() async throws {
        try await onLoop {
            let failures = Mutex(2)
            let routes = { (server: HTTPServer) in
                server.fallback { request in
                    let isBusy = failures.withLock { left in
                        left -= 1
                        return left >= 0
                    }
                    if isBusy {
                        return HTTPServerResponse(status: .serviceUnavailable, headers: [.retryAfter: "0"], bytes: [])
                    }
                    return HTTPServerResponse(
                        bytes: Array((request.headers[HTTPField.Name("X-Tag")!] ?? "").utf8) + (try request.bytes()))
                }
            }
            try withServer(routes) { _, url throws in
                let retries = HTTPRetries(count: 3, firstPause: .milliseconds(1))
                let configuration = configured {
                    $0.middlewares = [Tagging(tag: "a"), retries, Tagging(tag: "b")]
                    $0.throwsForStatus = true
                }
                try HTTPClient.with(configuration) { client throws in
                    #expect(try client.put(url, body: .text("!")).text == "ab!")
                    #expect(client.statistics.requests == 3)
                    #expect(client.pool.counts == (0, 1, 0))
                    failures.withLock { $0 = 100 }
                    let error = try failure(HTTPStatusError.self) { try client.get(url) }
                    #expect(error.status == .serviceUnavailable)
                    #expect(error.description.contains("503") && error.description.contains("server's fault"))
                    #expect(client.statistics.requests == 7)
                    // A POST may have been done already.
                    #expect(throws: HTTPStatusError.self) { try client.post(url) }
                    #expect(client.statistics.requests == 8)
                    #expect(throws: HTTPClientError.self) { try client.get("http://127.0.0.1:1/") }
                    #expect(client.statistics.requests == 12)
                    #expect(client.pool.counts == (0, 1, 0))
                }
            }
        }
    }

    @Test func eachStepIsTold() async throws {
        try await onLoop {
            let steps = Mutex<[String]>([])
            let server = try ScriptedServer()
            server.play([
                [answer("", status: "302 Found", fields: "Location: /next\r\n"), answer("body")], [answer("posted")],
            ])
            let configuration = configured {
                $0.trace = { event in
                    steps.withLock { steps in
                        let name = "\(event.step)".prefix { $0 != "(" }
                        steps.append("\(event.request) \(name)")
                    }
                }
            }
            try HTTPClient.with(configuration) { client throws in
                #expect(try client.get(server.url).text == "body")
                let open = ["resolving", "resolved", "connecting", "connected"]
                let first =
                    ["started"] + open + ["headSent", "headReceived", "redirected", "ended"] + [
                        "started", "reused", "headSent", "headReceived", "bodyChunkReceived", "ended",
                    ]
                #expect(steps.withLock { $0 } == first.map { "1 " + $0 })
                steps.withLock { $0 = [] }
                try sleep(.milliseconds(20))
                #expect(try client.post(server.url, body: .text("x")).text == "posted")
                let second =
                    ["started"] + open + [
                        "headSent", "bodyChunkSent", "bodySent", "headReceived", "bodyChunkReceived", "ended",
                    ]
                #expect(steps.withLock { $0 } == second.map { "2 " + $0 })
                steps.withLock { $0 = [] }
                #expect(throws: HTTPClientError.self) { try client.get("http://127.0.0.1:1/") }
                #expect(
                    steps.withLock { $0 }
                        == ["3 started", "3 resolving", "3 resolved", "3 connecting", "3 failed"])
            }
        }
    }
}
