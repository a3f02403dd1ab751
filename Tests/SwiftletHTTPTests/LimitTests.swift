import HTTPTypes
import SwiftletHTTP
import Testing

@Suite("Limits")
struct LimitTests {
    private var small: HTTPLimits {
        var limits = HTTPLimits()
        limits.startLineLength = 20
        limits.fieldLineLength = 12
        limits.fieldCount = 3
        limits.headLength = 64
        limits.bodyLength = 10
        limits.chunkSizeLineLength = 8
        limits.chunkExtensionsLength = 9
        limits.trailerFieldCount = 2
        limits.trailerLength = 20
        return limits
    }

    @Test("The request line may be as long as the limit and no longer")
    func startLine() {
        #expect(requestFault("GET /aaaaaa HTTP/1.0\r\n\r\n", limits: small) == nil)
        #expect(requestFault("GET /aaaaaaa HTTP/1.0\r\n\r\n", limits: small) == .startLineTooLong)
        #expect(responseFault("HTTP/1.1 200 aaaaaaa\r\n\r\n", limits: small) == nil)
        #expect(responseFault("HTTP/1.1 200 aaaaaaaa\r\n\r\n", limits: small) == .startLineTooLong)
    }

    @Test("A line that is too long is refused before it ends")
    func unfinishedLine() {
        #expect(requestFault("GET /aaaaaaaaaaaaaaa", limits: small) == nil)
        #expect(requestFault("GET /aaaaaaaaaaaaaaa\r", limits: small) == nil)
        #expect(requestFault("GET /aaaaaaaaaaaaaaaa", limits: small) == .startLineTooLong)
        #expect(requestFault("GET / HTTP/1.0\r\nA: 456789012", limits: small) == nil)
        #expect(requestFault("GET / HTTP/1.0\r\nA: 4567890123", limits: small) == .fieldLineTooLong)
        #expect(chunkedFault("1;aaaaaa", limits: small) == nil)
        #expect(chunkedFault("1;aaaaaaa", limits: small) == .invalidChunk)
    }

    @Test("Field lines")
    func fieldLine() {
        #expect(requestFault("GET / HTTP/1.0\r\nA: 456789012\r\n\r\n", limits: small) == nil)
        #expect(requestFault("GET / HTTP/1.0\r\nA: 4567890123\r\n\r\n", limits: small) == .fieldLineTooLong)
    }

    @Test("The number of fields")
    func fieldCount() {
        #expect(requestFault("GET / HTTP/1.0\r\nA:\r\nHost: a\r\nB:\r\n\r\n", limits: small) == nil)
        #expect(requestFault("GET / HTTP/1.0\r\nA:\r\nHost: a\r\nB:\r\nC:\r\n\r\n", limits: small) == .tooManyFields)
        #expect(responseFault("HTTP/1.0 200 \r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n", limits: small) == .tooManyFields)
    }

    @Test("The whole head")
    func head() {
        let start = "GET /aaaaaa HTTP/1.0\r\nA: 456789012\r\nA: 456789012\r\nA: "
        #expect(start.utf8.count == 22 + 14 + 14 + 3)
        #expect(requestFault(start + "4567890\r\n\r\n", limits: small) == nil)
        #expect(requestFault(start + "45678901\r\n\r\n", limits: small) == .headTooLong)
        var smaller = small
        smaller.headLength = 62
        #expect(requestFault(start + "4567890", limits: smaller) == nil)
        #expect(requestFault(start + "4567890\r\n", limits: smaller) == .headTooLong)
        #expect(requestFault(start + "45678901", limits: smaller) == .headTooLong)
        #expect(requestFault(start + "4567890\r\n\r\n" + String(repeating: "x", count: 100), limits: small) == nil)
    }

    @Test("A limit beyond what HTTPFields holds cannot make it trap")
    func manyFields() {
        var limits = HTTPLimits()
        limits.fieldCount = .max
        limits.headLength = .max
        limits.fieldLineLength = .max
        limits.startLineLength = .max
        let text = "GET / HTTP/1.0\r\n" + String(repeating: "A:\r\n", count: 70_000) + "\r\n"
        #expect(requestFault(text, limits: limits) == .tooManyFields)
    }

