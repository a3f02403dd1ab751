import HTTPTypes
import SwiftletHTTP
import TestSupport
import Testing

/// Where the network cuts a message must never matter.
@Suite("Splits")
struct SplitTests {
    /// Feeds ever longer prefixes and returns the first outcome that is not "need more".
    private func parse<Head>(
        _ bytes: [UInt8], cuts: [Int],
        with parse: (ArraySlice<UInt8>) throws(HTTPParseError) -> (head: Head, byteCount: Int)?
    ) -> Result<(head: Head, byteCount: Int)?, HTTPParseError> {
        do throws(HTTPParseError) {
            for cut in cuts {
                if let result = try parse(bytes[..<cut]) { return .success(result) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    private func describe<Head: Hashable>(_ result: Result<(head: Head, byteCount: Int)?, HTTPParseError>) -> String {
        "\(result)"
    }

    private static var limits: HTTPLimits {
        var limits = HTTPLimits()
        limits.startLineLength = 60
        limits.fieldLineLength = 50
        limits.headLength = 160
        limits.fieldCount = 4
        limits.chunkSizeLineLength = 12
        limits.chunkExtensionsLength = 14
        limits.trailerLength = 30
        limits.bodyLength = 40
        return limits
    }

    private static let requestSamples = [
        "GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
        "\r\nPOST /path?query HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhelloGET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /" + String(repeating: "a", count: 46) + " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /" + String(repeating: "a", count: 47) + " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /" + String(repeating: "a", count: 100) + " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /" + String(repeating: "a", count: 55) + "\n",
        "GET /" + String(repeating: "a", count: 56) + "\n",
        "GET / HTTP/1.0\r\nA: " + String(repeating: "a", count: 47) + "\r\n\r\n",
        "GET / HTTP/1.0\r\nA: " + String(repeating: "a", count: 48) + "\r\n\r\n",
        "GET / HTTP/1.0\r\n" + String(repeating: "A: 1\r\n", count: 5) + "\r\n",
        "GET / HTTP/1.0\r\n" + String(repeating: "A: \(String(repeating: "a", count: 43))\r\n", count: 3) + "\r\n",
        "GET / HTTP/1.0\r\n" + String(repeating: "A: \(String(repeating: "a", count: 44))\r\n", count: 2)
            + "ABCDEFGHIJKL:\r\n",
        "GET / HTTP/1.0\r\n" + String(repeating: "A: \(String(repeating: "a", count: 40))\r\n", count: 3) + "Abcdef\n",
    ]

    @Test("Request heads: byte by byte and at each place", arguments: requestSamples)
    func requests(_ text: String) {
        let bytes = Array(text.utf8)
        var whole = RequestHeadParser(limits: Self.limits)
        let expected = describe(
            parse(bytes, cuts: [bytes.count]) { bytes throws(HTTPParseError) in try whole.parse(bytes) })
        var trickle = RequestHeadParser(limits: Self.limits)
        let byByte = parse(bytes, cuts: Array(0...bytes.count)) { bytes throws(HTTPParseError) in
            try trickle.parse(bytes)
        }
        #expect(describe(byByte) == expected)
        for cut in 0...bytes.count {
            var parser = RequestHeadParser(limits: Self.limits)
            let split = parse(bytes, cuts: [cut, bytes.count]) { bytes throws(HTTPParseError) in try parser.parse(bytes)
            }
            #expect(describe(split) == expected, "cut at \(cut)")
        }
    }

    private static let responseSamples = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
        "HTTP/1.0 404 Not Found\r\n\r\n",
        "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\nC : d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\n",
        "HTTP/1.1 200 " + String(repeating: "a", count: 48) + "\r\n\r\n",
    ]

    @Test("Response heads: byte by byte and at each place", arguments: responseSamples)
    func responses(_ text: String) {
        let bytes = Array(text.utf8)
        var whole = ResponseHeadParser(limits: Self.limits)
        let expected = describe(
            parse(bytes, cuts: [bytes.count]) { bytes throws(HTTPParseError) in try whole.parse(bytes) })
        var trickle = ResponseHeadParser(limits: Self.limits)
        let byByte = parse(bytes, cuts: Array(0...bytes.count)) { bytes throws(HTTPParseError) in
            try trickle.parse(bytes)
        }
        #expect(describe(byByte) == expected)
        for cut in 0...bytes.count {
            var parser = ResponseHeadParser(limits: Self.limits)
            let split = parse(bytes, cuts: [cut, bytes.count]) { bytes throws(HTTPParseError) in try parser.parse(bytes)
            }
            #expect(describe(split) == expected, "cut at \(cut)")
        }
    }

    private static let bodySamples = [
        "5\r\nhello\r\n7;a=\"b\"\r\n, world\r\n0\r\nA: b\r\nC: d\r\n\r\nHTTP/1.1 200 OK\r\n",
        "0\r\n\r\n",
        "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n00\r\n\r\n",
        "5\r\nhello\rX", "5\r\nhelloX", "5;a=b\n", "5\r\nhello\r\n5;\r\n", "0\r\nA : b\r\n\r\n",
        "123456789012\r\n", "1;3456789012\r\n", "1;34567890123\r\n", "1;34567890\r\na\r\n1;3456789\r\na\r\n",
        "14\r\n01234567890123456789\r\n14\r\n01234567890123456789\r\n1\r\n",
        "0\r\nA: 456789012345678901234567\r\n\r\n", "0\r\nA: 4567890123456789012345678\r\n\r\n",
        "0\r\nA: 45678901234567890123456\n\r\n", "0\r\nContent-Length: 4\r\n",
    ]

    private func decode(_ pieces: [[UInt8]]) -> Result<DecodedBody, HTTPParseError> {
        do throws(HTTPParseError) {
            var body = try decodeBody(pieces, limits: Self.limits)
            // What of an unfinished line is still in the buffer depends on nothing but what was fed.
            if !body.isComplete { body.leftOver = [] }
            return .success(body)
        } catch {
            return .failure(error)
        }
    }

    @Test("Chunked bodies: byte by byte, at each place and at each two places", arguments: bodySamples)
    func bodies(_ text: String) async {
        let bytes = Array(text.utf8)
        let expected = decode([bytes])
        #expect(decode(bytes.map { [$0] }) == expected)
        for cut in 0...bytes.count {
            await Task.yield()  // other tests need the few threads of Swift's pool
            for second in cut...bytes.count {
                let pieces = [Array(bytes[..<cut]), Array(bytes[cut..<second]), Array(bytes[second...])]
                #expect(decode(pieces) == expected, "cut at \(cut) and \(second)")
            }
        }
    }

    @Test("A slow trickle of a long head takes linear time")
    func trickle() throws {
        var limits = HTTPLimits()
        limits.fieldLineLength = 1 << 20
        limits.headLength = 1 << 20
        let bytes = Array("GET / HTTP/1.0\r\nA: \(String(repeating: "a", count: 300_000))\r\n\r\n".utf8)
        var parser = RequestHeadParser(limits: limits)
        var found = false
        // Quadratic, this would be 45 billion steps.
        for count in 0...bytes.count where try parser.parse(bytes.span.extracting(0..<count)) != nil { found = true }
        #expect(found)
    }
}
