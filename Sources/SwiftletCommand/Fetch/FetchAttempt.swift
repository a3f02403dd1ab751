import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP

/// One try to fetch a URL, redirects included.
struct FetchAttempt {
    let client: HTTPClient
    let pattern: FetchPattern
    let save: SaveDirectory?
    /// There will be no other, whatever comes of it.
    let isLast: Bool
    /// For who saves it elsewhere.
    var keepsBody = false

    /// A server that wants to be left alone for longer than this is not asked again: what it has answered is the result.
    static let longestRest = Duration.seconds(300)

    /// How a try ended.
    struct End: Codable {
        var outcome: FetchResult.Outcome
        /// Worth another try.
        var isRetryable = false
        /// How long the server wants to be left alone.
        var retryAfter: Duration?
        /// To be saved.
        var body: [UInt8]?
    }

    /// Cancellation: ends the try; it throws.
    /// - Throws: `CancellationError`; `Failure` when the body cannot be saved.
    func perform(_ url: HTTPURL) throws -> End {
        do {
            return try withDeadline(.after(pattern.timeout)) { try exchange(url) }
        } catch let error as Failure {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            let failure = FetchFailure(error, timeout: pattern.timeout)
            return End(
                outcome: .error(failure.kind, failure.message),
                isRetryable: !isLast && pattern.isIdempotent && failure.isRetryable)
        }
    }

    private func exchange(_ url: HTTPURL) throws -> End {
        let start = ContinuousClock.now
        var request = HTTPClientRequest(
            method: pattern.method, url: url, headers: pattern.fields, body: pattern.body.map { .bytes($0) })
        request.followsRedirects = pattern.followsRedirects
        return try client.withResponse(to: request) { response in
            let status = Int(response.status.code)
            let isOverloaded = [429, 502, 503, 504].contains(status)
            let retryAfter = isOverloaded ? response.headers[.retryAfter].flatMap { Self.delay($0) } : nil
            let isRetryable = isOverloaded && !isLast && retryAfter ?? .zero <= Self.longestRest
            let isFailure = pattern.failsForStatus && status >= 400
            let file = isRetryable || isFailure ? nil : try save?.begin(url)
            defer { file?.close() }
            var count = 0
            var body: [UInt8]? = keepsBody && !isRetryable && !isFailure ? [] : nil
            while let piece = try response.body.next() {
                count += piece.count
                try file?.append(piece)
                body?.append(contentsOf: piece)
            }
            let outcome: FetchResult.Outcome =
                isFailure
                ? .error(.http, "the server answered \(status)")
                : .answer(
                    FetchResult.Answer(
                        finalURL: response.url.description, status: status, bytes: count,
                        elapsed: ContinuousClock.now - start, file: try file?.finish()))
            return End(outcome: outcome, isRetryable: isRetryable, retryAfter: retryAfter, body: body)
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
        // What a server says must not overflow what it is reckoned with.
        guard numbers.count == 5, (1...31).contains(numbers[0]), (1970...9999).contains(numbers[1]),
            (0...23).contains(numbers[2]), (0...59).contains(numbers[3]), (0...60).contains(numbers[4])
        else { return nil }
        var moment = tm()
        moment.tm_mday = numbers[0]
        moment.tm_mon = CInt(month)
        moment.tm_year = numbers[1] - 1900
        (moment.tm_hour, moment.tm_min, moment.tm_sec) = (numbers[2], numbers[3], numbers[4])
        return .seconds(max(timegm(&moment) - time(nil), 0))
    }
}
