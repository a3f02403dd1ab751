import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import SwiftletLoop

/// One request to one server and its answer: a place, a connection, the request, the head of the answer, its body; and once
/// more if a kept connection was stale.
///
/// States: new -> open (head read, body to come) -> ended. Whatever throws ends it, and so does dropping it.
///
/// Thread rules: used by one stack at a time.
final class Exchange: @unchecked Sendable {
    let client: HTTPClient
    let request: HTTPClientRequest
    private let started: Deadline
    let deadline: Deadline?
    /// The number that its events carry.
    let number: UInt64
    private(set) var head: ResponseHead?
    private var phase = HTTPClientError.Phase.request
    private var attempt = 1
    private(set) var connection: ClientConnection?
    private var endpoint: ConnectionPool.Endpoint?
    private var decoder: BodyDecoder?
    /// The connection can carry another request once the body has been read.
    private var keepsAlive = false
    /// Whether `deadline` counts for the body.
    private var bodyDeadline: Deadline?

    init(
        _ request: HTTPClientRequest, client: HTTPClient, at started: Deadline, until deadline: Deadline?,
        number: UInt64
    ) {
        self.started = started
        self.request = request
        self.client = client
        self.deadline = deadline
        self.number = number
    }

    deinit { abandon() }

    // MARK: To the head

    /// Sends the request and reads the answer's head.
    ///
    /// - Parameters:
    ///   - additions: further field lines, which the client adds.
    ///   - isUpgrade: uses a connection of its own.
    func open(_ additions: RequestAdditions, isUpgrade: Bool = false) throws {
        do {
            guard request.method != .connect else { throw HTTPRequestFault.isConnect }
            let key = ConnectionKey(request.url, proxy: request.proxy(of: client))
            var bytes: [UInt8] = []
            bytes.reserveCapacity(256)
            try bytes.appendHead(
                of: request, additions, client: client, isProxied: key.proxy != nil && key.scheme == .http)
            phase = .queue
            var wasQueued = false
            let (endpoint, kept) = try client.pool.acquire(
                key, at: started, until: nearest(client.configuration.queueTimeout)
            ) { ahead in
                wasQueued = true
                notify(.queued(ahead: ahead))
            }
            if wasQueued { notify(.dequeued) }
            self.endpoint = endpoint
            try exchange(bytes, kept, isUpgrade: isUpgrade)
        } catch {
            throw fail(error)
        }
    }

    private func exchange(_ bytes: [UInt8], _ first: ClientConnection?, isUpgrade: Bool) throws {
        while true {
            let connection = try reusable(first, isUpgrade: isUpgrade) ?? openConnection()
            self.connection = connection
            if let own = request.readTimeout { limitWaits(of: connection.socket, to: own) }
            do {
                try send(bytes, on: connection)
                phase = .readHead
                repeat {
                    accept(try connection.readHead(limits: client.configuration.limits, until: deadline))
                } while head == nil
                return
            } catch  where isStale(connection, error) {
                // Whatever the server did with a lost idempotent request, doing it again changes nothing (RFC 9110, 9.2.2).
                connection.close()
                attempt += 1
                client.pool.countRetry()
                notify(.retried)
            }
        }
    }

    /// Takes the answer's head, but for an interim one.
    @inline(never)
    private func accept(_ head: ResponseHead) {
        guard !head.isInterim else { return }
        notify(.headReceived(head.status))
        phase = .readBody
        self.head = head
        if keepsAlive { keepsAlive = head.keepsAlive(forRequestMethod: request.method) }
    }

    /// The server closed a kept connection just when the request was on its way: no byte of an answer has come.
    private func isStale(_ connection: ClientConnection, _ error: any Error) -> Bool {
        guard connection.isReused, attempt == 1, client.configuration.retriesStaleConnections, request.isIdempotent,
            request.isRepeatable, phase == .write || phase == .readHead, connection.input.isEmpty
        else { return false }
        return isDisconnection(error)
    }

    /// The kept connection, or the next one, that can still be used.
    private func reusable(_ first: ClientConnection?, isUpgrade: Bool) -> ClientConnection? {
        guard let endpoint, attempt == 1 else { return nil }
        if isUpgrade {
            if let first { client.pool.putBack(first, endpoint) }
            return nil
        }
        var next = first
        while let kept = next {
            // A request that cannot be repeated asks the kernel first; others just try.
            let isTried = request.isIdempotent && request.isRepeatable && started < kept.freshUntil
            if isTried || !kept.socket.hasInput {
                notify(.reused(age: kept.age))
                return kept
            }
            kept.close()
            next = client.pool.takeWaiting(endpoint)
        }
        return nil
    }

