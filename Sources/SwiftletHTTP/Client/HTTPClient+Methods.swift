public import HTTPTypes
import Swiftlet

// The methods of HTTP by name, each in both spellings. A URL is absolute, or relative to the base URL. A status such as 404
// is an answer, no error.

extension HTTPClient {
    /// Asks for a URL.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func get(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.get, url, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks for a URL, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func get(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask { try self.ask(.get, url, parameters: parameters, headers: headers, timeout: timeout) }
    }

    /// Asks for the head of a URL's answer.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func head(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.head, url, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks for the head of a URL's answer, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func head(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask { try self.ask(.head, url, parameters: parameters, headers: headers, timeout: timeout) }
    }

    /// Asks what may be done with a URL.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func options(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.options, url, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks what may be done with a URL, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func options(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask { try self.ask(.options, url, parameters: parameters, headers: headers, timeout: timeout) }
    }

    /// Sends a body to be processed.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func post(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.post, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Sends a body to be processed, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func post(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try self.ask(.post, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Sends a body to be stored under a URL.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func put(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.put, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Sends a body to be stored under a URL, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func put(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try self.ask(.put, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Sends a change of what is stored under a URL.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func patch(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.patch, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Sends a change of what is stored under a URL, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func patch(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try self.ask(.patch, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Asks to delete what is stored under a URL.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func delete(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try ask(.delete, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks to delete what is stored under a URL, from a task.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    public func delete(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try self.ask(.delete, url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    // Out of line: what it needs is on the stack of who waits, and in a task's frames it would be for the task's whole wait. Without
    // a body `get` gets by with a task's first block of frames; a second one is a kilobyte more for each that waits.

    @inline(never)
    private func ask(
        _ method: HTTPRequest.Method, _ url: String, parameters: HTTPParameters, headers: HTTPFields, timeout: Duration?
    ) throws -> HTTPClientResponse {
        try ask(method, url, body: nil, parameters: parameters, headers: headers, timeout: timeout)
    }

    @inline(never)
    private func ask(
        _ method: HTTPRequest.Method, _ url: String, body: HTTPRequestBody?, parameters: HTTPParameters,
        headers: HTTPFields, timeout: Duration?
    ) throws -> HTTPClientResponse {
        try perform(
            request(method, url, body: body, parameters: parameters, headers: headers, timeout: timeout))
    }
}
