import Glibc
import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP
@testable import SwiftletNet

/// What users of aiohttp's server have suffered from, each by the number of its issue there.
@Suite struct KnownServerPainTests {
    /// #9138: the server closed a kept connection for idleness while a request on it was under way.
    @Test func aBusyConnectionIsNotIdle() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.idleTimeout = .milliseconds(80)
            let routes = { (server: HTTPServer) in
                server.get("/slow") { _ in
                    try sleep(.milliseconds(400))
                    return "slow"
                }
                server.get("/stream") { _ in
                    HTTPServerResponse.stream { (body: HTTPServerResponse.Writer) throws in
                        for _ in 0..<4 {
                            try sleep(.milliseconds(100))
                            try body.write("x")
                        }
                    }
                }
                server.post("/read") { HTTPServerResponse(bytes: try $0.bytes()) }
                server.get("/") { _ in "ok" }
            }
            try withServer(routes, configuration) { server, url throws in
                // Else the client would open another connection without a word.
                try HTTPClient.with(configured { $0.retriesStaleConnections = false }) { client throws in
                    #expect(try client.get(url + "/").text == "ok")
                    #expect(try client.get(url + "/slow").text == "slow")
                    #expect(try client.get(url + "/stream").text == "xxxx")
                    let body = HTTPRequestBody.stream { writer in
                        for _ in 0..<4 {
                            try sleep(.milliseconds(100))
                            try writer.write("y")
                        }
                    }
                    #expect(try client.post(url + "/read", body: body).text == "yyyy")
                    #expect(try client.get(url + "/").text == "ok")
                    #expect(client.statistics.openedConnections == 1)
                    // And one that is idle is closed: before another one that has been so for less long.
                    let later = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                    later.timeout = .seconds(30)
                    try later.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(String(decoding: try later.readToEnd(), as: UTF8.self).hasSuffix("ok"))
                    later.close()
                    #expect(throws: HTTPClientError.self) { try client.get(url + "/") }
                }
            }
        }
    }

    /// #12830: whoever pipelined without end filled the server's memory. Here nothing is read while a request is handled.
    @Test func pipeliningIsBounded() async throws {
        try await onLoop {
            let gate = Waiter<Void>()
            let handled = Mutex(0)
            let routes = { (server: HTTPServer) in
                server.get("/") { _ in
                    handled.withLock { $0 += 1 }
                    _ = try gate.wait()
                    return "ok"
                }
            }
            try withServer(routes) { server, _ throws in
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                defer { connection.close() }
                // The kernel's buffers shall not grow to megabytes: then this takes long.
                var size: CInt = 64 * 1024
                setsockopt(
                    connection.descriptor.number, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<CInt>.size))
                connection.writeTimeout = .milliseconds(500)
                let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                let batch = String(repeating: request, count: 1000)
                var sent = 0
                let error = try failure(SocketError.self) {
                    while true {
                        try connection.write(batch)
                        sent += 1000
                    }
                }
                #expect(error.reason == .timedOut)
                // Two megabytes of requests would be 70,000; what went out lies in the kernel.
                #expect(handled.withLock { $0 } == 1 && sent < 1_000_000, "\(sent) requests were taken")
                gate.resume(returning: ())
            }
        }
    }

    /// #12826, #12832: the limit of a line was evaded by reads that split it. #13136: bare line feeds.
    @Test(arguments: [
        ("GET /" + String(repeating: "a", count: 300) + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 300) + "\r\n\r\n", "431"),
        ("GET / HTTP/1.1\nHost: a\n\n", "400"), ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "400"),
    ])
    func splitReadsEvadeNoLimit(text: String, status: String) async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.limits.startLineLength = 200
            configuration.limits.fieldLineLength = 200
            let routes = { (server: HTTPServer) in
                server.get("/") { _ in "ok" }
                server.post("/") { HTTPServerResponse(bytes: try $0.bytes()) }
            }
            try withServer(routes, configuration) { server, _ throws in
                let answer = try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    connection.timeout = .seconds(10)
                    for byte in text.utf8 {
                        do {
                            try connection.write([byte])
                        } catch {
                            break  // it has been refused already
                        }
                        try yield()
                    }
                    return String(decoding: try connection.readToEnd(), as: UTF8.self)
                }
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
                #expect(answer.ranges(of: "HTTP/1.1 ").count == 1)
            }
        }
    }

    /// A slow head: aiohttp has no limit for it.
    @Test func aHeadThatComesByDropsEnds() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.headTimeout = .milliseconds(150)
            try withServer({ $0.get("/") { _ in "ok" } }, configuration) { server, _ throws in
                let end = Deadline.after(.seconds(5))
                let answer = try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    connection.timeout = .seconds(10)
                    try connection.write("GET / HTTP/1.1\r\nHost: a\r\n")
                    // Each byte is progress, and none of them helps.
                    while .now < end {
                        do {
                            try connection.write("X")
                        } catch {
                            break
                        }
                        try sleep(.milliseconds(20))
                        if connection.hasInput { break }
                    }
                    return String(decoding: try connection.readToEnd(), as: UTF8.self)
                }
                #expect(answer.hasPrefix("HTTP/1.1 408 "))
            }
        }
    }
}
