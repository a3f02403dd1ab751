import Glibc
public import HTTPTypes
import Swiftlet
import SwiftletLoop

/// One-line requests, over a client that each thread has for itself, so that connections are reused and stay on their
/// loop.
public enum HTTP {
    /// The calling thread's client. It is closed with the thread.
    public static var client: HTTPClient {
        if let existing = pthread_getspecific(key) {
            return Unmanaged<HTTPClient>.fromOpaque(existing).takeUnretainedValue()
        }
        let made = HTTPClient()
        // Fails only without memory (pthread_setspecific(3)); then the client serves this once.
        if pthread_setspecific(key, Unmanaged.passRetained(made).toOpaque()) != 0 {
            Unmanaged.passUnretained(made).release()
        }
        return made
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { Unmanaged<HTTPClient>.fromOpaque($0!).release() }
        precondition(status == 0, "out of thread-specific keys: a process has \(PTHREAD_KEYS_MAX)")
        return key
    }()

    /// Asks for a URL.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`. A status such as 404 is an answer, no error.
    public static func get(
        _ url: String, headers: HTTPFields = [:], timeout: Duration? = nil
    ) throws -> HTTPClientResponse {
        try client.get(url, headers: headers, timeout: timeout)
    }

    /// Asks for a URL, from a task.
    ///
    /// Cancellation: ends the request.
    /// - Throws: `HTTPURLError`; `HTTPClientError`; `CancellationError`.
    @concurrent
    public static func get(
        _ url: String, headers: HTTPFields = [:], timeout: Duration? = nil
    ) async throws -> HTTPClientResponse {
        try await parkInTask {
            let client = client
            return try client.perform(try client.request(url, headers, timeout))
        }
    }
}
