import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP
import Synchronization
import TestSupport
import Testing

/// HTTP over Unix sockets, as container engines and their like speak it.
@Suite struct UnixSocketTests {
    private static func path(_ name: String) -> String { "/tmp/swiftlet-http-\(getpid())-\(name).socket" }

    /// Answers each request with its head, until its client leaves.
    private func serve(_ listener: UnixListener) {
        spawn {
            try listener.serve { connection in
                var unread: [UInt8] = []
                while true {
                    while unread.firstRange(of: Array("\r\n\r\n".utf8)) == nil {
                        let piece = try connection.read(upTo: 4096)
                        if piece.isEmpty { return }
                        unread += piece
                    }
                    try connection.write(answer(String(decoding: unread, as: UTF8.self)))
                    unread = []
                }
            }
        }
    }

    @Test("A client whose connections go to a Unix socket", arguments: ["file", "@abstract"])
    func client(kind: String) async throws {
        try await onLoop {
            let path = kind == "file" ? Self.path("client") : "@swiftlet-http-\(getpid())"
            let listener = try UnixListener(path: path)
            serve(listener)
            let steps = Mutex<[String]>([])
            let configuration = configured {
                $0.unixSocket = path
                $0.trace = { event in steps.withLock { $0.append("\(event.step)".prefix { $0 != "(" }.description) } }
            }
            try HTTPClient.with(configuration) { client throws in
                for _ in 0..<3 {
                    // The host is never looked up; the server is told of it.
                    let text = try client.get("http://engine.invalid/containers/json?all=1").text
                    #expect(text.hasPrefix("GET /containers/json?all=1 HTTP/1.1\r\nHost: engine.invalid\r\n"))
                }
                #expect(client.statistics.openedConnections == 1)
                let seen = steps.withLock { $0 }
                #expect(seen.contains("connected") && !seen.contains("resolving"))
            }
            listener.close()
        }
    }

    @Test("Nobody there: the error names the socket and the URL")
    func refused() async throws {
        try await onLoop {
            let path = Self.path("nobody")
            try HTTPClient.with(configured { $0.unixSocket = path }) { client throws in
                let error = try failure(HTTPClientError.self) { try client.get("http://localhost/") }
                #expect(error.phase == .connect && error.isConnectionFailure)
                #expect(error.description.contains(path) && error.description.contains("http://localhost/"))
            }
            try yield()
        }
    }
}
