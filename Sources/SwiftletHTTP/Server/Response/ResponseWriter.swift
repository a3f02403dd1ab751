import HTTPTypes
import Swiftlet
import SwiftletNet

/// Puts a response's bytes together: one write for all of it, unless it is streamed.
struct ResponseWriter {
    /// Bodies up to this size are copied behind their head; larger ones are written from where they are, with one call as
    /// well.
    private static let copiedSize = 16 * 1024

    let stream: any ByteStream
    let worker: ServerWorker

    /// Writes a response, all of it.
    ///
    /// - Parameters:
    ///   - isHead: the method was HEAD, which gets no body.
    ///   - version: the client's.
    ///   - keepsAlive: what the response says about the connection.
    /// - Returns: whether the connection can be used further, and the length of the body.
    /// - Throws: `HTTPSerializationError`, before anything is written; `SocketError`; `CancellationError`; what writes a
    ///   streamed body throws.
    func write(
        _ response: HTTPServerResponse, isHead: Bool, version: HTTPVersion, keepsAlive: Bool
    ) throws -> (keepsAlive: Bool, byteCount: Int) {
        let code = response.status.code
        // RFC 9110, 6.4.1 and 8.6: these have neither a body nor its length.
        let hasNoBody = code < 200 || code == 204 || code == 304
        let sendsBody = !hasNoBody && !isHead
        let length = response.body.count
        let isChunked = length == nil && version >= .http11
        let keepsAlive = keepsAlive && (length != nil || isChunked || !sendsBody)

        var bytes = worker.takeScratch()
        defer { worker.giveScratch(&bytes) }
        // RFC 9112, 2.3: the version is this server's own, whatever the client speaks.
        if response.status == .ok {
            bytes.append(contentsOf: worker.date.startOfSuccess)
        } else {
            try bytes.appendStatusLine(response.status, version: .http11)
            bytes.append(contentsOf: worker.date.line)
        }
        appendFields(of: response, to: &bytes)
        if code == 101 {
            bytes.append("Connection: Upgrade\r\n")
        } else if !keepsAlive {
            bytes.append("Connection: close\r\n")
        } else if version < .http11 {
            bytes.append("Connection: keep-alive\r\n")
        }
        if hasNoBody {
            bytes.append("\r\n")
        } else if let length {
            bytes.append("Content-Length: ")
            bytes.appendDecimal(length)
            bytes.append("\r\n\r\n")
        } else {
            bytes.append(isChunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n")
        }
        guard sendsBody else {
            try stream.write(bytes)
            return (keepsAlive, 0)
        }
        switch response.body.content {
        case .text(let text): try write(text.utf8.span.bytes, behind: &bytes)
        case .bytes(let body): try write(body.span.bytes, behind: &bytes)
        case .stream(_, let produce):
            try stream.write(bytes)
            let writer = HTTPServerResponse.Writer(stream, length: length, isChunked: isChunked)
            defer { writer.abandon() }
            try produce(writer)
            return (try writer.finish() && keepsAlive, writer.byteCount)
        }
        return (keepsAlive, length ?? 0)
    }

    private func write(_ body: RawSpan, behind head: inout [UInt8]) throws {
        try body.withUnsafeBytes { body in
            if body.count <= Self.copiedSize {
                head.append(contentsOf: body)
                try head.withUnsafeBytes { try stream.write($0, until: nil) }
            } else {
                try head.withUnsafeBytes { try stream.write($0, body, until: nil) }
            }
        }
    }

    private func appendFields(of response: HTTPServerResponse, to bytes: inout [UInt8]) {
        var hasContentType = false
        if !response.headers.isEmpty {
            for field in response.headers where !Self.isOwn(field.name) {
                bytes.appendField(field)
                if field.name == .contentType { hasContentType = true }
            }
        }
        if let contentType = response.contentType, !hasContentType {
            bytes.append(contentsOf: worker.contentType.line(for: contentType))
        }
    }

    private static func isOwn(_ name: HTTPField.Name) -> Bool {
        switch name {
        case .contentLength, .transferEncoding, .connection, .date: true
        default: false
        }
    }
}

/// The Content-Type field, which is the same for most responses in a row. Belongs to one loop.
final class ContentTypeField {
    private var value: String?
    private var line: [UInt8] = []

    /// The field line of a value, with its line ending.
    func line(for value: String) -> [UInt8] {
        if value == self.value { return line }
        self.value = value
        // A line ending in it would let whoever chose it write fields of their own.
        line = Array("Content-Type: ".utf8) + value.utf8.map { $0.isFieldValueCharacter ? $0 : .space }
        line.append("\r\n")
        return line
    }
}

extension [UInt8] {
    /// Appends a text that the compiler knows.
    @inline(__always)
    fileprivate mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
