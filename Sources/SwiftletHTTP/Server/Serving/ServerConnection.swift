import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import SwiftletNet

/// A server's connection to one client: reads a request, has it handled, answers, and so on in order. In one fiber.
///
/// States: idle -> in a head -> handling -> answering -> idle, until it ends: lingering (refused, waits for the client to
/// stop sending), taken over (by what a 101 began), or closed.
final class ServerConnection {
    /// With TLS another one from the handshake on.
    private(set) var stream: any ByteStream
    private let worker: ServerWorker
    private let input = InputBuffer()
    /// Nothing of a further request has come, or the client has got all that it will: a stopping server closes such
    /// connections at once.
    private(set) var isIdle = true
    /// Since which of the worker's ticks it has waited for a request; the worker ends what waits for too long. A timer for
    /// each wait would cost more than the rest of it.
    private(set) var idleSince: Int?
    /// The fiber that serves it.
    var fiber: AnyFiber?
    /// The request under way.
    private(set) var request: HTTPServerRequest?
    /// Bytes of the answer may be on their way: no interim response can go before them any more.
    private var isAnswering = false
    /// The client has ended its side; it may wait for an answer all the same.
    private var clientHasEnded = false
    /// Who has taken the connection over.
    private var upgrade: HTTPServerUpgrade?
    /// Where its requests come from, once one has.
    private var origin: RequestOrigin?

    init(_ stream: any ByteStream, worker: ServerWorker) {
        self.stream = stream
        self.worker = worker
    }

    private var writer: ResponseWriter { ResponseWriter(stream: stream, worker: worker) }

    /// The server is about to stop.
    func stop() {
        if isIdle { stream.close() }
        upgrade?.stop()
    }

    /// Serves until one side has had enough.
    func serve() {
        defer { stream.close() }
        do {
            stream = try worker.configuration.secured(stream)
        } catch is SpokenInClear {
            return refuse(.badRequest, "this port speaks https: begin the URL with https://")
        } catch {
            return  // who does not get as far as a request is nobody's business
        }
        stream.writeTimeout = worker.configuration.writeTimeout
        do {
            // The observer must not keep the connection: the loop holds it until the descriptor is closed.
            try stream.observeEnd { [weak self] isBroken in self?.clientEnded(isBroken: isBroken) }
            while try waitForRequest(), let head = try readHead() {
                guard try answer(head) else { return }
            }
        } catch let fault as HTTPParseError {
            refuse(fault.responseStatus, fault.message)
        } catch let error as SocketError where error.reason == .timedOut {
            // In the middle of a request it is told (RFC 9110, 15.5.9), between two it is not.
            if !isIdle, !isAnswering { refuse(.requestTimeout, "the request did not come in time") }
        } catch is SocketError {
            // The client has gone, or the server is being stopped.
        } catch is CancellationError {
            // The server's grace is over, or the client has gone.
        } catch {
            Report(.handlerError, "the connection from \(stream.peerName) was given up: \(error)").post()
        }
    }

    /// It is idle, and may stay so: what only requests need is given back.
    func settle() { fiber?.releaseUnusedStack() }

    // MARK: Requests

    /// Waits until a request has begun. Apart from what reads it, whose frame would be most of what an idle stack holds.
    ///
    /// - Returns: false when there is none any more.
    private func waitForRequest() throws -> Bool {
        isIdle = input.isEmpty
        if worker.isStopping { return false }
        guard isIdle else { return true }
        idleSince = worker.tick
        defer { idleSince = nil }
        isIdle = try input.fill(from: stream, until: nil) == 0
        return !isIdle
    }

    /// The request's head; `nil` when the client leaves within it.
    private func readHead() throws -> RequestHead? {
        var parser = RequestHeadParser(limits: worker.configuration.limits)
        var deadline: Deadline?
        while true {
            if let (head, count) = try parser.parse(input.bytes.span) {
                input.consume(count)
                return head
            }
            // All of the head has to come by then: a byte now and then keeps no connection alive.
            let limit = deadline ?? .after(worker.configuration.headTimeout)
            deadline = limit
            // A client that leaves in the middle of a head gets no answer.
            if try input.fill(from: stream, until: limit) == 0 { return nil }
        }
    }

