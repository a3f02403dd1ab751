import HTTPTypes
import Swiftlet

/// A client's connection to one server, which carries one request at a time. Guarded by whoever has it.
final class ClientConnection: @unchecked Sendable {
    let socket: any ByteStream
    let input = InputBuffer()
    let opened = Deadline.now
    /// While it waits for another request: so long it counts as open unasked.
    var freshUntil = Deadline.now
    /// It has carried a request before.
    var isReused = false
    /// A response's head that came while the request was still being written.
    var earlyHead: ResponseHead?

    /// How long the peer may be silent in any one wait; the stream counts it from any progress. At first there is no limit,
    /// whatever the stream was made with.
    var waitLimit: Duration? {
        didSet {
            guard waitLimit != oldValue else { return }
            socket.readTimeout = waitLimit
            socket.writeTimeout = waitLimit
        }
    }

    init(_ socket: any ByteStream) {
        self.socket = socket
        socket.readTimeout = nil
        socket.writeTimeout = nil
    }

    func close() { socket.close() }

    /// How long it has been open.
    var age: Duration { .zero - opened.remaining }

    /// Reads the next head, interim ones included.
    func readHead(limits: HTTPLimits, until deadline: Deadline?) throws -> ResponseHead {
        if let head = earlyHead {
            earlyHead = nil
            return head
        }
        var parser = ResponseHeadParser(limits: limits)
        while true {
            if let head = try parsed(by: &parser) { return head }
            if try input.fill(from: socket, until: deadline) == 0 {
                throw input.isEmpty ? ServerClosed() : HTTPParseError(.truncated, "the stream ended within the head")
            }
        }
    }

    /// Apart from who waits for more: heads are large.
    @inline(never)
    private func parsed(by parser: inout ResponseHeadParser) throws -> ResponseHead? {
        guard !input.isEmpty, let (head, count) = try parser.parse(input.bytes.span) else { return nil }
        input.consume(count)
        return head
    }

    /// Looks whether the server has answered before it had all of the request. Waits for nothing but the rest of a head
    /// that has begun.
    ///
    /// - Returns: the answer refuses the request, so that there is no use in sending more.
    func isRefused(limits: HTTPLimits, until deadline: Deadline?) throws -> Bool {
        guard earlyHead == nil else { return false }
        while socket.hasInput {
            let head = try readHead(limits: limits, until: deadline)
            guard !head.isInterim else { continue }
            earlyHead = head
            // Others may answer while they read, and want all of it.
            return head.status.code >= 400
        }
        return false
    }
}

/// The server closed the connection instead of answering.
struct ServerClosed: Error, CustomStringConvertible {
    var description: String { "the server closed the connection without an answer" }
}

/// Thrown at a body's producer: the server has refused the request, and wants no more of it.
struct RequestRefused: Error, CustomStringConvertible {
    var description: String { "the server has refused the request before its body was sent" }
}
