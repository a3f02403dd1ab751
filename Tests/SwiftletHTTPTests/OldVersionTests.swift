import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

/// A client that speaks HTTP/1.0.
@Suite struct OldVersionTests {
    private func old() -> HTTPClient.Configuration { configured { $0.version = .http10 } }

    @Test("A connection is kept if the server says so, whatever its version")
    func connections() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            let kept = answer("kept", fields: "Connection: keep-alive\r\n")
            let older = kept.replacing("HTTP/1.1", with: "HTTP/1.0")
            server.play([[kept, older, answer("new")], [answer("old").replacing("HTTP/1.1", with: "HTTP/1.0")]])
            try HTTPClient.with(old()) { client throws in
                #expect(try client.get(server.url).text == "kept")
                #expect(try client.get(server.url).text == "kept")
                #expect(try client.get(server.url).text == "new")
                #expect(client.statistics.openedConnections == 1 && client.statistics.idleConnections == 0)
                #expect(try client.get(server.url, headers: [.connection: "close"]).text == "old")
                #expect(client.statistics.openedConnections == 2 && client.statistics.idleConnections == 0)
            }
            let heads = server.requests.withLock { $0 }
            let start = "GET / HTTP/1.0\r\nHost: 127.0.0.1:\(server.listener.port)\r\n"
            #expect(heads[0].hasPrefix(start + "Connection: keep-alive\r\nUser-Agent: "))
            #expect(heads[3].hasPrefix(start + "Connection: close\r\n"))
        }
    }

    @Test("A body has a length, or is refused before anything is sent; no consent is asked for")
    func bodies() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([[answer("taken")]])
            try HTTPClient.with(old()) { client throws in
                let endless = try failure(HTTPClientError.self) {
                    try client.post(server.url, body: .stream { try $0.write("some") })
                }
                #expect(endless.cause as? HTTPRequestFault == .bodyHasNoLength && endless.phase == .request)
                #expect(endless.description.contains("HTTP/1.0 needs the length of a body"))
                var request = try client.request(.post, server.url, body: .stream(length: 4) { try $0.write("some") })
                request.expectsContinue = true
                #expect(try client.send(request).text == "taken")
            }
            let head = try #require(server.requests.withLock { $0 }.first)
            #expect(head.hasPrefix("POST / HTTP/1.0\r\n") && head.contains("\r\nContent-Length: 4\r\n"))
            #expect(!head.contains("Expect"))
        }
    }

    @Test("With our server; a WebSocket is asked for in 1.1 all the same")
    func server() async throws {
        try await onLoop {
            func routes(_ server: HTTPServer) {
                server.get("/") { HTTPServerResponse("\($0.version)") }
                server.webSocket("/echo") { socket in
                    while let message = try socket.receive() { try socket.send(message) }
                }
            }
            try withServer({ routes($0) }) { _, url throws in
                try HTTPClient.with(old()) { client throws in
                    for _ in 0..<3 { #expect(try client.get(url + "/").text == "HTTP/1.0") }
                    #expect(client.statistics.openedConnections == 1)
                    let socket = try client.webSocket(url + "/echo")
                    try socket.send("new")
                    #expect(try socket.receive() == .text("new"))
                    try socket.close()
                }
            }
        }
    }
}
