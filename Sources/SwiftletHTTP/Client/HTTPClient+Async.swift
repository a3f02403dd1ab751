public import HTTPTypes
import Swiftlet
import SwiftletLoop

// The async spelling: thin doors to the same synchronous code. Cancellation is that of the synchronous spelling.

extension HTTPClient {
    /// Runs the body with a client that is closed afterwards, from a task.
    ///
    /// - Throws: what the body throws.
    public nonisolated(nonsending) static func with<Value>(
        _ configuration: Configuration = Configuration(),
        _ body: nonisolated(nonsending) (HTTPClient) async throws -> Value
    ) async rethrows -> Value {
        let client = HTTPClient(configuration)
        defer { client.close() }
        return try await body(client)
    }

    /// Sends a request and reads its answer, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    public func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        try await parkInTask { try self.perform(request) }
    }

    /// Sends a request and runs the body as soon as the answer's head has come, from a task. Afterwards the response is
    /// released.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`; what the body throws.
    public nonisolated(nonsending) func withResponse<Value>(
        to request: HTTPClientRequest, _ body: nonisolated(nonsending) (HTTPResponseStream) async throws -> Value
    ) async throws -> Value {
        let response = try await openInTask(request)
        defer { response.close() }
        return try await body(response)
    }

    /// Asks for a URL and runs the body as soon as the answer's head has come. Afterwards the response is released.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`; what the body throws.
    public func withResponse<Value>(
        to url: String, headers: HTTPFields = [:], _ body: (HTTPResponseStream) throws -> Value
    ) throws -> Value {
        try withResponse(to: request(.get, url, headers: headers), body)
    }

    /// Asks for a URL and runs the body as soon as the answer's head has come, from a task. Afterwards the response is
    /// released.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`; what the body throws.
    public nonisolated(nonsending) func withResponse<Value>(
        to url: String, headers: HTTPFields = [:],
        _ body: nonisolated(nonsending) (HTTPResponseStream) async throws -> Value
    ) async throws -> Value {
        try await withResponse(to: request(.get, url, headers: headers), body)
    }

    private func openInTask(_ request: HTTPClientRequest) async throws -> HTTPResponseStream {
        try await parkInTask { try self.open(request) }
    }
}

/// Runs the body with a client that is closed afterwards, from a task.
///
/// - Throws: what the body throws.
public nonisolated(nonsending) func withHTTPClient<Value>(
    _ configuration: HTTPClient.Configuration = .init(),
    _ body: nonisolated(nonsending) (HTTPClient) async throws -> Value
) async rethrows -> Value {
    try await HTTPClient.with(configuration, body)
}
