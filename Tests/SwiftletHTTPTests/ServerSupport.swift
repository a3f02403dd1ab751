import HTTPTypes
import Swiftlet
import SwiftletHTTP
import Synchronization
import Testing

/// A server that plays a part: for each connection, in order, the given lines of it.
///
/// Each line waits for a request's head and then writes its text. After the last line the connection is closed.
final class ScriptedServer: Sendable {
    let listener: TCPListener
    let requests = Mutex<[String]>([])

    var url: String { "http://127.0.0.1:\(listener.port)/" }
    var requestCount: Int { requests.withLock { $0.count } }

    init() throws { listener = try TCPListener() }

    /// Plays in a fiber; several connections at the same time.
    func play(_ connections: [[String]]) {
        spawn {
            for lines in connections {
                let connection = try self.listener.accept()
                spawn {
                    for line in lines {
                        guard let head = try self.readHead(connection) else { break }
                        self.requests.withLock { $0.append(head) }
                        try connection.write(line)
                    }
                    connection.close()
                }
            }
        }
    }

    private func readHead(_ connection: TCPConnection) throws -> String? {
        var head: [UInt8] = []
        while !String(decoding: head, as: UTF8.self).contains("\r\n\r\n") {
            let piece = try connection.read(upTo: 1)
            if piece.isEmpty { return nil }
            head += piece
        }
        return String(decoding: head, as: UTF8.self)
    }
}

/// A response as a scripted server writes it.
func answer(_ body: String, status: String = "200 OK", fields: String = "") -> String {
    "HTTP/1.1 \(status)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

/// Runs the body with a server that is stopped afterwards.
func withServer<Value>(
    _ routes: (HTTPServer) -> Void, _ configuration: HTTPServer.Configuration = .init(),
    _ body: (HTTPServer, String) throws -> Value
) throws -> Value {
    var configuration = configuration
    configuration.port = 0
    let server = HTTPServer(configuration)
    routes(server)
    try server.start()
    defer { #expect(throws: Never.self) { try server.stop(grace: .milliseconds(100)) } }
    return try body(server, "http://127.0.0.1:\(server.port)")
}

/// What a server answers to raw bytes, until it closes.
func exchange(_ port: Int, _ text: String) throws -> String {
    try TCPConnection.with("127.0.0.1", port: port) { connection in
        connection.timeout = .seconds(10)
        try connection.write(text)
        return String(decoding: try connection.readToEnd(), as: UTF8.self)
    }
}
