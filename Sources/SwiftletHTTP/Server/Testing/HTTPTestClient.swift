public import HTTPTypes
import Swiftlet
import SwiftletCoroutines
package import SwiftletNet

/// Asks an application without a socket: its routes, middlewares and limits as in a server, over memory. aiohttp's
/// `TestClient`, Flask's `test_client`.
///
/// ```swift
/// try HTTPTestClient.with(application) { client in
///     let response = try client.get("/users/7")
///     #expect(response.status == .ok)
/// }
/// ```
/// `onStart` hooks run before the body, `onCleanup` after it. Each request has a connection of its own.
///
/// Thread rules: it belongs to the loop that made it.
public final class HTTPTestClient: @unchecked Sendable {
    private let worker: ServerWorker
    private let parts: [HTTPApplication.Part]

    private init(_ routing: some HTTPRouting, _ configuration: HTTPServer.Configuration) throws {
        worker = ServerWorker(
            loop: try EventLoop.current, router: try Router(routing.application), configuration: configuration)
        parts = routing.application.parts(at: "", inside: [], middlewares: [])
    }

    /// Runs the body with a client.
    ///
    /// - Throws: `HTTPRouteError`; what an `onStart` hook and the body throw.
    public static func with<Value>(
        _ routing: some HTTPRouting, _ configuration: HTTPServer.Configuration = HTTPServer.Configuration(),
        _ body: (HTTPTestClient) throws -> Value
    ) throws -> Value {
        let client = try HTTPTestClient(routing, configuration)
        for hook in client.parts.flatMap(\.contents.startHooks) { try hook.run() }
        for work in client.parts.flatMap(\.contents.backgroundWork) {
            client.worker.spawnBackground(name: work.name) { try work.hook.run() }
        }
        let result = Result { try body(client) }
        try shielded { try client.end() }
        return try result.get()
    }

    private func end() throws {
        for hook in parts.flatMap(\.contents.stopHooks) { try hook.run() }
        _ = try worker.stop(until: .after(worker.configuration.grace))
        try worker.stopBackground()
        for hook in parts.flatMap(\.contents.cleanupHooks).reversed() { try hook.run() }
    }

    /// An answer.
    public struct Response: Sendable {
        public let status: HTTPResponse.Status
        public let headers: HTTPFields
        public let bytes: [UInt8]

        /// The body as UTF-8, with invalid bytes replaced.
        public var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// Cancellation: closes the connection, which cancels the handler.
    /// - Throws: `HTTPParseError` for an answer that is cut off, or when there is none.
    public func send(
        _ method: HTTPRequest.Method, _ target: String, headers: HTTPFields = [:], body: [UInt8] = []
    ) throws -> Response {
        var request = HTTPRequest(
            method: method, scheme: "http", authority: "test", path: target, headerFields: headers)
        if !body.isEmpty, headers[.transferEncoding] == nil { request.headerFields[.contentLength] = "\(body.count)" }
        var bytes: [UInt8] = []
        try bytes.appendHead(of: request)
        let stream = connect()
        defer { stream.close() }
        let head = bytes
        // A server may answer before it has taken all of the body.
        let sending = spawn { try stream.write(head, body) }
        defer { sending.cancel() }
        let response = try Self.receive(from: stream, method: method)
        _ = sending.error
        return response
    }

    /// Sends a GET and waits for the whole answer.
    public func get(_ target: String, headers: HTTPFields = [:]) throws -> Response {
        try send(.get, target, headers: headers)
    }

    /// Sends a POST and waits for the whole answer.
    public func post(_ target: String, headers: HTTPFields = [:], body: [UInt8]) throws -> Response {
        try send(.post, target, headers: headers, body: body)
    }

    /// Opens a connection, for what no request is.
    package func connect() -> any ByteStream {
        let (client, server) = MemoryStream.pair()
        worker.serve(server)
        return client
    }

    private static func receive(from stream: any ByteStream, method: HTTPRequest.Method) throws -> Response {
        let input = InputBuffer()
        while true {
            var parser = ResponseHeadParser()
            var parsed = try parser.parse(input.bytes.span)
            while parsed == nil {
                guard try input.fill(from: stream, until: nil) > 0 else {
                    throw HTTPParseError(.truncated, "the connection was closed before the answer's head was complete")
                }
                parsed = try parser.parse(input.bytes.span)
            }
            let (head, count) = parsed!
            input.consume(count)
            if head.response.status.code == 100 { continue }
            let framing = head.framing(forRequestMethod: method)
            let body = try input.readBody(framing, limits: .default, from: stream) { nil }
            return Response(status: head.response.status, headers: head.response.headerFields, bytes: body)
        }
    }
}
