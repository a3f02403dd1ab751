import HTTPTypes
import SwiftletHTTP
import Testing

@Suite("Request heads")
struct RequestHeadTests {
    @Test("A usual request")
    func usual() throws {
        let text = "GET /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nX-Empty:\r\n\r\nrest"
        let (head, byteCount) = try #require(try parseRequest(text))
        #expect(byteCount == text.utf8.count - 4)
        #expect(head.request.method == .get)
        #expect(head.request.path == "/a/b?c=d")
        #expect(head.request.authority == "example.com:8080")
        #expect(head.request.scheme == nil)
        #expect(head.request.headerFields == [.accept: "*/*", HTTPField.Name("X-Empty")!: ""])
        #expect(head.version == .http11)
        #expect(head.framing == .none)
        #expect(head.keepsAlive)
        #expect(!head.expectsContinue)
    }

    @Test("Field values lose the blanks around them and keep those inside, tabs and bytes beyond ASCII")
    func values() throws {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nX-A:  \t one \t two \t \r\nx-b:é\r\n\r\n"
        let (head, _) = try #require(try parseRequest(text))
        #expect(head.request.headerFields.map(\.value) == ["one \t two", "é"])
        #expect(head.request.headerFields.map(\.name.rawName) == ["X-A", "x-b"])

        var parser = RequestHeadParser()
        let latin1 = Array("GET / HTTP/1.0\r\nX-A: ".utf8) + [0xE9] + Array("\r\n\r\n".utf8)
        let head1 = try #require(try parser.parse(latin1)).head
        #expect(head1.request.headerFields[0].withUnsafeBytesOfValue { Array($0) } == [0xE9])
    }

    @Test("Repeated fields keep their order")
    func repeated() throws {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX-A: 1\r\nCookie: b=2\r\nX-A: 2\r\n\r\n"
        let (head, _) = try #require(try parseRequest(text))
        #expect(head.request.headerFields[.cookie] == "a=1; b=2")
        #expect(head.request.headerFields[values: HTTPField.Name("x-a")!] == ["1", "2"])
    }

