import ArgumentParser
import HTTPTypes
import Swiftlet
import SwiftletHTTP

/// How long answers take, how large they are, and how many fail.
struct SlowAnswer: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: "How long each answer takes, such as 3s or 500ms. (default: 3s; none for files or with --slow-body)",
        transform: parseDuration)
    var delay: Duration?

    @Option(
        parsing: .unconditional, help: "Up to so much more at random. (default: none)", transform: parseDuration)
    var jitter = Duration.zero

    @Option(parsing: .unconditional, help: "Which share of requests is answered by an error, 500: from 0 to 1.")
    var errorRate = 0.0

    @Option(parsing: .unconditional, help: "How many bytes an answer has. (default: Hello!)")
    var bodySize: Int?

    @Option(
        parsing: .unconditional,
        help: "How long the body takes: its head comes at once, the rest piece by piece. (default: at once)",
        transform: parseDuration)
    var slowBody = Duration.zero

    func validate() throws {
        if !(0...1).contains(errorRate) { throw ValidationError("--error-rate must be 0 to 1") }
        if let bodySize, !(0...(1 << 40)).contains(bodySize) {
            throw ValidationError("--body-size must be 0 to \(1 << 40)")
        }
    }

    /// Makes all answers of a server late, and some of them errors.
    func slowDown(_ server: HTTPServer, defaultDelay: Duration) {
        let (delay, jitter, errorRate) = (delay ?? (slowBody > .zero ? .zero : defaultDelay), jitter, errorRate)
        guard delay + jitter > .zero || errorRate > 0 else { return }
        server.use { (request, next) throws in
            let more = jitter * Double.random(in: 0...1)
            if delay + more > .zero { try sleep(delay + more) }
            if errorRate > 0, Double.random(in: 0..<1) < errorRate { throw HTTPAbort(.internalServerError) }
            return try next(request)
        }
    }

    /// `Hello!`, or as many bytes as are wanted, in the time that is wanted.
    var response: HTTPServerResponse {
        let hello = "Hello!"
        let count = bodySize ?? hello.utf8.count
        if bodySize == nil, slowBody == .zero { return HTTPServerResponse(hello) }
        let pattern = Array((bodySize == nil ? hello : "0123456789abcdef").utf8)
        let type = bodySize == nil ? "text/html; charset=utf-8" : "text/plain; charset=utf-8"
        let slowBody = slowBody
        return .stream(length: count, contentType: type) { (body: HTTPServerResponse.Writer) throws in
            // A hundred pieces look even enough; a large body is sent in pieces that fit into memory.
            let pieces = max(1, slowBody == .zero ? 1 : min(count, 100), (count + 65535) / 65536)
            let block = (0..<min(count, 65536) + pattern.count).map { pattern[$0 % pattern.count] }
            let start = ContinuousClock.now
            var sent = 0
            for number in 1...pieces {
                // A client that takes all at once must not keep others from theirs.
                if slowBody > .zero {
                    try sleep(slowBody * number / pieces - (ContinuousClock.now - start))
                } else {
                    try yield()
                }
                let end = count / pieces * number + count % pieces * number / pieces
                let phase = sent % pattern.count
                try body.write(Array(block[phase..<phase + end - sent]))
                sent = end
            }
        }
    }
}
