/// How the end of a message's body is found (RFC 9112, 6).
package enum BodyFraming: Sendable, Hashable {
    /// There is no body, whatever the fields say.
    case none
    /// The body has this many bytes.
    case length(Int)
    /// The body comes in chunks that announce their size.
    case chunked
    /// The body is everything until the peer closes the connection. Only responses have this.
    case untilClose
}

/// What the fields of a head say about the message's body and its connection: the three that matter, noted one by one. What two
/// readers could understand differently is refused.
struct FramingFields: Sendable, Hashable {
    /// The value of Content-Length.
    private(set) var contentLength: Int?

    /// Whether the body is chunked.
    private(set) var isChunked = false

    /// Whether the connection may carry another message afterwards (RFC 9112, 9.3).
    private(set) var persists: Bool

    private var asksToClose = false
    /// The sender has named keep-alive.
    private(set) var asksToPersist = false
    private var transferCodings = 0

    /// Knows of no field yet.
    init() { persists = false }

    /// Takes note of a field, if it is one that matters.
    mutating func note(_ name: Span<UInt8>, _ value: Span<UInt8>) throws(HTTPParseError) {
        switch name.count {
        case 14 where name.equalsIgnoringCase("content-length"):
            // RFC 9110, 8.6, allows to accept identical values; no honest sender needs it.
            guard contentLength == nil else {
                throw HTTPParseError(.invalidContentLength, "there is more than one Content-Length field")
            }
            contentLength = try Self.length(value)
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            transferCodings += 1
            isChunked = value.equalsIgnoringCase("chunked")
        case 10 where name.equalsIgnoringCase("connection"):
            asksToClose = asksToClose || value.isListContaining("close")
            asksToPersist = asksToPersist || value.isListContaining("keep-alive")
        default:
            break
        }
    }

    /// Draws the conclusions once all fields are known.
    mutating func finish(_ version: HTTPVersion) throws(HTTPParseError) {
        persists = !asksToClose && (version >= .http11 || asksToPersist)
        guard transferCodings > 0 else { return }
        guard version >= .http11 else {
            // RFC 9112, 6.1: the framing of such a message is to be treated as faulty.
            throw HTTPParseError(.conflictingFraming, "Transfer-Encoding does not exist in \(version)")
        }
        guard contentLength == nil else {
            throw HTTPParseError(.conflictingFraming, "there are both Content-Length and Transfer-Encoding")
        }
        guard isChunked, transferCodings == 1 else {
            throw HTTPParseError(
                .unsupportedTransferCoding, "Transfer-Encoding is other than chunked, the only coding understood")
        }
    }

    /// Reads digits and nothing else: a sign, a list or a hexadecimal number is another reader's different length.
    private static func length(_ digits: Span<UInt8>) throws(HTTPParseError) -> Int {
        var value = 0
        for index in digits.indices {
            let byte = digits[index]
            guard byte.isDigit else {
                throw HTTPParseError(.invalidContentLength, "Content-Length has \(byte.quoted); it is digits only")
            }
            let (product, productOverflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflows) = product.addingReportingOverflow(Int(byte - .zero))
            guard !productOverflows && !sumOverflows else {
                throw HTTPParseError(.bodyTooLong, "Content-Length is larger than any body can be")
            }
            value = sum
        }
        guard !digits.isEmpty else { throw HTTPParseError(.invalidContentLength, "Content-Length is empty") }
        return value
    }
}
