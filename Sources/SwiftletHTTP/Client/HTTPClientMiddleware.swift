import Swiftlet

/// Something that runs around requests: adds fields, measures, signs, tries again.
///
/// ```swift
/// struct Signing: HTTPClientMiddleware {
///     func send(
///         _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
///     ) throws -> HTTPResponseStream {
///         var request = request
///         request.headers[.authorization] = sign(request)
///         return try next(request)
///     }
/// }
/// ```
///
/// It sees a request before cookies, authentication and redirects, and may call `next` any number of times. A response
/// that it does not return, it closes. It runs on the stack of the request, and may wait as everything there.
public protocol HTTPClientMiddleware: Sendable {
    /// Sends the request on, and returns the response or another one.
    func send(
        _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
    ) throws -> HTTPResponseStream
}
