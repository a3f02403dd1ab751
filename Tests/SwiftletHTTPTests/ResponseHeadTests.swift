import HTTPTypes
import SwiftletHTTP
import Testing

@Suite("Response heads")
struct ResponseHeadTests {
    @Test("A usual response")
    func usual() throws {
        let text = "HTTP/1.1 200 All is well\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
        let (head, byteCount) = try #require(try parseResponse(text))
        #expect(byteCount == text.utf8.count - 2)
        #expect(head.response.status == .ok)
        #expect(head.response.status.reasonPhrase == "All is well")
        #expect(head.response.headerFields[.contentType] == "text/plain")
        #expect(head.framing(forRequestMethod: .get) == .length(2))
        #expect(head.keepsAlive(forRequestMethod: .get))
        #expect(!head.isInterim)
    }

    @Test(
        "Reason phrases",
        arguments: [
            ("HTTP/1.1 200 ", ""), ("HTTP/1.1 200", ""), ("HTTP/1.0 404 a\tb  c", "a\tb  c"), ("HTTP/1.1 999 x", "x"),
        ])
    func phrases(_ line: String, _ phrase: String) throws {
        let (head, _) = try #require(try parseResponse("\(line)\r\n\r\n"))
        #expect(head.response.status.reasonPhrase == phrase)
    }

    @Test("A reason phrase is ISO Latin 1")
    func latin1() throws {
        var parser = ResponseHeadParser()
        let bytes = Array("HTTP/1.1 200 d".utf8) + [0xE9] + Array("j\r\n\r\n".utf8)
        let (head, _) = try #require(try parser.parse(bytes))
        #expect(head.response.status.reasonPhrase == "déj")
        var written: [UInt8] = []
        try written.appendHead(of: head.response)
        #expect(written == bytes)
    }

    @Test(
        "Malformed responses are refused",
        arguments: [
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 200 OK\n\r\n", .invalidLineEnding),
            ("HTTP/1.1  200 OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 20 OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 099 OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 -20 OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 200OK\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 \r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 200 O\0K\r\n\r\n", .invalidStartLine),
            ("HTTP/1.1 200 O\rK\r\n\r\n", .invalidStartLine),
            ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
            ("HTTP/2 200 OK\r\n\r\n", .invalidStartLine),
            ("ICY 200 OK\r\n\r\n", .invalidStartLine),
            ("<html>\r\n", .invalidStartLine),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", .invalidFieldName),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .foldedFieldLine),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", .invalidContentLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .invalidContentLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", .conflictingFraming),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .conflictingFraming),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\t\r\n\r\n", .invalidFieldValue),
        ] as [(String, HTTPParseError.Code)])
    func malformed(_ text: String, _ code: HTTPParseError.Code) {
        #expect(responseFault(text) == code)
    }

    @Test(
        "Where a response's body ends, and whether the connection goes on",
        arguments: [
            ("GET", 200, "Content-Length: 5", .length(5), true),
            ("GET", 200, "Transfer-Encoding: chunked", .chunked, true),
            ("GET", 200, "Connection: keep-alive", .untilClose, false),
            ("GET", 200, "Content-Length: 5\r\nConnection: close", .length(5), false),
            ("GET", 404, "Content-Length: 0", .length(0), true),
            ("HEAD", 200, "Content-Length: 5", .none, true),
            ("HEAD", 200, "Transfer-Encoding: chunked", .none, true),
            ("HEAD", 200, "X: y", .none, true),
            ("GET", 204, "Content-Length: 5", .none, true),
            ("GET", 304, "Content-Length: 5", .none, true),
            ("GET", 205, "Content-Length: 0", .length(0), true),
            ("GET", 100, "X: y", .none, true),
            ("GET", 103, "Content-Length: 5", .none, true),
            ("GET", 101, "Upgrade: websocket", .none, false),
            ("CONNECT", 200, "Content-Length: 5", .none, false),
            ("CONNECT", 299, "Transfer-Encoding: chunked", .none, false),
            ("CONNECT", 407, "Content-Length: 5", .length(5), true),
            ("CONNECT", 502, "X: y", .untilClose, false),
        ] as [(String, Int, String, BodyFraming, Bool)])
    func framing(_ method: String, _ code: Int, _ field: String, _ framing: BodyFraming, _ keepsAlive: Bool) throws {
        let method = try #require(HTTPRequest.Method(method))
        let (head, _) = try #require(try parseResponse("HTTP/1.1 \(code) x\r\n\(field)\r\n\r\n"))
        #expect(head.framing(forRequestMethod: method) == framing)
        #expect(head.keepsAlive(forRequestMethod: method) == keepsAlive)
    }

    @Test("HTTP/1.0 closes unless it says otherwise")
    func oldVersion() throws {
        let closing = try #require(try parseResponse("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n")).head
        #expect(!closing.keepsAlive(forRequestMethod: .get))
        let staying = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"
        #expect(try #require(try parseResponse(staying)).head.keepsAlive(forRequestMethod: .get))
    }

    @Test("Interim responses", arguments: [(100, true), (103, true), (101, false), (200, false)])
    func interim(_ code: Int, _ expected: Bool) throws {
        #expect(try #require(try parseResponse("HTTP/1.1 \(code) x\r\n\r\n")).head.isInterim == expected)
    }
}