    private func openConnection() throws -> ClientConnection {
        client.pool.makeRoom()
        connection = nil
        guard let key = endpoint?.key else { throw HTTPRequestFault.clientIsClosed }
        let limit = nearest(request.connectTimeout(of: client))
        let connector = Connector(key: key, client: client, deadline: limit)
        let stream = try connector.open { step in
            switch step {
            case .resolving: phase = .resolve
            case .connecting: phase = .connect
            case .tunnelling: phase = .proxy
            case .tlsStarted: phase = .tls
            default: break
            }
            if let event = step.event { notify(event) }
        }
        limitWaits(of: stream, to: client.configuration.readTimeout)
        return ClientConnection(stream)
    }

    /// Each wait of an exchange is bounded by this; the stream counts it from any progress.
    private func limitWaits(of stream: any ByteStream, to timeout: Duration?) {
        stream.readTimeout = timeout
        stream.writeTimeout = timeout
    }

    private func send(_ bytes: [UInt8], on connection: ClientConnection) throws {
        phase = .write
        keepsAlive = true
        guard let body = request.body else {
            try connection.socket.write(bytes, until: deadline)
            notify(.headSent)
            return
        }
        keepsAlive = try BodySender(
            connection: connection, client: client, deadline: deadline,
            notify: observer
        ).send(bytes, body, asksFirst: request.expectsContinue)
    }

    // MARK: The body

    var framing: BodyFraming { head?.framing(forRequestMethod: request.method) ?? .none }

    /// Reads all of the body and ends.
    func collect() throws -> [UInt8] {
        do {
            let body: [UInt8]
            switch framing {
            case .none: body = []
            case .length(let length) where head?.notes.contains(.contentEncoding) == false:
                body = try readBody(length: length)
            default: body = try readCodedBody()
            }
            end()
            return body
        } catch {
            throw fail(error)
        }
    }

    private func readBody(length: Int) throws -> [UInt8] {
        guard let connection else { throw HTTPRequestFault.responseIsClosed }
        if let limit = client.configuration.limits.bodyLength, length > limit {
            throw HTTPParseError(.bodyTooLong, "the body is longer than \(limit) bytes")
        }
        let input = connection.input
        // A promise costs its sender nothing, so no more than a megabyte is taken for it beforehand.
        var body: [UInt8] = []
        body.reserveCapacity(min(length, 1 << 20))
        while true {
            let count = min(length - body.count, input.bytes.count)
            body.append(contentsOf: input.bytes[..<count])
            input.consume(count)
            if count > 0 { notify(.bodyChunkReceived(count: count)) }
            guard body.count < length else { return body }
            if try input.fill(from: connection.socket, until: deadline) == 0 {
                throw HTTPParseError(.truncated, "the stream ended \(length - body.count) bytes before the body did")
            }
        }
    }

    private func readCodedBody() throws -> [UInt8] {
        var decompressor = try makeDecompressor(limit: client.configuration.limits.bodyLength)
        var body: [UInt8] = []
        bodyDeadline = deadline
        while let range = try nextRange() {
            guard let connection else { throw HTTPRequestFault.responseIsClosed }
            if decompressor.isEmpty {
                body.append(contentsOf: connection.input.bytes[range])
            } else {
                decompressor.feed(Array(connection.input.bytes[range]))
                while case let more = try decompressor.decodeMore(), !more.isEmpty { body += more }
            }
            connection.input.consume(range.upperBound)
        }
        try decompressor.finish()
        return body
    }

    func makeDecompressor(limit: Int?) throws -> ContentDecoder {
        try ContentDecoder(head: head, isOn: client.configuration.decodesContent, limit: limit)
    }

    /// Where in the input the body's next bytes lie, or `nil` at its end. They must be consumed before the next call.
    private func nextRange() throws -> Range<Int>? {
        guard let connection else { throw HTTPRequestFault.responseIsClosed }
        var decoder = try self.decoder ?? BodyDecoder(framing: framing, limits: bodyLimits)
        defer { self.decoder = decoder }
        while true {
            switch try decoder.next(in: connection.input.bytes.span) {
            case .data(let range):
                notify(.bodyChunkReceived(count: range.count))
                return range
            case .incomplete(let consumed):
                connection.input.consume(consumed)
                if try connection.input.fill(from: connection.socket, until: bodyDeadline) == 0 {
                    try decoder.finish()
                    return nil
                }
            case .end(let consumed):
                connection.input.consume(consumed)
                return nil
            }
        }
    }

    /// Who streams decides about lengths.
    private var bodyLimits: HTTPLimits {
        var limits = client.configuration.limits
        if isStreaming { limits.bodyLength = nil }
        return limits
    }

    var isStreaming = false

    /// The body's next bytes as they came, or `nil` at its end, which ends the exchange.
    func nextPiece() throws -> [UInt8]? {
        do {
            guard let range = try nextRange(), let connection else {
                end()
                return nil
            }
            let piece = Array(connection.input.bytes[range])
            connection.input.consume(range.upperBound)
            return piece
        } catch {
            throw fail(error)
        }
    }

