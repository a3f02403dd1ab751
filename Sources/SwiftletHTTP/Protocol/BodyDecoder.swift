package import HTTPTypes

/// Takes a message's body out of a buffer that fills up, whatever its framing.
///
///     var decoder = try BodyDecoder(framing: head.framing)
///     while true {
///         switch try decoder.next(in: buffer.span) {
///         case .data(let range): …             // use it, then drop everything up to its end
///         case .incomplete(let consumed): …    // drop, then read more; at the end of the stream call finish()
///         case .end(let consumed): …           // drop; decoder.trailers is complete
///         }
///     }
package struct BodyDecoder {
    private enum State {
        case length(remaining: Int)
        case chunked
        case untilClose(received: Int)
    }

    /// The fields that followed a chunked body.
    package var trailers: HTTPFields {
        chunks.trailers
    }

    private let limits: HTTPLimits
    private var state: State
    private var chunks: ChunkedDecoder
    private var isComplete = false

    /// Makes a decoder for one body.
    ///
    /// - Throws: If the body's announced length exceeds the limit, so that a server can refuse it unread.
    package init(framing: BodyFraming, limits: HTTPLimits = .default) throws(HTTPParseError) {
        self.limits = limits
        chunks = ChunkedDecoder(limits: limits)
        switch framing {
        case .none: state = .length(remaining: 0)
        case .length(let length): state = .length(remaining: length)
        case .chunked: state = .chunked
        case .untilClose: state = .untilClose(received: 0)
        }
        if case .length(let length) = framing { try check(length) }
    }

    /// Decodes up to the next piece of data, or to the end of what is there.
    package mutating func next(in bytes: Span<UInt8>) throws(HTTPParseError) -> BodyStep {
        switch state {
        case .length(0):
            isComplete = true
            return .end(consumed: 0)
        case .length(let remaining):
            guard !bytes.isEmpty else { return .incomplete(consumed: 0) }
            let count = min(remaining, bytes.count)
            state = .length(remaining: remaining - count)
            return .data(0..<count)
        case .chunked:
            let step = try chunks.next(in: bytes)
            if case .end = step { isComplete = true }
            return step
        case .untilClose(let received):
            guard !bytes.isEmpty && !isComplete else {
                return isComplete ? .end(consumed: 0) : .incomplete(consumed: 0)
            }
            let (sum, overflows) = received.addingReportingOverflow(bytes.count)
            try check(overflows ? .max : sum)
            state = .untilClose(received: sum)
            return .data(0..<bytes.count)
        }
    }

    /// Says that the stream has ended and that every byte of it was passed to ``next(in:)``.
    ///
    /// - Throws: If the body was not complete. To go on with such a body would be to take a part for the whole.
    package mutating func finish() throws(HTTPParseError) {
        switch state {
        case .untilClose, .length(0): isComplete = true
        case .length(let remaining) where !isComplete:
            throw HTTPParseError(.truncated, "the stream ended \(remaining) bytes before the body did")
        case .chunked where !isComplete:
            throw HTTPParseError(.truncated, "the stream ended before the last chunk of the body")
        default: break
        }
    }

    private func check(_ length: Int) throws(HTTPParseError) {
        guard let limit = limits.bodyLength, length > limit else { return }
        throw HTTPParseError(.bodyTooLong, "the body is longer than \(limit) bytes")
    }
}