    /// Answers a request.
    ///
    /// - Returns: whether another may follow.
    private func answer(_ head: consuming RequestHead) throws -> Bool {
        let began = worker.configuration.accessLog == nil ? nil : Deadline.now
        let source =
            head.framing == .none
            ? nil
            : RequestBodySource(
                copy head, limits: worker.configuration.limits, timeout: worker.configuration.bodyTimeout,
                stream: stream,
                input: input)
        let origin = origin ?? RequestOrigin(remoteAddress: stream.remoteAddress, scheme: worker.scheme)
        self.origin = origin
        let request = HTTPServerRequest(
            head, bodySource: source, bodyLimit: worker.configuration.limits.bodyLength, origin: origin)
        self.request = request
        isAnswering = false
        defer { self.request = nil }
        if clientHasEnded { checkForClient(of: request) }
        guard let places = worker.places else { return try handle(request, source, began) }
        try places.acquire()
        defer { places.release() }
        return try handle(request, source, began)
    }

    private func handle(_ request: HTTPServerRequest, _ source: RequestBodySource?, _ began: Deadline?) throws -> Bool {
        let route = worker.router.route(for: request)
        let response = try run(route, request)
        if let takeOver = response.takeOver {
            _ = source?.close()
            _ = try write(response, to: request, keepsAlive: true, began)
            try handOver(to: takeOver, of: request)
            return false
        }
        let closes = !response.headers.isEmpty && response.headers[.connection]?.lowercased() == "close"
        var keepsAlive = request.head.keepsAlive && !closes && !worker.isStopping
        // A streamed answer may read the request's body while it is made. Any other begins when all that is going to be
        // read has been read.
        guard let source else { return try write(response, to: request, keepsAlive: keepsAlive, began) }
        let isStreamed = response.body.isStreamed
        if !isStreamed { keepsAlive = source.close() && keepsAlive }
        keepsAlive = try write(response, to: request, keepsAlive: keepsAlive, began)
        if isStreamed { keepsAlive = source.close() && keepsAlive }
        guard keepsAlive else {
            linger()
            return false
        }
        return try source.drain()
    }

    private func run(_ route: CompiledRoute, _ request: HTTPServerRequest) throws -> HTTPServerResponse {
        do {
            switch route.handler {
            case .synchronous(let handler): return try handler(request)
            case .asynchronous(let handler): return try asynchronously(handler, request)
            }
        } catch {
            // When the fiber itself is cancelled, the server's grace is over, or there is nobody to answer.
            try checkCancellation()
            return response(to: error, route, request)
        }
    }

    private func asynchronously(_ handler: @escaping HandlerTask.Handler, _ request: HTTPServerRequest) throws
        -> HTTPServerResponse
    {
        // A task keeps the task-local values with which it was made: where there are some, each request has its own.
        if TaskLocalValues.mayBeBound {
            let task = HandlerTask(on: worker.loop)
            defer { task.end() }
            return try task.response(of: handler, to: request)
        }
        let task = worker.takeHandlerTask()
        defer { worker.giveHandlerTask(task) }
        return try task.response(of: handler, to: request)
    }

    /// What an error of a handler is answered with: the inmost application that has something for it decides.
    private func response(to error: any Error, _ route: CompiledRoute, _ request: HTTPServerRequest)
        -> HTTPServerResponse
    {
        var error = error
        if let fault = error as? HTTPParseError { error = HTTPAbort(fault.responseStatus, fault.message) }
        do {
            if let response = try route.response(to: error, of: request) { return response }
            if let abort = error as? HTTPAbort { return abort.response }
            Report(.handlerError, "the handler of \(request.method.rawValue) \(request.path) threw \(error)").post()
            let abort = HTTPAbort(.internalServerError)
            return try route.response(to: abort, of: request) ?? abort.response
        } catch let later {
            Report(
                .handlerError,
                "the handler of \(request.method.rawValue) \(request.path) threw \(error), and its error page \(later)"
            ).post()
            return .plain(.internalServerError)
        }
    }