    @Test(
        "An incomplete head asks for more",
        arguments: ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"])
    func incomplete(_ text: String) throws {
        #expect(try parseRequest(text) == nil)
    }

    @Test("One empty line before the request line is skipped, two are not")
    func emptyLine() throws {
        let (head, byteCount) = try #require(try parseRequest("\r\nGET / HTTP/1.0\r\n\r\n"))
        #expect(head.request.path == "/")
        #expect(byteCount == 20)
        #expect(requestFault("\r\n\r\nGET / HTTP/1.0\r\n\r\n") == .invalidStartLine)
    }

    @Test(
        "Malformed heads are refused",
        arguments: [
            // Line endings.
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", .invalidLineEnding),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", .invalidLineEnding),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", .invalidLineEnding),
            ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .invalidLineEnding),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", .invalidFieldValue),
            ("GET / HTTP/1.1\rHost: a\r\n\r\n", .invalidStartLine),
            ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .invalidFieldValue),
            // The request line.
            ("GET\r\n\r\n", .invalidStartLine),
            ("GET /\r\n\r\n", .invalidStartLine),
            ("GET  / HTTP/1.1\r\n\r\n", .invalidStartLine),
            ("GET / HTTP/1.1 \r\n\r\n", .invalidStartLine),
            ("GET /  HTTP/1.1\r\n\r\n", .invalidStartLine),
            ("GET / a HTTP/1.1\r\n\r\n", .invalidStartLine),
            (" GET / HTTP/1.1\r\n\r\n", .invalidMethod),
            ("GET\t/ HTTP/1.1\r\n\r\n", .invalidMethod),
            ("G(T / HTTP/1.1\r\n\r\n", .invalidMethod),
            ("GÉT / HTTP/1.1\r\n\r\n", .invalidMethod),
            ("GET / http/1.1\r\n\r\n", .invalidStartLine),
            ("GET / HTTP/1.1.1\r\n\r\n", .invalidStartLine),
            ("GET / HTTP/11\r\n\r\n", .invalidStartLine),
            ("GET / HTTP/1\r\n\r\n", .invalidStartLine),
            ("GET / FTP/1.1\r\n\r\n", .invalidStartLine),
            // Versions.
            ("GET / HTTP/1.2\r\n\r\n", .unsupportedVersion),
            ("GET / HTTP/0.9\r\n\r\n", .unsupportedVersion),
            ("GET / HTTP/2.0\r\n\r\n", .unsupportedVersion),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
            // Fields.
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", .foldedFieldLine),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", .foldedFieldLine),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .foldedFieldLine),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\nX(: a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\nÉ: a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", .invalidFieldName),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", .invalidFieldValue),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{1}b\r\n\r\n", .invalidFieldValue),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7F}b\r\n\r\n", .invalidFieldValue),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{B}a\r\n\r\n", .invalidFieldValue),
        ] as [(String, HTTPParseError.Code)])
    func malformed(_ text: String, _ code: HTTPParseError.Code) {
        #expect(requestFault(text) == code)
    }

    @Test(
        "Host is there once and is valid",
        arguments: [
            ("", .invalidHost),
            ("Host: a\r\nHost: a\r\n", .invalidHost),
            ("Host: a\r\nHOST: b\r\n", .invalidHost),
            ("Host: a b\r\n", .invalidHost),
            ("Host: a/b\r\n", .invalidHost),
            ("Host: u@a\r\n", .invalidHost),
            ("Host: a:b\r\n", .invalidHost),
            ("Host: a:65536\r\n", .invalidHost),
            ("Host: a:80:80\r\n", .invalidHost),
            ("Host: ::1\r\n", .invalidHost),
            ("Host: [::1\r\n", .invalidHost),
            ("Host: [1::2::3]\r\n", .invalidHost),
            ("Host: [::1]a\r\n", .invalidHost),
            ("Host: a%4\r\n", .invalidHost),
            ("Host: é\r\n", .invalidHost),
            ("Host: a\r\n", nil),
            ("Host:\r\n", nil),
            ("Host: a:\r\n", nil),
            ("Host: a_b.example:65535\r\n", nil),
            ("Host: 127.0.0.1:1\r\n", nil),
            ("Host: [::1]\r\n", nil),
            ("Host: [::ffff:1.2.3.4]:80\r\n", nil),
            ("Host: a%41\r\n", nil),
        ] as [(String, HTTPParseError.Code?)])
    func host(_ line: String, _ code: HTTPParseError.Code?) {
        #expect(requestFault("GET / HTTP/1.1\r\n\(line)\r\n") == code)
    }

    @Test("HTTP/1.0 needs no Host")
    func hostInOldVersion() throws {
        #expect(try #require(try parseRequest("GET / HTTP/1.0\r\n\r\n")).head.request.authority == nil)
        #expect(requestFault("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == .invalidHost)
    }

    @Test(
        "The four forms of a request target",
        arguments: [
            ("GET /", nil, "a", "/"),
            ("GET /a%20b?c|d\"{}", nil, "a", "/a%20b?c|d\"{}"),
            ("GET //x//y", nil, "a", "//x//y"),
            ("OPTIONS *", nil, "a", "*"),
            ("OPTIONS /x", nil, "a", "/x"),
            ("GET http://b:81/x?y", "http", "b:81", "/x?y"),
            ("GET HTTPS://b", "https", "b", "/"),
            ("GET http://b?q=/", "http", "b", "/?q=/"),
            ("OPTIONS http://b:81", "http", "b:81", "*"),
            ("OPTIONS http://b/", "http", "b", "/"),
            ("GET http://[::1]:8/", "http", "[::1]:8", "/"),
            ("CONNECT b:443", nil, "b:443", nil),
            ("CONNECT [::1]:443", nil, "[::1]:443", nil),
        ] as [(String, String?, String, String?)])
    func targets(_ start: String, _ scheme: String?, _ authority: String, _ path: String?) throws {
        let request = try #require(try parseRequest("\(start) HTTP/1.1\r\nHost: a\r\n\r\n")).head.request
        #expect(request.scheme == scheme)
        #expect(request.authority == authority)
        #expect(request.path == path)
    }

    @Test(
        "Other request targets are refused",
        arguments: [
            "GET *", "GET a", "GET a:80", "GET ?", "GET #", "GET /#a", "GET /\u{7F}", "GET /\0", "GET /é",
            "GET http:/b",
            "GET http://", "GET http:///x", "GET http://u@b/", "GET http://u:p@b/", "GET ftp://b/", "GET ://b/",
            "GET http://b:x/", "GET http://b b/", "CONNECT b", "CONNECT /", "CONNECT :443", "CONNECT b:", "CONNECT *",
            "CONNECT b:99999", "CONNECT http://b:443", "OPTIONS **", "POST *",
        ])
    func refusedTargets(_ start: String) {
        let code = requestFault("\(start) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(code == .invalidTarget || (start == "GET http://b b/" && code == .invalidStartLine))
    }

    @Test(
        "Where a request's body ends",
        arguments: [
            ("GET", "", .none),
            ("POST", "", .none),
            ("GET", "Content-Length: 0", .length(0)),
            ("POST", "Content-Length: 5", .length(5)),
            ("POST", "Content-Length: 0005", .length(5)),
            ("POST", "Content-Length: 9223372036854775807", .length(.max)),
            ("POST", "Transfer-Encoding: chunked", .chunked),
            ("POST", "transfer-encoding: CHUNKED", .chunked),
            ("CONNECT", "", .none),
            ("CONNECT", "Content-Length: 0", .none),
        ] as [(String, String, BodyFraming)])
    func framing(_ method: String, _ field: String, _ framing: BodyFraming) throws {
        let line = field.isEmpty ? "" : field + "\r\n"
        let target = method == "CONNECT" ? "a:1" : "/"
        let (head, _) = try #require(try parseRequest("\(method) \(target) HTTP/1.1\r\nHost: a\r\n\(line)\r\n"))
        #expect(head.framing == framing)
    }

    @Test(
        "Framing that two readers could understand differently is refused",
        arguments: [
            ("1.1", "Content-Length:", .invalidContentLength),
            ("1.1", "Content-Length: +5", .invalidContentLength),
            ("1.1", "Content-Length: -5", .invalidContentLength),
            ("1.1", "Content-Length: 0x5", .invalidContentLength),
            ("1.1", "Content-Length: 5 5", .invalidContentLength),
            ("1.1", "Content-Length: 5, 5", .invalidContentLength),
            ("1.1", "Content-Length: 5,", .invalidContentLength),
            ("1.1", "Content-Length: 5.0", .invalidContentLength),
            ("1.1", "Content-Length: ٥", .invalidContentLength),
            ("1.1", "Content-Length: 5\r\nContent-Length: 5", .invalidContentLength),
            ("1.1", "Content-Length: 5\r\ncontent-length: 6", .invalidContentLength),
            ("1.1", "Content-Length: 9223372036854775808", .bodyTooLong),
            ("1.1", "Content-Length: 99999999999999999999999", .bodyTooLong),
            ("1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked", .conflictingFraming),
            ("1.1", "Transfer-Encoding: chunked\r\nContent-Length: 0", .conflictingFraming),
            ("1.1", "Transfer-Encoding: gzip", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: identity", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: gzip, chunked", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: chunked, gzip", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: chunked, chunked", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: xchunked", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: \u{B}chunked", .invalidFieldValue),
            ("1.1", "Transfer-Encoding: chunked;q=1", .unsupportedTransferCoding),
            ("1.1", "Transfer-Encoding: chunked\t", .invalidFieldValue),
            ("1.1", "Transfer-Encoding:\tchunked", .invalidFieldValue),
            ("1.1", "Transfer-Encoding:", .unsupportedTransferCoding),
            ("1.0", "Transfer-Encoding: chunked", .conflictingFraming),
        ] as [(String, String, HTTPParseError.Code)])
    func refusedFraming(_ version: String, _ fields: String, _ code: HTTPParseError.Code) {
        #expect(requestFault("POST / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n\r\n") == code)
    }

    @Test("CONNECT with a body is refused", arguments: ["Content-Length: 1", "Transfer-Encoding: chunked"])
    func connectWithBody(_ field: String) {
        #expect(requestFault("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n") == .conflictingFraming)
    }

    @Test(
        "Whether the connection stays open",
        arguments: [
            ("1.1", "", true),
            ("1.1", "Connection: close", false),
            ("1.1", "Connection: Close", false),
            ("1.1", "Connection: keep-alive", true),
            ("1.1", "Connection: upgrade,\tclose , x", false),
            ("1.1", "Connection: upgrade\r\nConnection: close", false),
            ("1.1", "Connection: ,close", false),
            ("1.1", "Connection: x, close,", false),
            ("1.1", "Connection: ,", true),
            ("1.1", "Connection: closed", true),
            ("1.1", "Connection: clos", true),
            ("1.1", "Connection: clo se", true),
            ("1.1", "Connection: close, keep-alive", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive", true),
            ("1.0", "Connection: keep-alive, close", false),
            ("1.0", "Connection:", false),
        ])
    func keepAlive(_ version: String, _ fields: String, _ expected: Bool) throws {
        let lines = fields.isEmpty ? "" : fields + "\r\n"
        let (head, _) = try #require(try parseRequest("GET / HTTP/\(version)\r\nHost: a\r\n\(lines)\r\n"))
        #expect(head.keepsAlive == expected)
    }

    @Test("Expect: 100-continue counts only in HTTP/1.1 and with a body")
    func expectContinue() throws {
        func expects(_ version: String, _ length: Int) throws -> Bool {
            let text = "PUT / HTTP/\(version)\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: \(length)\r\n\r\n"
            return try #require(try parseRequest(text)).head.expectsContinue
        }
        #expect(try expects("1.1", 5))
        #expect(try !expects("1.1", 0))
        #expect(try !expects("1.0", 5))
    }

    @Test("A message says what was wrong and where")
    func messages() {
        func message(_ text: String) -> String? {
            do throws(HTTPParseError) {
                _ = try parseRequest(text)
                return nil
            } catch { return error.message }
        }
        #expect(message("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0\r\n") == "field line 2 (X-A) has byte 0x00 in its value")
        #expect(message("GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n") == "field line 2 has '(' in its field name")
        #expect(message("GET / HTTP/1.1\n")?.hasPrefix("the request line ends with a bare line feed") == true)
    }
}
