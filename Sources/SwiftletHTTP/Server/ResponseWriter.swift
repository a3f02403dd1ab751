import HTTPTypes
import Swiftlet

/// Puts a response's bytes together: one write for all of it.
struct ResponseWriter {
    /// Bodies up to this size are copied behind their head; larger ones are written from where they are, with one call as
    /// well.
    private static let copiedSize = 16 * 1024

    let socket: any ByteStream
    let date: DateField

    /// Writes a response.
    ///
    /// - Parameters:
    ///   - method: that of the request; HEAD gets no body.
    ///   - version: the client's.
    ///   - keepsAlive: what the response says about the connection.
    /// - Throws: `HTTPSerializationError`, before anything is written; `SocketError`; `CancellationError`.
    func write(
        _ response: HTTPServerResponse, method: HTTPRequest.Method, version: HTTPVersion, keepsAlive: Bool
    ) throws {
        let body = response.body
        let code = response.status.code
        // RFC 9110, 6.4.1 and 8.6: these have neither a body nor its length.
        let hasNoBody = code < 200 || code == 204 || code == 304
        let sendsBody = !hasNoBody && method != .head
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256 + (sendsBody && body.count <= Self.copiedSize ? body.count : 0))
        // RFC 9112, 2.3: the version is this server's own, whatever the client speaks.
        try bytes.appendStatusLine(response.status, version: .http11)
        for field in response.headers where !Self.isOwn(field.name) { bytes.appendField(field) }
        if !hasNoBody {
            bytes.append(contentsOf: "Content-Length: ".utf8)
            bytes.append(contentsOf: String(body.count).utf8)
            bytes.append(contentsOf: "\r\n".utf8)
        }
        bytes.append(contentsOf: date.line)
        if code == 101 {
            bytes.append(contentsOf: "Connection: Upgrade\r\n".utf8)
        } else if !keepsAlive {
            bytes.append(contentsOf: "Connection: close\r\n".utf8)
        } else if version < .http11 {
            bytes.append(contentsOf: "Connection: keep-alive\r\n".utf8)
        }
        bytes.append(contentsOf: "\r\n".utf8)
        guard sendsBody, !body.isEmpty else { return try socket.write(bytes) }
        if body.count <= Self.copiedSize {
            bytes.append(contentsOf: body)
            try socket.write(bytes)
        } else {
            try socket.write(bytes, body)
        }
    }

    private static func isOwn(_ name: HTTPField.Name) -> Bool {
        switch name {
        case .contentLength, .transferEncoding, .connection, .date: true
        default: false
        }
    }
}
