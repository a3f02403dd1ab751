public import HTTPTypes
public import Swiftlet

/// A step of a request, as `Configuration.trace` is told.
///
/// The Python counterpart is aiohttp's `TraceConfig`.
public struct HTTPClientEvent: Sendable, CustomStringConvertible {
    /// What happened.
    public enum Step: Sendable {
        case started
        /// All connections are in use: it waits, behind so many others.
        case queued(ahead: Int)
        /// It has waited for long enough.
        case dequeued
        /// It goes over a kept connection of this age.
        case reused(age: Duration)
        case resolving(host: String)
        /// Its addresses are remembered, instead of looked up.
        case remembered(host: String)
        case resolved([SocketAddress])
        case connecting
        case connected(SocketAddress)
        case tlsStarted
        case tlsDone
        case headSent
        case bodyChunkSent(count: Int)
        case bodySent
        case headReceived(HTTPResponse.Status)
        case bodyChunkReceived(count: Int)
        case redirected(to: HTTPURL)
        /// The server asked who asks, and is told.
        case challenged
        /// The kept connection was stale: once more on a new one.
        case retried
        /// The response was read to its end, or released before.
        case ended
        case failed(any Error)
    }

    /// Which request: the same number for all of its steps, redirects included.
    public let request: UInt64
    public let method: HTTPRequest.Method
    public let url: HTTPURL
    public let step: Step
    public let time: Deadline

    public var description: String { "#\(request) \(method.rawValue) \(url): \(step)" }
}
