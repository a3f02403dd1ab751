import HTTPTypes
import Swiftlet
import SwiftletCoroutines

/// A server's connection to one client: reads a request, has it handled, answers, and so on in order. In one fiber.
final class ServerConnection {
    private let socket: any ByteStream
    private unowned let worker: ServerWorker
    private let configuration: HTTPServer.Configuration
    private let input = InputBuffer()
    private let writer: ResponseWriter
    /// Nothing of a further request has come; a stopping server closes such connections at once.
    private(set) var isIdle = true
    /// The fiber that serves it.
    var fiber: AnyFiber?
    /// Who has taken the connection over.
    private var upgrade: HTTPServerUpgrade?

    init(_ socket: any ByteStream, worker: ServerWorker) {
        self.socket = socket
        self.worker = worker
        configuration = worker.configuration
        writer = ResponseWriter(socket: socket, date: worker.date)
        socket.writeTimeout = configuration.writeTimeout
    }

    /// The server is about to stop.
    func stop() {
        if isIdle { socket.close() }
        upgrade?.stop()
    }

    /// Serves until one side has had enough.
    func serve() {
        defer { socket.close() }
        do {
            while let head = try readHead() {
                guard try answer(head) else { return }
            }
        } catch let fault as HTTPParseError {
            refuse(fault.responseStatus, fault.message)
        } catch let error as SocketError where error.reason == .timedOut {
            // In the middle of a request it is told (RFC 9110, 15.5.9), between two it is not.
            if !isIdle { refuse(.requestTimeout, "the request did not come in time") }
        } catch is SocketError {
            // The client has gone, or the server is being stopped.
        } catch is CancellationError {
            // The server's grace is over.
        } catch {
            Report(.handlerError, "the connection from \(socket.remoteAddress) was given up: \(error)").post()
        }
    }

    // MARK: Requests

    /// The next request's head; `nil` when there is none any more.
    private func readHead() throws -> RequestHead? {
        isIdle = input.isEmpty
        if worker.isStopping { return nil }
        if isIdle, try input.fill(from: socket, until: .after(configuration.idleTimeout)) == 0 { return nil }
        isIdle = false
        var parser = RequestHeadParser(limits: configuration.limits)
        var deadline: Deadline?
        while true {
            if let (head, count) = try parser.parse(input.bytes.span) {
                input.consume(count)
                return head
            }
            // All of the head has to come by then: a byte now and then keeps no connection alive.
            let limit = deadline ?? .after(configuration.headTimeout)
            deadline = limit
            // A client that leaves in the middle of a head gets no answer.
            if try input.fill(from: socket, until: limit) == 0 { return nil }
        }
    }

    /// Answers a request.
    ///
    /// - Returns: whether another may follow.
    private func answer(_ head: RequestHead) throws -> Bool {
        let began = configuration.accessLog == nil ? nil : Deadline.now
        let (path, query) = Self.split(head.request.path ?? "")
        let match = worker.router.match(head.request.method, path)
        guard let body = try readBody(of: head, match) else {
            // The client waits to be told whether it may send its body; it may not.
            let response = response(to: match, query)
            try write(response, to: head, keepsAlive: false, began)
            return false
        }
        let response: HTTPServerResponse
        if case .handler(let handler) = match {
            let request = HTTPServerRequest(
                method: head.request.method, path: path, query: query, headers: head.request.headerFields,
                authority: head.request.authority, body: body, version: head.version,
                remoteAddress: socket.remoteAddress)
            response = try run(handler, request)
        } else {
            response = self.response(to: match, query)
        }
        let closes = response.headers[.connection]?.lowercased() == "close"
        if let takeOver = response.takeOver {
            try write(response, to: head, keepsAlive: true, began)
            try handOver(to: takeOver, of: head)
            return false
        }
        let keepsAlive = head.keepsAlive && !closes && !worker.isStopping
        try write(response, to: head, keepsAlive: keepsAlive, began)
        return keepsAlive
    }

