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
    private var version = HTTPVersion.http11
    private var phase = HTTPClientError.Phase.request
    private var attempt = 1
    private(set) var connection: ClientConnection?
    private var endpoint: ConnectionPool.Endpoint?
    /// Where in the body it is, once that is not read in one piece.
    var decoder: BodyDecoder?
    /// Its caller takes the body in pieces.
    var isStreaming = false
    /// The connection can carry another request once the body has been read.
    var keepsAlive = false

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
        // No other protocol is asked for by HTTP/1.0 (RFC 9110, 7.8).
        version = isUpgrade ? .http11 : client.configuration.version
        do {
            let (bytes, kept) = try prepare(additions)
            try exchange(bytes, kept, isUpgrade: isUpgrade)
        } catch {
            throw fail(error)
        }
    }

    // Who connects, and who waits for the answer, does so on top of `open` and `exchange`. What is done before and after is out
    // of line, so that it takes nothing of the stack meanwhile: ten thousand that wait would hold a page more each.

    /// Writes the head down and waits for a place.
    ///
    /// - Returns: the head, and a kept connection if there is one.
    @inline(never)
    private func prepare(_ additions: RequestAdditions) throws -> ([UInt8], ClientConnection?) {
        guard request.method != .connect else { throw HTTPRequestFault.isConnect }
        // Not only its pool, which may be another client's.
        if client.isClosed { throw HTTPRequestFault.clientIsClosed }
        let key = ConnectionKey(request.url, proxy: request.proxy(of: client))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        try bytes.appendHead(
            of: request, additions, client: client, isProxied: key.proxy != nil && key.scheme == .http,
            version: version)
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
        return (bytes, kept)
    }

    private func exchange(_ bytes: [UInt8], _ first: ClientConnection?, isUpgrade: Bool) throws {
        while true {
            let connection = try reusable(first, isUpgrade: isUpgrade) ?? openConnection()
            self.connection = connection
            do {
                try send(bytes, on: connection)
                try receiveHead(from: connection)
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

    @inline(never)
    private func receiveHead(from connection: ClientConnection) throws {
        phase = .readHead
        repeat {
            accept(try connection.readHead(limits: client.configuration.limits, until: deadline))
        } while head == nil
    }

    /// Takes the answer's head, but for an interim one.
    @inline(never)
    private func accept(_ head: ResponseHead) {
        guard !head.isInterim else { return }
        notify(.headReceived(head.status))
        phase = .readBody
        self.head = head
        if keepsAlive {
            keepsAlive =
                head.keepsAlive(forRequestMethod: request.method)
                // To a client that says 1.0, a server that answers in 1.1 has to say it all the same.
                && (version != .http10 || head.asksToPersist)
        }
    }

    /// The server closed a kept connection just when the request was on its way: no byte of an answer has come.
    @inline(never)
    private func isStale(_ connection: ClientConnection, _ error: any Error) -> Bool {
        guard connection.isReused, attempt == 1, client.configuration.retriesStaleConnections, request.isIdempotent,
            request.isRepeatable, phase == .write || phase == .readHead, connection.input.isEmpty
        else { return false }
        return isDisconnection(error)
    }

    /// The kept connection, or the next one, that can still be used.
    @inline(never)
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
        return ClientConnection(stream)
    }

    @inline(never)
    private func send(_ bytes: [UInt8], on connection: ClientConnection) throws {
        phase = .write
        connection.waitLimit = request.readTimeout(of: client)
        keepsAlive = true
        guard let body = request.body else {
            try connection.socket.write(bytes, until: deadline)
            notify(.headSent)
            return
        }
        keepsAlive = try BodySender(
            connection: connection, client: client, deadline: deadline,
            notify: observer
        ).send(bytes, body, asksFirst: request.expectsContinue && version != .http10)
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

    /// Ends after the last byte, and keeps the connection if it can be used again.
    func end() {
        guard let connection else { return }
        self.connection = nil
        // Bytes behind the answer are none that this client asked for: whose they are cannot be known.
        let isKept = keepsAlive && connection.input.isEmpty
        connection.input.rest()
        if !isKept { connection.close() }
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
        connection?.waitLimit = nil
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
            return HTTPTimeoutError(limit: .total, duration: request.timeout(of: client))
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
