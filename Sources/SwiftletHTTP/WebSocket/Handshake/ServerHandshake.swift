import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import SwiftletLoop

/// The server's side of the opening handshake (RFC 6455, 4.2).
struct ServerHandshake {
    let agreement: WebSocket.Agreement
    /// The fields of the 101.
    let headers: HTTPFields

    /// Why a request is answered with something else than 101.
    struct Refusal: Error {
        var response: HTTPServerResponse

        init(_ status: HTTPResponse.Status, _ reason: String) { response = .plain(status, reason) }
    }

    init(_ request: HTTPServerRequest, _ configuration: WebSocket.Configuration) throws(Refusal) {
        guard request.asksForUpgrade(to: "websocket") else {
            var refusal = Refusal(.upgradeRequired, "This is the address of a WebSocket.")
            refusal.response.headers[.upgrade] = "websocket"
            refusal.response.headers[.connection] = "Upgrade"
            throw refusal
        }
        guard request.headers[values: .webSocketVersion] == ["13"] else {
            var refusal = Refusal(.upgradeRequired, "WebSocket is spoken in version 13 only.")
            refusal.response.headers[.webSocketVersion] = "13"
            throw refusal
        }
        let keys = request.headers[values: .webSocketKey]
        guard keys.count == 1, let key = HandshakeKey(keys[0]) else {
            throw Refusal(.badRequest, "The field Sec-WebSocket-Key is not the Base64 form of 16 bytes.")
        }
        if let origin = request.headers[.origin] {
            let isAllowed = configuration.allowsOrigin?(origin, request) ?? Self.isSameHost(origin, request)
            guard isAllowed else { throw Refusal(.forbidden, "Pages of \(origin) may not connect.") }
        }
        var agreement = WebSocket.Agreement(isServer: true)
        var headers: HTTPFields = [:]
        headers[.webSocketAccept] = key.acceptance
        agreement.request = request
        let wished = (request.headers[.webSocketProtocol] ?? "").split(separator: ",").map { name in
            name.filter { $0 != " " && $0 != "\t" }
        }
        if let subprotocol = configuration.subprotocols.first(where: { wished.contains($0) }) {
            agreement.subprotocol = subprotocol
            headers[.webSocketProtocol] = subprotocol
        }
        if let field = request.headers[.webSocketExtensions] {
            guard let offers = ExtensionOffer.list(field) else {
                throw Refusal(.badRequest, "The field Sec-WebSocket-Extensions is malformed.")
            }
            if ContentCoding.deflate.isSupported, let compression = configuration.compression?.bounded,
                let (agreed, answer) = PermessageDeflate.accept(offers, compression)
            {
                agreement.deflate = agreed
                headers[.webSocketExtensions] = answer.text
            }
        }
        self.agreement = agreement
        self.headers = headers
    }

    /// `https://example.com:8443` against the host and port that the request is for.
    private static func isSameHost(_ origin: String, _ request: HTTPServerRequest) -> Bool {
        let parts = URLReference(parsing: origin)
        return parts.scheme != nil && parts.authority?.lowercased() == request.authority?.lowercased()
    }
}

extension WebSocket.Compression {
    /// With values that zlib knows.
    var bounded: WebSocket.Compression {
        var bounded = self
        bounded.windowBits = min(max(windowBits, 9), 15)
        return bounded
    }
}

extension HTTPServerResponse {
    /// Answers a request by opening a WebSocket, or by saying why not (426, 400, 403).
    ///
    /// - Parameters:
    ///   - request: the request that asks for it.
    ///   - configuration: the settings of the socket.
    ///   - handler: plain synchronous code, in the connection's fiber. When it returns, the socket says goodbye; if it
    ///     throws, the error is reported and the goodbye has code 1011. When the server stops, the socket is closed with
    ///     code 1001.
    public static func webSocket(
        _ request: HTTPServerRequest, configuration: WebSocket.Configuration = .init(),
        handler: @escaping @Sendable (WebSocket) throws -> Void
    ) -> HTTPServerResponse {
        let handshake: ServerHandshake
        do throws(ServerHandshake.Refusal) {
            handshake = try ServerHandshake(request, configuration)
        } catch {
            return error.response
        }
        return .upgrade(to: "websocket", headers: handshake.headers) { upgrade in
            let socket = try WebSocket(upgrade.stream, upgrade.input, handshake.agreement, configuration)
            upgrade.whenStopping = { spawn { try socket.close(.goingAway) } }
            do {
                try handler(socket)
            } catch {
                try socket.endHandler(error)
            }
            try socket.close()
        }
    }

    /// Answers a request by opening a WebSocket, or by saying why not. The handler runs in a task on the connection's loop.
    public static func webSocket(
        _ request: HTTPServerRequest, configuration: WebSocket.Configuration = .init(),
        handler: @escaping @Sendable (WebSocket) async throws -> Void
    ) -> HTTPServerResponse {
        webSocket(request, configuration: configuration) { (socket: WebSocket) throws -> Void in
            try blockOn { try await handler(socket) }
        }
    }
}

extension WebSocket {
    /// Closes the connection without a goodbye, unless there was one.
    func drop() { reader.drop() }

    /// A handler threw. How the socket itself ended is no fault of the handler's.
    fileprivate func endHandler(_ error: any Error) throws {
        if reader.ending != nil || writer.ending != nil, error is WebSocketError || error is SocketError { return }
        if error is CancellationError { try checkCancellation() }
        do {
            try close(.internalError)
        } catch {
            drop()  // the peer has gone; what the handler threw is still told
        }
        throw error
    }
}

extension HTTPRouting {
    /// Adds a WebSocket at a path.
    ///
    /// ```swift
    /// server.webSocket("/echo") { socket in
    ///     while let message = try socket.receive() { try socket.send(message) }
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - path: where the WebSocket is.
    ///   - configuration: the settings of the socket.
    ///   - handler: as with `HTTPServerResponse.webSocket`.
    public func webSocket(
        _ path: String, configuration: WebSocket.Configuration = .init(),
        handler: @escaping @Sendable (WebSocket) throws -> Void
    ) {
        get(path) { request in HTTPServerResponse.webSocket(request, configuration: configuration, handler: handler) }
    }

    /// Adds a WebSocket at a path. The handler runs in a task on the connection's loop.
    public func webSocket(
        _ path: String, configuration: WebSocket.Configuration = .init(),
        handler: @escaping @Sendable (WebSocket) async throws -> Void
    ) {
        get(path) { request in HTTPServerResponse.webSocket(request, configuration: configuration, handler: handler) }
    }
}
