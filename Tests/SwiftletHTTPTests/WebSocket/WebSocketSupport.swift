import HTTPTypes
import Swiftlet
import SwiftletHTTP
import Testing

/// Runs the body with a server that has one WebSocket, at /socket.
func withSocketServer<Value>(
    _ configuration: WebSocket.Configuration = .init(),
    handler: @escaping @Sendable (WebSocket) throws -> Void = echo, _ body: (String, Int) throws -> Value
) throws -> Value {
    let routes: (HTTPServer) -> Void = { $0.webSocket("/socket", configuration: configuration, handler: handler) }
    return try withServer(routes) { server, _ in
        try body("ws://127.0.0.1:\(server.port)/socket", server.port)
    }
}

/// Sends back what comes.
@Sendable func echo(_ socket: WebSocket) throws {
    while let message = try socket.receive() { try socket.send(message) }
}

/// A configuration in one expression.
func configured(_ change: (inout WebSocket.Configuration) -> Void) -> WebSocket.Configuration {
    var configuration = WebSocket.Configuration()
    change(&configuration)
    return configuration
}

/// A peer that writes frames byte by byte as a test wants them.
final class RawPeer {
    let connection: TCPConnection
    var head = ""
    private var input: [UInt8] = []

    /// Connects as a client and makes the handshake, with the key of RFC 6455, 1.3.
    init(
        port: Int, fields: String = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    ) throws {
        connection = try TCPConnection.connect(to: "127.0.0.1", port: port)
        connection.timeout = .seconds(10)
        try connection.write(
            "GET /socket HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\(fields)\r\n"
        )
        head = try readHead()
    }

    /// Accepts a client and makes the handshake.
    init(accepting listener: TCPListener, fields: String = "") throws {
        connection = try listener.accept()
        connection.timeout = .seconds(10)
        head = try readHead()
        let key = head.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key:") }
        let value = key.map { String($0.split(separator: " ")[1]) } ?? ""
        try connection.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Accept: \(HandshakeKey(value)?.acceptance ?? "")\r\n\(fields)\r\n")
    }

    private func readHead() throws -> String {
        while !String(decoding: input, as: UTF8.self).contains("\r\n\r\n") {
            let piece = try connection.read(upTo: 4096)
            if piece.isEmpty { break }
            input += piece
        }
        let text = String(decoding: input, as: UTF8.self)
        let head = text.upTo("\r\n\r\n")
        input.removeFirst(min(input.count, head.utf8.count + 4))
        return head
    }

    /// Writes a frame whose mask changes nothing, if it has one.
    func send(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) throws {
        try connection.write(frame(first, payload, masked: masked))
    }

    /// The next frame: its first byte and its payload; `nil` at the end of the stream. At most 125 bytes.
    func receive() throws -> (first: UInt8, payload: [UInt8])? {
        while input.count < 2 || input.count < 2 + Int(input[1] & 0x7F) + (input[1] & 0x80 != 0 ? 4 : 0) {
            let piece = try connection.read(upTo: 4096)
            if piece.isEmpty { return nil }
            input += piece
        }
        let isMasked = input[1] & 0x80 != 0
        let count = Int(input[1] & 0x7F)
        let start = isMasked ? 6 : 2
        let payload = (0..<count).map { input[start + $0] ^ (isMasked ? input[2 + $0 % 4] : 0) }
        defer { input.removeFirst(start + count) }
        return (input[0], payload)
    }

    /// The code of the close frame that comes next, after whatever comes before it.
    func closeCode() throws -> Int? {
        while let frame = try receive() {
            if frame.first == 0x88 {
                return frame.payload.count < 2 ? 0 : Int(frame.payload[0]) << 8 | Int(frame.payload[1])
            }
        }
        return nil
    }
}

/// A frame with a payload of less than 64 KB; the mask is of zeros, so the payload is to be seen.
func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) -> [UInt8] {
    let mask: UInt8 = masked ? 0x80 : 0
    var bytes = [first]
    if payload.count < 126 {
        bytes.append(mask | UInt8(payload.count))
    } else {
        bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    }
    return bytes + (masked ? [0, 0, 0, 0] : []) + payload
}

extension String {
    /// What stands before the first `mark`; all of it if there is none.
    fileprivate func upTo(_ mark: String) -> String {
        let (bytes, mark) = (Array(utf8), Array(mark.utf8))
        for start in bytes.indices where bytes[start...].starts(with: mark) {
            return String(decoding: bytes[..<start], as: UTF8.self)
        }
        return self
    }
}
