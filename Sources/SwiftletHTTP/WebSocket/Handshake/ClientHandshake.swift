public import HTTPTypes
import Swiftlet
import SwiftletLoop

extension HTTPField.Name {
    static let webSocketKey = HTTPField.Name("Sec-WebSocket-Key")!
    static let webSocketAccept = HTTPField.Name("Sec-WebSocket-Accept")!
    static let webSocketVersion = HTTPField.Name("Sec-WebSocket-Version")!
    static let webSocketProtocol = HTTPField.Name("Sec-WebSocket-Protocol")!
    static let webSocketExtensions = HTTPField.Name("Sec-WebSocket-Extensions")!
}

/// The client's side of the opening handshake (RFC 6455, 4.1).
struct ClientHandshake {
    private let key = HandshakeKey()
    private let configuration: WebSocket.Configuration

    init(_ configuration: WebSocket.Configuration) { self.configuration = configuration }

    private var compression: WebSocket.Compression? {
        ContentCoding.deflate.isSupported ? configuration.compression?.bounded : nil
    }

    func request(to url: String, _ headers: HTTPFields, on client: HTTPClient) throws -> HTTPClientRequest {
        var request = try client.request(.get, try Self.httpURL(url), headers: headers)
        request.headers[.connection] = "Upgrade"
        request.headers[.upgrade] = "websocket"
        request.headers[.webSocketVersion] = "13"
        request.headers[.webSocketKey] = key.text
        if !configuration.subprotocols.isEmpty {
            request.headers[.webSocketProtocol] = configuration.subprotocols.joined(separator: ", ")
        }
        if let compression {
            request.headers[.webSocketExtensions] = PermessageDeflate.offer(compression).text
        }
        return request
    }

    /// The same place as HTTP names it. Relative URLs are the client's to resolve.
    private static func httpURL(_ url: String) throws(WebSocketError) -> String {
        let reference = URLReference(parsing: url)
        guard let scheme = reference.scheme else { return url }
        let rest = url[scheme.endIndex...]
        switch scheme.lowercased() {
        case "ws", "http": return "http" + rest
        case "wss", "https": return "https" + rest
        default: throw .invalidURL(url)
        }
    }

    /// What a server that answered 101 has agreed to.
    func agreement(_ headers: HTTPFields) throws(WebSocketError) -> WebSocket.Agreement {
        guard headers[.upgrade]?.lowercased() == "websocket",
            headers[values: .connection].contains(where: { $0.isListContaining("upgrade") })
        else { throw .invalidHandshake("its 101 does not switch to websocket") }
        guard headers[values: .webSocketAccept] == [key.acceptance] else {
            throw .invalidHandshake("it does not prove that it has read the key")
        }
        var agreement = WebSocket.Agreement(isServer: false)
        agreement.responseHeaders = headers
        let subprotocols = headers[values: .webSocketProtocol]
        if !subprotocols.isEmpty {
            guard subprotocols.count == 1, configuration.subprotocols.contains(subprotocols[0]) else {
                throw .invalidHandshake("it speaks the subprotocol \"\(subprotocols[0])\", which was not offered")
            }
            agreement.subprotocol = subprotocols[0]
        }
        if let field = headers[.webSocketExtensions] {
            guard let extensions = ExtensionOffer.list(field), let answer = extensions.first, extensions.count == 1
            else { throw .invalidHandshake("its extensions are \"\(field)\"") }
            guard let compression else {
                throw .invalidHandshake("it agrees to the extension \"\(answer.name)\", which was not offered")
            }
            agreement.deflate = try PermessageDeflate.agreed(answer, compression)
        }
        return agreement
    }
}

extension HTTPClient {
    /// Opens a WebSocket. It counts for none of the client's limits; close it.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Parameters:
    ///   - url: begins with `ws://`, `wss://` (or `http`, `https`), or is relative to the client's base URL.
    ///   - headers: further fields of the handshake, such as Origin.
    ///   - configuration: the settings of the socket.
    /// - Throws: `WebSocketError.refused`, `.invalidHandshake`, `.invalidURL`; `HTTPURLError`; `HTTPClientError`;
    ///   `CancellationError`.
    public func webSocket(
        _ url: String, headers: HTTPFields = [:], configuration: WebSocket.Configuration = .init()
    ) throws -> WebSocket {
        try openWebSocket(url, headers, configuration)
    }

    /// Opens a WebSocket, from a task.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Throws: what the synchronous spelling throws.
    public func webSocket(
        _ url: String, headers: HTTPFields = [:], configuration: WebSocket.Configuration = .init()
    ) async throws -> WebSocket {
        try await parkInTask { try self.openWebSocket(url, headers, configuration) }
    }

    /// Runs the body with a WebSocket that is closed afterwards: with a goodbye, or at once if the body throws.
    ///
    /// - Throws: what `webSocket` and the body throw.
    public func withWebSocket<Value>(
        _ url: String, headers: HTTPFields = [:], configuration: WebSocket.Configuration = .init(),
        _ body: (WebSocket) throws -> Value
    ) throws -> Value {
        let socket = try openWebSocket(url, headers, configuration)
        defer { socket.drop() }
        let value = try body(socket)
        try socket.close()
        return value
    }

    /// Runs the body with a WebSocket that is closed afterwards, from a task.
    ///
    /// - Throws: what `webSocket` and the body throw.
    public nonisolated(nonsending) func withWebSocket<Value>(
        _ url: String, headers: HTTPFields = [:], configuration: WebSocket.Configuration = .init(),
        _ body: nonisolated(nonsending) (WebSocket) async throws -> Value
    ) async throws -> Value {
        let socket = try await webSocket(url, headers: headers, configuration: configuration)
        defer { socket.drop() }
        let value = try await body(socket)
        try await socket.close()
        return value
    }

    private func openWebSocket(
        _ url: String, _ headers: HTTPFields, _ configuration: WebSocket.Configuration
    ) throws -> WebSocket {
        let handshake = ClientHandshake(configuration)
        switch try upgrade(try handshake.request(to: url, headers, on: self)) {
        case .refused(let response): throw WebSocketError.refused(response.status)
        case .switched(let connection):
            do {
                let agreement = try handshake.agreement(connection.response.headers)
                return try WebSocket(connection.stream, connection.input, agreement, configuration)
            } catch {
                connection.stream.close()
                throw error
            }
        }
    }
}
