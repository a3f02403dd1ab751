import HTTPTypes
import Swiftlet

/// A client's connection to one server: sends a request and reads its answer, one at a time.
final class ClientConnection: @unchecked Sendable {
    let socket: any ByteStream
    let input = InputBuffer()
    let opened = Deadline.now
    /// Since when it has been waiting for another request.
    var idleSince = Deadline.now
    var isReused = false

    init(_ socket: any ByteStream) { self.socket = socket }

    func close() { socket.close() }

    /// One request and its answer.
    struct Exchange {
        let response: HTTPClientResponse
        /// The connection can carry another request.
        let keepsAlive: Bool
    }

    /// Sends a request and reads its answer.
    ///
    /// - Parameters:
    ///   - readTimeout: how long each wait for the server may take.
    ///   - phase: told how far it has come.
    func perform(
        _ request: HTTPClientRequest, head: [UInt8], limits: HTTPLimits, readTimeout: Duration?,
        until deadline: Deadline?,
        phase: inout HTTPClientError.Phase
    ) throws -> Exchange {
        func limit() -> Deadline? {
            guard let readTimeout else { return deadline }
            let next = Deadline.after(readTimeout)
            return deadline.map { min($0, next) } ?? next
        }
        phase = .write
        if let body = request.body {
            try socket.write(head, body, until: limit())
        } else {
            try socket.write(head, until: limit())
        }
        phase = .readHead
        var answer = try readHead(limits: limits, until: limit)
        while answer.isInterim { answer = try readHead(limits: limits, until: limit) }
        phase = .readBody
        let framing = answer.framing(forRequestMethod: request.method)
        let body = try input.readBody(framing, limits: limits, from: socket, until: limit)
        let response = HTTPClientResponse(
            status: answer.response.status, headers: answer.response.headerFields, bytes: body, url: request.url)
        // Bytes behind the answer are none that this client asked for: whose they are cannot be known.
        return Exchange(
            response: response, keepsAlive: answer.keepsAlive(forRequestMethod: request.method) && input.isEmpty)
    }

    private func readHead(limits: HTTPLimits, until deadline: () -> Deadline?) throws -> ResponseHead {
        var parser = ResponseHeadParser(limits: limits)
        while true {
            if !input.isEmpty, let (head, count) = try parser.parse(input.bytes.span) {
                input.consume(count)
                return head
            }
            if try input.fill(from: socket, until: deadline()) == 0 {
                throw input.isEmpty ? ServerClosed() : HTTPParseError(.truncated, "the stream ended within the head")
            }
        }
    }
}

/// The server closed the connection instead of answering.
struct ServerClosed: Error, CustomStringConvertible {
    var description: String { "the server closed the connection without an answer" }
}
