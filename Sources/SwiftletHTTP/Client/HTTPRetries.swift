import HTTPTypes
import Swiftlet
import SwiftletLoop

/// Sends idempotent requests again that failed for want of a connection, or were answered 429, 502, 503 or 504.
///
/// ```swift
/// configuration.middlewares = [HTTPRetries(count: 3)]
/// ```
///
/// Pauses double, with a random part so that clients do not come back all at once; `Retry-After` is heeded.
public struct HTTPRetries: HTTPClientMiddleware {
    /// How often a request is sent once more.
    public var count: Int
    /// The pause before the first time.
    public var firstPause: Duration
    /// The longest pause, whatever the server asks for.
    public var longestPause: Duration

    public init(count: Int = 2, firstPause: Duration = .milliseconds(200), longestPause: Duration = .seconds(30)) {
        self.count = count
        self.firstPause = firstPause
        self.longestPause = longestPause
    }

    public func send(
        _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
    ) throws -> HTTPResponseStream {
        guard request.isIdempotent, request.isRepeatable else { return try next(request) }
        var pause = firstPause
        var random = LoopRandom()
        for _ in 0..<max(0, count) {
            var asked: Duration?
            do {
                let response = try next(request)
                guard [429, 502, 503, 504].contains(response.status.code) else { return response }
                asked = response.headers[.retryAfter].flatMap { Int($0) }.map { .seconds(max(0, $0)) }
                response.close()
            } catch let error as HTTPClientError where error.isConnectionFailure || isDisconnection(error.cause) {
                // Nothing has come of it: that is what the repetition is for.
            }
            try sleep(min(asked ?? pause * Double.random(in: 0.5...1, using: &random), longestPause))
            pause = min(pause * 2, longestPause)
        }
        return try next(request)
    }
}
