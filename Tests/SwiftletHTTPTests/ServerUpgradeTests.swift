import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct ServerUpgradeTests {
    private static let request =
        "GET /shout HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: a, Shout\r\n\r\n"

    /// Sends everything back in capital letters.
    private static let routes: @Sendable (HTTPServer) -> Void = { server in
        server.get("/shout") { request in
            guard request.asksForUpgrade(to: "shout") else { return HTTPServerResponse(status: .upgradeRequired) }
            return .upgrade(to: "shout", headers: [.server: "test"]) { connection in
                connection.whenStopping = { connection.stream.close() }
                while true {
                    if connection.input.isEmpty,
                        try connection.input.fill(from: connection.stream, until: .after(.seconds(10))) == 0
                    {
                        return
                    }
                    let text = String(decoding: connection.input.bytes, as: UTF8.self).uppercased()
                    connection.input.consume(connection.input.bytes.count)
                    try connection.stream.write(text)
                }
            }
        }
    }

    @Test("A handler takes the connection over, with what has come behind the head")
    func takesOver() async throws {
        try await onLoop {
            try withServer(Self.routes) { server, _ throws in
                try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    connection.timeout = .seconds(10)
                    try connection.write(Self.request + "early ")
                    var text = ""
                    while !text.hasSuffix("EARLY ") {
                        text += String(decoding: try connection.readExactly(1), as: UTF8.self)
                    }
                    #expect(text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
                    #expect(text.contains("\r\nConnection: Upgrade\r\n"))
                    #expect(text.contains("\r\nUpgrade: shout\r\n"))
                    #expect(!text.contains("Content-Length"))
                    try connection.write("late")
                    #expect(try connection.readExactly(4) == Array("LATE".utf8))
                    try connection.closeWriting()
                    #expect(try connection.readToEnd().isEmpty)
                }
                #expect(try exchange(server.port, "GET /shout HTTP/1.0\r\nUpgrade: shout\r\n\r\n").contains("426"))
            }
        }
    }

    @Test("A server that stops tells who has taken over")
    func stops() async throws {
        try await onLoop {
            let (server, connection) = try withServer(Self.routes) { server, _ throws in
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                connection.timeout = .seconds(10)
                try connection.write(Self.request + "x")
                while try connection.readExactly(1) != [UInt8(ascii: "X")] {}
                return (server, connection)
            }
            #expect(try connection.readToEnd().isEmpty)
            _ = server
        }
    }
}
