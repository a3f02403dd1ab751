import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct UpgradeTests {
    private func request(_ url: String) throws -> HTTPClientRequest {
        HTTPClientRequest(
            url: try HTTPURL(url), headers: [.connection: "Upgrade", .upgrade: "shouting"], timeout: .seconds(10))
    }

    @Test func handsOutTheConnection() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            // The server's first words come with its head, and must not be lost.
            server.play([
                ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: shouting\r\nConnection: Upgrade\r\n\r\nHELLO", "AGAIN"]
            ])
            try HTTPClient.with { client throws in
                guard case .switched(let connection) = try client.upgrade(try request(server.url)) else {
                    Issue.record("the server switched")
                    return
                }
                #expect(connection.response.headers[.upgrade] == "shouting")
                #expect(client.pool.counts == (0, 0, 0))
                if connection.input.isEmpty { _ = try connection.input.fill(from: connection.stream, until: nil) }
                #expect(String(decoding: connection.input.bytes, as: UTF8.self) == "HELLO")
                connection.input.consume(5)
                try connection.stream.write("to the script any head will do\r\n\r\n")
                _ = try connection.input.fill(from: connection.stream, until: nil)
                #expect(String(decoding: connection.input.bytes, as: UTF8.self) == "AGAIN")
                connection.stream.close()
            }
            #expect(server.requests.withLock { $0[0] }.contains("\r\nUpgrade: shouting\r\n"))
        }
    }

    @Test func theServerMayRefuse() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([[answer("no such protocol", status: "426 Upgrade Required")]])
            try HTTPClient.with { client throws in
                guard case .refused(let response) = try client.upgrade(try request(server.url)) else {
                    Issue.record("the server refused")
                    return
                }
                #expect(response.status.code == 426)
                #expect(response.text == "no such protocol")
                #expect(client.pool.counts == (0, 1, 0))
                #expect(throws: HTTPClientError.self) { try client.upgrade(try request("http://127.0.0.1:1/")) }
                #expect(client.pool.counts == (0, 1, 0))
            }
        }
    }
}
