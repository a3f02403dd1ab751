import HTTPTypes
import Swiftlet
import SwiftletHTTP
import SwiftletTesting
import TestSupport
import Testing

@Suite("WebSocket handshake")
struct HandshakeTests {
    private static let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

    /// The status with which a server refuses to open a WebSocket; `nil` if it opens one.
    private func refusal(of url: String, headers: HTTPFields = [:], by client: HTTPClient) throws -> Int? {
        do {
            _ = try client.webSocket(url, headers: headers)
            return nil
        } catch WebSocketError.refused(let status) {
            return status.code
        }
    }

    /// Whether a client takes a server's handshake for one.
    private func isBelieved(_ url: String, by client: HTTPClient) throws -> Bool {
        do {
            _ = try client.webSocket(url)
            return true
        } catch WebSocketError.invalidHandshake {
            return false
        }
    }

    @Test("The server proves that it has read the key of RFC 6455, 1.3")
    func acceptance() async throws {
        try await onLoop {
            try withSocketServer { _, port in
                let peer = try RawPeer(port: port)
                #expect(peer.head.hasPrefix("HTTP/1.1 101 "))
                #expect(peer.head.lowercased().contains("upgrade: websocket"))
                #expect(peer.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            }
        }
    }

    @Test(
        "What is no handshake is refused with the right status",
        arguments: [
            (426, "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            (426, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), (400, "Sec-WebSocket-Version: 13\r\n"),
            (400, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"),
            (400, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhl\r\n"),
            (400, key + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            (403, key + "Origin: https://evil.example\r\n"), (403, key + "Origin: null\r\n"),
            (400, key + "Sec-WebSocket-Extensions: ;\r\n"),
        ])
    func refusals(_ status: Int, _ fields: String) async throws {
        try await onLoop {
            try withSocketServer { _, port in
                let peer = try RawPeer(port: port, fields: fields)
                #expect(peer.head.hasPrefix("HTTP/1.1 \(status) "), "\(peer.head)")
            }
        }
    }

    @Test("An ordinary request is told that a WebSocket lives here")
    func ordinaryRequest() async throws {
        try await onLoop {
            try withSocketServer { _, port in
                try withHTTPClient { client in
                    let response = try client.get("http://127.0.0.1:\(port)/socket")
                    #expect(response.status.code == 426)
                    #expect(response.headers[.upgrade] == "websocket")
                }
            }
        }
    }

    @Test("Pages of the same host may connect, others if they are allowed")
    func origins() async throws {
        try await onLoop {
            try withSocketServer { url, port in
                try withHTTPClient { client in
                    try client.withWebSocket(url, headers: [.origin: "http://127.0.0.1:\(port)"]) { try $0.send("x") }
                }
            }
            let configuration = configured { $0.allowsOrigin = { origin, _ in origin == "https://friend.example" } }
            try withSocketServer(configuration) { url, port in
                try withHTTPClient { client in
                    try client.withWebSocket(url, headers: [.origin: "https://friend.example"]) { try $0.send("x") }
                    let status = try refusal(of: url, headers: [.origin: "http://127.0.0.1:\(port)"], by: client)
                    #expect(status == 403)
                }
            }
        }
    }

    @Test("The server's preferred subprotocol is agreed on")
    func subprotocols() async throws {
        try await onLoop {
            let configuration = configured { $0.subprotocols = ["b", "a"] }
            try withSocketServer(configuration) { socket in
                try socket.send("\(socket.subprotocol ?? "none") of \(socket.request?.path ?? "")")
            } _: { url, _ in
                try withHTTPClient { client in
                    for (wishes, agreed) in [(["a", "b"], "b"), (["c", "a"], "a"), (["c"], nil), ([], nil)] {
                        try client.withWebSocket(url, configuration: configured { $0.subprotocols = wishes }) {
                            socket in
                            #expect(socket.subprotocol == agreed)
                            let message = try socket.receive()
                            #expect(message == .text("\(agreed ?? "none") of /socket"))
                        }
                    }
                }
            }
        }
    }

    @Test(
        "A server that breaks the handshake is not believed",
        arguments: [
            "Sec-WebSocket-Protocol: surprise\r\n", "Sec-WebSocket-Extensions: x-surprise\r\n",
            "Sec-WebSocket-Extensions: permessage-deflate; unknown\r\n",
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n",
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15\r\n",
            "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n",
            "Sec-WebSocket-Accept: again\r\n",
        ])
    func serverFaults(_ fields: String) async throws {
        try await onLoop {
            let listener = try TCPListener()
            let peer = spawn { try RawPeer(accepting: listener, fields: fields) }
            try withHTTPClient { client in
                let isBelieved = try isBelieved("ws://127.0.0.1:\(listener.port)/", by: client)
                #expect(!isBelieved)
            }
            _ = try peer.get()
        }
    }

    #if Zlib
        @Test(
            "Compression is agreed on as far as both like it",
            arguments: [
                ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
                (
                    "permessage-deflate; client_max_window_bits",
                    "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
                ),
                (
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=\"10\"",
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"
                ),
                (
                    "permessage-deflate; server_max_window_bits=16, permessage-deflate",
                    "permessage-deflate; server_max_window_bits=12"
                ),
                ("permessage-deflate; server_max_window_bits", nil), ("permessage-deflate; a=b", nil), ("x-other", nil),
                ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", nil),
                ("permessage-deflate; server_max_window_bits=08", nil),
            ] as [(String, String?)])
        func negotiation(_ offer: String, _ expected: String?) async throws {
            try await onLoop {
                try withSocketServer { _, port in
                    let peer = try RawPeer(port: port, fields: Self.key + "Sec-WebSocket-Extensions: \(offer)\r\n")
                    let lines = peer.head.split(separator: "\r\n").map { String($0) }
                    let line = lines.first { $0.hasPrefix("Sec-WebSocket-Extensions: ") }
                    #expect(line?.dropFirst(26).description == expected)
                }
            }
        }

        @Test("Every agreement works in both directions", arguments: [9, 12, 15], [true, false])
        func windows(_ bits: Int, _ forgets: Bool) async throws {
            try await onLoop {
                let configuration = configured {
                    $0.compression?.windowBits = bits
                    $0.compression?.forgetsContext = forgets
                }
                try withSocketServer { url, _ in
                    try withHTTPClient { client in
                        try client.withWebSocket(url, configuration: configuration) { socket in
                            #expect(socket.isCompressed)
                            var random = SeededRandom(seed: 5)
                            for _ in 0..<20 {
                                let text = (0..<800).map { _ in "\(Int.random(in: 0..<40, using: &random))" }.joined()
                                try socket.send(text)
                                #expect(try socket.receive() == .text(text))
                            }
                        }
                    }
                }
            }
        }
    #endif

    @Test("Addresses of other schemes, and servers that say no")
    func clientFaults() async throws {
        try await onLoop {
            try withSocketServer { _, port in
                try withHTTPClient { client in
                    let faulty = "ftp://127.0.0.1/"
                    #expect(throws: WebSocketError.invalidURL(faulty)) { _ = try client.webSocket(faulty) }
                    let status = try refusal(of: "ws://127.0.0.1:\(port)/elsewhere", by: client)
                    #expect(status == 404)
                }
            }
        }
    }
}
