import HTTPTypes
import Swiftlet

/// The way of one request: a slot, a connection, the exchange, and once more if a kept connection was stale.
struct RequestAttempt {
    private let request: HTTPClientRequest
    private let client: HTTPClient
    private let deadline: Deadline?
    private var phase = HTTPClientError.Phase.request
    private var number = 1
    private var connection: ClientConnection?

    init(_ request: HTTPClientRequest, client: HTTPClient) {
        self.request = request
        self.client = client
        deadline = (request.timeout ?? client.configuration.timeout).map { Deadline.after($0) }
    }

    mutating func perform() throws -> HTTPClientResponse { try inSlot { attempt, head in try attempt.exchange(head) } }

    /// Sends the request on a connection of its own, which is handed out if the server switches protocols.
    mutating func upgrade() throws -> HTTPUpgrade {
        try inSlot { attempt, head in
            let connection = try attempt.openConnection()
            attempt.connection = connection
            let exchange = try connection.perform(
                attempt.request, head: head, limits: attempt.client.configuration.limits,
                readTimeout: attempt.client.configuration.readTimeout, until: attempt.deadline, phase: &attempt.phase)
            guard exchange.response.status.code == 101 else {
                connection.close()
                return .refused(exchange.response)
            }
            return .switched(
                UpgradedConnection(response: exchange.response, stream: connection.socket, input: connection.input))
        }
    }

    private mutating func inSlot<Value>(_ body: (inout RequestAttempt, [UInt8]) throws -> Value) throws -> Value {
        do {
            guard request.url.scheme == .http else { throw HTTPRequestFault.needsTLS }
            let head = try request.serializedHead(userAgent: client.configuration.userAgent)
            phase = .queue
            try client.pool.takeSlot(until: deadline)
            defer { client.pool.releaseSlot() }
            return try body(&self, head)
        } catch {
            connection?.close()
            if error is CancellationError { throw error }
            throw HTTPClientError(
                method: request.method, url: request.url.description, phase: phase, attempt: number,
                connectionAge: connection.map { .zero - $0.opened.remaining }, cause: error)
        }
    }

    private mutating func exchange(_ head: [UInt8]) throws -> HTTPClientResponse {
        let server = ConnectionPool.Server(host: request.url.host, port: request.url.port)
        while true {
            let connection = try reusableConnection(to: server) ?? openConnection()
            self.connection = connection
            do {
                let exchange = try connection.perform(
                    request, head: head, limits: client.configuration.limits,
                    readTimeout: client.configuration.readTimeout, until: deadline, phase: &phase)
                if exchange.keepsAlive { client.pool.keep(connection, to: server) } else { connection.close() }
                return exchange.response
            } catch  where isStale(connection, error) {
                // Whatever the server did with a lost idempotent request, doing it again changes nothing (RFC 9110, 9.2.2).
                connection.close()
                number += 1
            }
        }
    }

    /// The server closed a kept connection just when the request was on its way: no byte of an answer has come.
    private func isStale(_ connection: ClientConnection, _ error: any Error) -> Bool {
        guard connection.isReused, number == 1, request.isIdempotent, phase == .write || phase == .readHead,
            connection.input.isEmpty
        else { return false }
        return error is ServerClosed || (error as? SocketError)?.isDisconnection ?? false
    }

    private mutating func reusableConnection(to server: ConnectionPool.Server) -> ClientConnection? {
        guard number == 1 else { return nil }
        while let kept = client.pool.takeWaiting(server) {
            // A request that cannot be repeated asks the kernel first; others just try.
            if (request.isIdempotent && Duration.zero - kept.idleSince.remaining < .seconds(1)) || !kept.socket.hasInput
            {
                return kept
            }
            kept.close()
        }
        return nil
    }

    private mutating func openConnection() throws -> ClientConnection {
        client.pool.makeRoom()
        connection = nil
        var limit = deadline
        if let timeout = client.configuration.connectTimeout {
            let next = Deadline.after(timeout)
            limit = deadline.map { min($0, next) } ?? next
        }
        let url = request.url
        phase = .resolve
        let addresses = try Resolver.addresses(of: url.host, port: url.port, until: limit)
        phase = .connect
        let name = addresses.first?.host == url.host ? nil : url.host
        return ClientConnection(try TCPConnection.connect(to: addresses, of: name, until: limit))
    }
}