    /// Ends before the body's end. Small rests that have come already are read, so that the connection can be kept.
    func release() {
        guard connection != nil else { return }
        do {
            try drain(limit: 64 * 1024)
        } catch {
            keepsAlive = false
        }
        end()
    }

    private func drain(limit: Int) throws {
        guard keepsAlive, let connection else { return }
        if case .length(let length) = framing, decoder == nil, length > limit {
            keepsAlive = false
            return
        }
        var decoder = try self.decoder ?? BodyDecoder(framing: framing, limits: bodyLimits)
        var count = 0
        while true {
            switch try decoder.next(in: connection.input.bytes.span) {
            case .data(let range):
                count += range.count
                connection.input.consume(range.upperBound)
            case .incomplete(let consumed):
                connection.input.consume(consumed)
                guard count < limit, connection.socket.hasInput,
                    try connection.input.fill(from: connection.socket, until: nil) > 0
                else {
                    keepsAlive = false
                    return
                }
            case .end(let consumed):
                connection.input.consume(consumed)
                return
            }
        }
    }

    /// The answer as its caller gets it.
    func response(_ bytes: [UInt8], _ journey: borrowing RequestJourney) throws -> HTTPClientResponse {
        guard let head else { throw HTTPRequestFault.responseIsClosed }
        return HTTPClientResponse(
            head: head, bytes: bytes, method: request.method, url: request.url, history: journey.history,
            started: journey.started)
    }

    // MARK: Its end

    /// Closes the connection.
    func abandon() {
        keepsAlive = false
        end()
    }

    private func end() {
        guard let connection else { return }
        self.connection = nil
        // Bytes behind the answer are none that this client asked for: whose they are cannot be known.
        let isKept = keepsAlive && connection.input.isEmpty
        connection.input.rest()
        if !isKept {
            connection.close()
        } else if request.readTimeout != nil {
            limitWaits(of: connection.socket, to: client.configuration.readTimeout)
        }
        giveUpPlace(keeping: isKept ? connection : nil)
        notify(.ended)
    }

    private func giveUpPlace(keeping connection: ClientConnection?) {
        guard let endpoint else { return }
        self.endpoint = nil
        client.pool.release(endpoint, keeping: connection)
    }

    /// Hands the connection out, and ends.
    func takeConnection() -> ClientConnection? {
        defer { connection = nil }
        giveUpPlace(keeping: nil)
        notify(.ended)
        if let connection { limitWaits(of: connection.socket, to: nil) }
        return connection
    }

    /// Ends with an error, which it dresses.
    func fail(_ error: any Error, in newPhase: HTTPClientError.Phase? = nil) -> any Error {
        let age = connection?.age
        connection?.close()
        connection = nil
        giveUpPlace(keeping: nil)
        if error is CancellationError || error is GreenletExit || error is HTTPClientError {
            notify(.failed(error))
            return error
        }
        let dressed = HTTPClientError(
            method: request.method, url: request.url.description, phase: newPhase ?? phase, attempt: attempt,
            connectionAge: age, cause: translated(error))
        notify(.failed(dressed))
        return dressed
    }

    /// Which of the time limits it was.
    private func translated(_ error: any Error) -> any Error {
        guard error is DeadlineExceeded || (error as? SocketError)?.reason == .timedOut else { return error }
        if let deadline, deadline <= .now {
            return HTTPTimeoutError(limit: .total, duration: request.timeout ?? client.configuration.timeout)
        }
        switch phase {
        case .queue: return HTTPTimeoutError(limit: .queue, duration: client.configuration.queueTimeout)
        case .resolve, .connect, .proxy, .tls:
            return HTTPTimeoutError(limit: .connect, duration: request.connectTimeout(of: client))
        default: return HTTPTimeoutError(limit: .read, duration: request.readTimeout(of: client))
        }
    }

    private func nearest(_ duration: Duration?) -> Deadline? {
        guard let duration else { return deadline }
        let next = Deadline.after(duration)
        return deadline.map { min($0, next) } ?? next
    }

    /// Tells of steps for whoever sends the body; `nil` if nobody listens.
    private var observer: ((HTTPClientEvent.Step) -> Void)? {
        client.configuration.trace == nil ? nil : { self.report($0) }
    }

    @inline(__always)
    func notify(_ step: @autoclosure () -> HTTPClientEvent.Step) {
        if client.configuration.trace != nil { report(step()) }
    }

    // Apart from those who notify: what it needs on the stack would stay there while they wait.
    @inline(never)
    private func report(_ step: HTTPClientEvent.Step) {
        client.configuration.trace?(
            HTTPClientEvent(request: number, method: request.method, url: request.url, step: step, time: .now))
    }
}
