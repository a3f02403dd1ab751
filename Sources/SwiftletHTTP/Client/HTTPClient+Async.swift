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

    /// Asks for a URL, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    @concurrent
    public func get(
        _ url: String, headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask { try self.perform(try self.request(url, headers, timeout)) }
    }

    /// Sends a request and reads its answer, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    @concurrent
    public func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        try await parkInTask { try self.perform(request) }
    }
}

/// Runs the body with a client that is closed afterwards.
///
/// - Throws: what the body throws.
public func withHTTPClient<Value>(
    _ configuration: HTTPClient.Configuration = .init(), _ body: (HTTPClient) throws -> Value
) rethrows -> Value {
    try HTTPClient.with(configuration, body)
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
