import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP

/// One try to fetch a URL, redirects included.
struct FetchAttempt {
    private static let redirectLimit = 10

    let client: HTTPClient
    let pattern: FetchPattern
    let save: SaveDirectory?

    /// How a try ended.
    struct End {
        var outcome: FetchResult.Outcome
        /// Worth another try.
        var isRetryable = false
        /// How long the server wants to be left alone.
        var retryAfter: Duration?
    }

    /// Cancellation: ends the try; it throws.
    /// - Throws: `CancellationError`; `Failure` when the body cannot be saved.
    func perform(_ url: HTTPURL) throws -> End {
        let start = ContinuousClock.now
        do {
            let response = try withDeadline(.after(pattern.timeout)) { try exchange(url) }
            let status = Int(response.status.code)
            let isRetryable = [429, 502, 503, 504].contains(status)
            let retryAfter = isRetryable ? response.headers[.retryAfter].flatMap { Self.delay($0) } : nil
            if pattern.failsForStatus, status >= 400 {
                let outcome = FetchResult.Outcome.error(.http, "the server answered \(status)")
                return End(outcome: outcome, isRetryable: isRetryable, retryAfter: retryAfter)
            }
            var answer = FetchResult.Answer(
                finalURL: response.url.description, status: status, bytes: response.bytes.count,
                elapsed: ContinuousClock.now - start)
            if let save, !isRetryable { answer.file = try save.save(response.bytes, of: url) }
            return End(outcome: .answer(answer), isRetryable: isRetryable, retryAfter: retryAfter)
        } catch let error as Failure {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            let (kind, message) = Self.explain(error, pattern.timeout)
            return End(
                outcome: .error(kind, message), isRetryable: pattern.isIdempotent && Self.isRetryable(error, kind))
        }
    }

    private func exchange(_ first: HTTPURL) throws -> HTTPClientResponse {
        var request = HTTPClientRequest(method: pattern.method, url: first, headers: pattern.fields, body: pattern.body)
        var redirects = 0
        while true {
            let response = try client.send(request)
            guard pattern.followsRedirects, [301, 302, 303, 307, 308].contains(response.status.code),
                let location = response.headers[.location]
            else { return response }
            redirects += 1
            if redirects > Self.redirectLimit { throw TooManyRedirects(limit: Self.redirectLimit) }
            let next = try request.url.resolving(location)
            if !next.hasSameOrigin(as: request.url) {
                for name in [HTTPField.Name.authorization, .cookie] { request.headers[name] = nil }
            }
            // RFC 9110, 15.4: what browsers have always done with POST, and what 303 means.
            let code = response.status.code
            if code == 303 ? request.method != .head : code < 303 && request.method == .post {
                request.method = .get
                request.body = nil
                request.headers[.contentType] = nil
            }
            request.url = next
        }
    }

    private struct TooManyRedirects: Error {
        let limit: Int
    }

    // MARK: What went wrong

    private static func explain(_ error: any Error, _ timeout: Duration) -> (FetchResult.ErrorKind, String) {
        let cause = (error as? HTTPClientError)?.cause ?? error
        if cause is DeadlineExceeded { return (.timeout, "no complete answer within \(timeout)") }
        if let cause = cause as? TooManyRedirects { return (.http, "more than \(cause.limit) redirects") }
        return (kind(of: cause), "\(cause)")
    }

    private static func kind(of cause: any Error) -> FetchResult.ErrorKind {
        #if TLS
            if cause is TLSError { return .tls }
        #endif
        switch cause {
        case let cause as SocketError where cause.reason == .timedOut: return .timeout
        case let cause as SocketError: return cause.operation == .connect ? .connect : .protocol
        case is ResolverError: return .dns
        case is HTTPURLError: return .url
        case let cause as HTTPRequestFault: return cause == .needsTLS ? .tls : .url
        default: return .protocol
        }
    }

    /// It did not connect, or the connection broke.
    private static func isRetryable(_ error: any Error, _ kind: FetchResult.ErrorKind) -> Bool {
        let cause = (error as? HTTPClientError)?.cause ?? error
        switch kind {
        case .connect: return true
        case .protocol: return !(cause is HTTPParseError)
        default: return false
        }
    }

    /// What a Retry-After field says: seconds, or a moment (RFC 9110, 10.2.3).
    private static func delay(_ field: String) -> Duration? {
        if let seconds = Int64(field), seconds >= 0 { return .seconds(min(seconds, 1_000_000)) }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        // As in `Sun, 06 Nov 1994 08:49:37 GMT`.
        let parts = field.split { $0 == " " || $0 == ":" }
        guard parts.count == 8, parts[7] == "GMT", let month = months.firstIndex(of: String(parts[2])) else {
            return nil
        }
        let numbers = [1, 3, 4, 5, 6].compactMap { CInt(parts[$0]) }
        guard numbers.count == 5 else { return nil }
        var moment = tm()
        moment.tm_mday = numbers[0]
        moment.tm_mon = CInt(month)
        moment.tm_year = numbers[1] - 1900
        (moment.tm_hour, moment.tm_min, moment.tm_sec) = (numbers[2], numbers[3], numbers[4])
        return .seconds(max(timegm(&moment) - time(nil), 0))
    }
}