    private func handOver(to takeOver: (HTTPServerUpgrade) throws -> Void, of request: HTTPServerRequest) throws {
        let upgrade = HTTPServerUpgrade(stream: stream, input: input, isStopping: worker.isStopping)
        self.upgrade = upgrade
        defer {
            self.upgrade = nil
            upgrade.whenStopping = nil  // may hold what holds it
        }
        // The new protocol has goodbyes of its own: a client that ends its side does not cancel what took over.
        self.request = nil
        do {
            try takeOver(upgrade)
        } catch let error as SocketError where error.isDisconnection || error.reason == .closed {
            // Peers come and go.
        } catch {
            if error is CancellationError { try checkCancellation() }
            Report(.handlerError, "what took over the connection of \(request.path) threw \(error)").post()
        }
    }

    // MARK: Responses

    /// Writes a response and logs it.
    ///
    /// - Returns: whether the connection can be used further.
    private func write(
        _ response: HTTPServerResponse, to request: HTTPServerRequest, keepsAlive: Bool, _ began: Deadline?
    ) throws -> Bool {
        var status = response.status
        let isHead = request.method == .head
        isAnswering = true
        var outcome: (keepsAlive: Bool, byteCount: Int)
        do {
            outcome = try writer.write(response, isHead: isHead, version: request.version, keepsAlive: keepsAlive)
        } catch let error as HTTPSerializationError {
            Report(.handlerError, "the response to \(request.path) cannot be sent: \(error)").post()
            status = .internalServerError
            outcome = try writer.write(.plain(status), isHead: isHead, version: request.version, keepsAlive: keepsAlive)
        } catch let error where !(error is SocketError) && !(error is CancellationError) {
            // What streams it: the head has gone, so the client is told by the missing end.
            try checkCancellation()
            Report(.handlerError, "the body of \(request.method.rawValue) \(request.path) threw \(error)").post()
            return false
        }
        if let began, let log = worker.configuration.accessLog {
            log(
                HTTPAccess(
                    remoteAddress: stream.remoteAddress, method: request.method, target: request.target,
                    version: request.version, status: status, byteCount: outcome.byteCount,
                    duration: .zero - began.remaining))
        }
        return outcome.keepsAlive
    }

    /// Tells a client that sent something else than a request, and closes.
    private func refuse(_ status: HTTPResponse.Status, _ reason: String) {
        do {
            let count = try writer.write(
                .plain(status, reason), isHead: false, version: .http11, keepsAlive: false
            ).byteCount
            worker.configuration.accessLog?(
                HTTPAccess(
                    remoteAddress: stream.remoteAddress, method: nil, target: nil, version: nil, status: status,
                    byteCount: count, duration: .zero))
            linger()
        } catch {
            // The client has gone, or takes nothing.
        }
    }

    /// Ends this side and lets the client stop sending. Closing with bytes unread would reset the connection and take the
    /// answer with it (RFC 9112, 9.6).
    private func linger() {
        isIdle = true
        do {
            try stream.closeWriting()
            let limit = Deadline.after(worker.configuration.lingerTimeout)
            var rest = 64 << 20
            while rest > 0, !worker.isStopping {
                input.consume(input.bytes.count)
                let count = try input.fill(from: stream, until: limit)
                if count == 0 { return }
                rest -= count
            }
        } catch {
            // The client has gone or goes on sending: it has been told, or does not listen.
        }
    }

    // MARK: Clients that go away

    /// Called by the loop, on its thread, while the connection's fiber waits for something.
    private func clientEnded(isBroken: Bool) {
        if isBroken {
            if request != nil { fiber?.cancel() }
        } else if !clientHasEnded {
            clientHasEnded = true
            if let request { checkForClient(of: request) }
        }
    }

    /// Whether a client that has ended its side is still there cannot be seen, only asked: a machine whose program is gone
    /// answers what it gets with a reset.
    private func checkForClient(of request: HTTPServerRequest) {
        guard let delay = worker.configuration.goneClientCheck, request.version >= .http11 else { return }
        worker.schedule(after: delay) { [weak self] in
            guard let self, self.request === request, !isAnswering, upgrade == nil else { return }
            do {
                try stream.write("HTTP/1.1 100 Continue\r\n\r\n", until: .after(.milliseconds(1)))
            } catch {
                fiber?.cancel()
            }
        }
    }
}

extension CompiledRoute {
    /// The answer of the inmost application that has one for an error.
    fileprivate func response(to error: any Error, of request: HTTPServerRequest) throws -> HTTPServerResponse? {
        for application in applications {
            if let response = try application.response(to: error, of: request) { return response }
        }
        return nil
    }
}
