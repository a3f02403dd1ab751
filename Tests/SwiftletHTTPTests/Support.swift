import HTTPTypes
import SwiftletHTTP

/// Parses a request head that is all there.
func parseRequest(
    _ text: String, limits: HTTPLimits = .default
) throws(HTTPParseError) -> (head: RequestHead, byteCount: Int)? {
    var parser = RequestHeadParser(limits: limits)
    return try parser.parse(text.utf8)
}

/// Parses a response head that is all there.
func parseResponse(
    _ text: String, limits: HTTPLimits = .default
) throws(HTTPParseError) -> (head: ResponseHead, byteCount: Int)? {
    var parser = ResponseHeadParser(limits: limits)
    return try parser.parse(text.utf8)
}

/// The code of the error that a request head is refused with, or `nil` if it is not.
func requestFault(_ text: String, limits: HTTPLimits = .default) -> HTTPParseError.Code? {
    do throws(HTTPParseError) {
        _ = try parseRequest(text, limits: limits)
        return nil
    } catch {
        return error.code
    }
}

/// The code of the error that a response head is refused with, or `nil` if it is not.
func responseFault(_ text: String, limits: HTTPLimits = .default) -> HTTPParseError.Code? {
    do throws(HTTPParseError) {
        _ = try parseResponse(text, limits: limits)
        return nil
    } catch {
        return error.code
    }
}

/// A body as it came out of a decoder.
struct DecodedBody: Hashable {
    var data: [UInt8] = []
    var trailers = HTTPFields()
    var isComplete = false
    /// What was fed and belongs to the next message.
    var leftOver: [UInt8] = []

    var text: String { String(decoding: data, as: UTF8.self) }
}

/// Decodes a body that arrives in the given pieces, dropping consumed bytes as a reader does.
func decodeBody(
    _ pieces: [[UInt8]], framing: BodyFraming = .chunked, limits: HTTPLimits = .default
) throws(HTTPParseError) -> DecodedBody {
    var decoder = try BodyDecoder(framing: framing, limits: limits)
    var body = DecodedBody()
    var buffer: [UInt8] = []
    for piece in pieces {
        buffer += piece
        var needsMore = false
        while !needsMore && !body.isComplete {
            switch try decoder.next(in: buffer) {
            case .data(let range):
                body.data += buffer[range]
                buffer.removeFirst(range.upperBound)
            case .incomplete(let consumed):
                buffer.removeFirst(consumed)
                needsMore = true
            case .end(let consumed):
                buffer.removeFirst(consumed)
                body.isComplete = true
            }
        }
    }
    body.trailers = decoder.trailers
    body.leftOver = buffer
    return body
}

/// Decodes a chunked body that is all there.
func decodeChunked(_ text: String, limits: HTTPLimits = .default) throws(HTTPParseError) -> DecodedBody {
    try decodeBody([Array(text.utf8)], limits: limits)
}

/// The code of the error that a chunked body is refused with, or `nil` if it is not.
func chunkedFault(_ text: String, limits: HTTPLimits = .default) -> HTTPParseError.Code? {
    do throws(HTTPParseError) {
        _ = try decodeChunked(text, limits: limits)
        return nil
    } catch {
        return error.code
    }
}

// A span cannot be taken of a temporary array inside an expression, hence these.

extension RequestHeadParser {
    mutating func parse(_ bytes: some Collection<UInt8>) throws(HTTPParseError) -> (head: RequestHead, byteCount: Int)?
    {
        let bytes = Array(bytes)
        return try parse(bytes.span)
    }
}

extension ResponseHeadParser {
    mutating func parse(_ bytes: some Collection<UInt8>) throws(HTTPParseError) -> (head: ResponseHead, byteCount: Int)?
    {
        let bytes = Array(bytes)
        return try parse(bytes.span)
    }
}

extension BodyDecoder {
    mutating func next(in bytes: some Collection<UInt8>) throws(HTTPParseError) -> BodyStep {
        let bytes = Array(bytes)
        return try next(in: bytes.span)
    }
}

extension [UInt8] {
    mutating func appendChunk(_ data: some Collection<UInt8>) {
        let data = Array(data)
        appendChunk(data.span)
    }
}