    @Test("Limits of nothing refuse everything and never trap")
    func zeroLimits() {
        var limits = HTTPLimits()
        limits.fieldCount = 0
        limits.headLength = 0
        limits.fieldLineLength = 0
        limits.startLineLength = 0
        limits.trailerLength = 0
        limits.chunkSizeLineLength = 0
        limits.bodyLength = 0
        #expect(requestFault("GET / HTTP/1.0\r\n\r\n", limits: limits) == .headTooLong)
        #expect(chunkedFault("0\r\n\r\n", limits: limits) == .invalidChunk)
        limits.chunkSizeLineLength = 10
        #expect(chunkedFault("0\r\n\r\n", limits: limits) == .headTooLong)
        #expect(chunkedFault("1\r\n", limits: limits) == .bodyTooLong)
    }

    @Test("The body's length, in every framing")
    func body() throws {
        let ten = Array("0123456789".utf8)
        #expect(try decodeBody([ten], framing: .length(10), limits: small).data == ten)
        #expect(throws: HTTPParseError.self) { try BodyDecoder(framing: .length(11), limits: self.small) }
        #expect(try decodeBody([ten], framing: .untilClose, limits: small).data == ten)
        #expect(throws: HTTPParseError.self) {
            try decodeBody([ten, [0]], framing: .untilClose, limits: self.small)
        }
        #expect(chunkedFault("5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n", limits: small) == nil)
        // Refused from the size alone, before any of the data.
        #expect(chunkedFault("5\r\n01234\r\n6\r\n", limits: small) == .bodyTooLong)
        #expect(chunkedFault("b\r\n", limits: small) == .bodyTooLong)
    }

    @Test("Chunk extensions, each and together")
    func extensions() {
        #expect(chunkedFault("1;a=b\r\n0\r\n1;a=b\r\n0\r\n0\r\n\r\n", limits: small) == nil)
        #expect(chunkedFault("1;a=b\r\n0\r\n1;a=b\r\n0\r\n1;a\r\n", limits: small) == .invalidChunk)
    }

    @Test("Trailers")
    func trailers() {
        #expect(chunkedFault("0\r\nA: 1\r\nB: 2\r\n\r\n", limits: small) == nil)
        #expect(chunkedFault("0\r\nA:\r\nB:\r\nC:\r\n\r\n", limits: small) == .tooManyFields)
        #expect(chunkedFault("0\r\nA: 45678\r\nA: 4567\r\n\r\n", limits: small) == .headTooLong)
        #expect(chunkedFault("0\r\nA: 4567890123\r\n\r\n", limits: small) == .fieldLineTooLong)
    }

    @Test(
        "The status that a server answers with",
        arguments: [
            (.startLineTooLong, 414), (.fieldLineTooLong, 431), (.headTooLong, 431), (.tooManyFields, 431),
            (.bodyTooLong, 413), (.unsupportedTransferCoding, 501), (.unsupportedVersion, 505), (.invalidHost, 400),
            (.conflictingFraming, 400), (.invalidLineEnding, 400),
        ] as [(HTTPParseError.Code, Int)])
    func status(_ code: HTTPParseError.Code, _ status: Int) throws {
        let texts = [
            "GET /aaaaaaaaaaaaaaaaaaaaaaaaaa", "GET / HTTP/1.1\r\nA: 4567890123",
            "GET /aaaaaa HTTP/1.0\r\nA: 456789012\r\nA: 456789012\r\nA: 456789012\r\n",
            "GET / HTTP/1.0\r\nA:\r\nA:\r\nA:\r\nA:\r\n", "GET / HTTP/1.1\r\nHost:\r\nTE:\r\n",
        ]
        var errors: [HTTPParseError] = []
        for text in texts {
            do throws(HTTPParseError) { _ = try parseRequest(text, limits: small) } catch { errors.append(error) }
        }
        for text in [
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "GET / HTTP/3.0\r\n",
            "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        ] {
            do throws(HTTPParseError) { _ = try parseRequest(text) } catch { errors.append(error) }
        }
        let error = try #require(errors.first { $0.code == code })
        #expect(error.responseStatus.code == status)
        #expect(!error.message.isEmpty)
    }
}
