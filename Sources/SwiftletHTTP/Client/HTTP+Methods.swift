public import HTTPTypes
import Swiftlet

extension HTTP {
    /// Asks for a URL.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func get(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.get(url, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks for a URL, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func get(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.get(url, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Asks for the head of a URL's answer.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func head(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.head(url, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks for the head of a URL's answer, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func head(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.head(url, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Asks what may be done with a URL.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func options(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.options(url, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks what may be done with a URL, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func options(
        _ url: String, parameters: HTTPParameters = [:], headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.options(url, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Sends a body to be processed.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func post(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.post(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Sends a body to be processed, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func post(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.post(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Sends a body to be stored under a URL.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func put(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.put(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Sends a body to be stored under a URL, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func put(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.put(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Sends a change of what is stored under a URL.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func patch(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.patch(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Sends a change of what is stored under a URL, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func patch(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.patch(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }

    /// Asks to delete what is stored under a URL.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func delete(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.delete(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
    }

    /// Asks to delete what is stored under a URL, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func delete(
        _ url: String, body: HTTPRequestBody? = nil, parameters: HTTPParameters = [:], headers: HTTPFields = [:],
        timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            try client.delete(url, body: body, parameters: parameters, headers: headers, timeout: timeout)
        }
    }
}