    /// The body; `nil` when the client asked before sending it and the answer is known already.
    private func readBody(of head: RequestHead, _ match: Router.Match) throws -> [UInt8]? {
        if head.framing == .none { return [] }
        if head.expectsContinue, input.isEmpty {
            guard case .handler = match else { return nil }
            _ = try BodyDecoder(framing: head.framing, limits: configuration.limits)  // too long: refused unread
            try socket.write("HTTP/1.1 100 Continue\r\n\r\n")
        }
        return try input.readBody(head.framing, limits: configuration.limits, from: socket) {
            .after(configuration.bodyTimeout)
        }
    }

    private func run(_ handler: RequestHandler, _ request: HTTPServerRequest) throws -> HTTPServerResponse {
        do {
            switch handler {
            case .synchronous(let handler): return try handler(request)
            case .asynchronous(let handler): return try blockOn { try await handler(request) }
            }
        } catch {
            // When the fiber itself is cancelled, the server's grace is over and there is nobody to answer.
            if error is CancellationError { try checkCancellation() }
            Report(.handlerError, "the handler of \(request.method.rawValue) \(request.path) threw \(error)").post()
            return .plain(.internalServerError)
        }
    }

    private func handOver(to takeOver: (HTTPServerUpgrade) throws -> Void, of head: RequestHead) throws {
        let upgrade = HTTPServerUpgrade(stream: socket, input: input, isStopping: worker.isStopping)
        self.upgrade = upgrade
        defer { self.upgrade = nil }
        do {
            try takeOver(upgrade)
        } catch let error as SocketError where error.isDisconnection || error.reason == .closed {
            // Peers come and go.
        } catch {
            if error is CancellationError { try checkCancellation() }
            Report(.handlerError, "what took over the connection of \(head.request.path ?? "") threw \(error)").post()
        }
    }

    private func response(to match: Router.Match, _ query: String?) -> HTTPServerResponse {
        switch match {
        case .redirect(let path):
            var response = HTTPServerResponse.plain(.permanentRedirect)
            let target = PercentEncoding.encode(path[...]) { $0.isPathCharacter }
            response.headers[.location] = query.map { "\(target)?\($0)" } ?? target
            return response
        case .wrongMethod(let allowed):
            var response = HTTPServerResponse.plain(.methodNotAllowed)
            response.headers[.allow] = allowed
            return response
        case .unknown, .handler: return .plain(.notFound)
        }
    }

    private static func split(_ target: String) -> (path: String, query: String?) {
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return (decode(target[...]), nil) }
        return (decode(target[..<mark]), String(target[target.utf8.index(after: mark)...]))
    }

    private static func decode(_ path: Substring) -> String {
        path.utf8.contains(UInt8(ascii: "%")) ? PercentEncoding.decode(path) : String(path)
    }

    // MARK: Responses

    private func write(
        _ response: HTTPServerResponse, to head: RequestHead, keepsAlive: Bool, _ began: Deadline?
    ) throws {
        var response = response
        do {
            try writer.write(response, method: head.request.method, version: head.version, keepsAlive: keepsAlive)
        } catch let error as HTTPSerializationError {
            Report(.handlerError, "the response to \(head.request.path ?? "") cannot be sent: \(error)").post()
            response = .plain(.internalServerError)
            try writer.write(response, method: head.request.method, version: head.version, keepsAlive: keepsAlive)
        }
        guard let began, let log = configuration.accessLog else { return }
        log(
            HTTPAccess(
                remoteAddress: socket.remoteAddress, method: head.request.method, target: head.request.path ?? "",
                status: response.status, byteCount: response.body.count, duration: .zero - began.remaining))
    }

    /// Tells a client that sent something else than a request, and closes.
    private func refuse(_ status: HTTPResponse.Status, _ reason: String) {
        do {
            try writer.write(.plain(status, reason), method: .get, version: .http11, keepsAlive: false)
            // Closing with bytes unread would reset the connection and take the answer with it (RFC 9112, 9.6): so the
            // client is given a moment to stop sending.
            try socket.closeWriting()
            let limit = Deadline.after(.seconds(1))
            var rest = 1 << 20
            while rest > 0 {
                input.consume(input.bytes.count)
                let count = try input.fill(from: socket, until: limit)
                if count == 0 { return }
                rest -= count
            }
        } catch {
            // The client has gone or goes on sending: it has been told, or does not listen.
        }
    }
}
