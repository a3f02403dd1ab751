import HTTPTypes
import SwiftletHTTP
import SwiftletTesting
import Testing

@Suite("Serialization")
struct SerializationTests {
    private func write(
        _ request: HTTPRequest, version: HTTPVersion = .http11, form: RequestTargetForm = .origin
    ) throws(HTTPSerializationError) -> String {
        var bytes: [UInt8] = []
        try bytes.appendHead(of: request, version: version, form: form)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func fault(_ request: HTTPRequest, form: RequestTargetForm = .origin) -> HTTPSerializationError.Code? {
        var bytes = Array("before".utf8)
        do throws(HTTPSerializationError) {
            try bytes.appendHead(of: request, form: form)
            return nil
        } catch {
            #expect(bytes == Array("before".utf8), "a refused request leaves the buffer alone")
            return error.code
        }
    }

    @Test("Request heads in all forms")
    func requests() throws {
        let get = HTTPRequest(
            method: .get, scheme: "http", authority: "a.b:81", path: "/x?y",
            headerFields: [.accept: "*/*", .cookie: "c=d"])
        #expect(try write(get) == "GET /x?y HTTP/1.1\r\nHost: a.b:81\r\nAccept: */*\r\nCookie: c=d\r\n\r\n")
        #expect(try write(get, version: .http10).hasPrefix("GET /x?y HTTP/1.0\r\n"))
        #expect(try write(get, form: .absolute).hasPrefix("GET http://a.b:81/x?y HTTP/1.1\r\nHost: a.b:81\r\n"))
        let options = HTTPRequest(method: .options, scheme: "http", authority: "a", path: "*")
        #expect(try write(options) == "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try write(options, form: .absolute) == "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n")
        let connect = HTTPRequest(method: .connect, scheme: nil, authority: "[::1]:443", path: nil)
        #expect(try write(connect) == "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n")
        #expect(try write(connect, form: .absolute) == "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n")
    }

    @Test(
        "A path cannot smuggle anything in",
        arguments: [
            "", "x", "*", "/a b", "/a\r\nX: y", "/a\nX", "/a\0b", "/a\tb", "/é", "/#a", "/a HTTP/1.1", "/\u{7F}b",
        ])
    func paths(_ path: String) {
        #expect(fault(HTTPRequest(method: .get, scheme: "http", authority: "a", path: path)) == .invalidPath)
    }

    @Test(
        "Nor can an authority",
        arguments: ["a b", "a\r\nX: y", "a\n", "a/b", "u@a", "a:b", "a:99999", "[::1", "é", "a?b", "a#b"])
    func authorities(_ authority: String) throws {
        let request = HTTPRequest(method: .get, scheme: "http", authority: authority, path: "/")
        // HTTPTypes turns a final line feed into nothing, which is as good as refusing it.
        #expect(fault(request) == (authority == "a\n" ? nil : .invalidAuthority))
        #expect(try write(HTTPRequest(method: .get, scheme: nil, authority: "a\n", path: "/")).utf8.count == 27)
    }

    @Test("What else is refused")
    func refused() {
        #expect(fault(HTTPRequest(method: .get, scheme: "http", authority: nil, path: "/")) == .invalidAuthority)
        #expect(fault(HTTPRequest(method: .get, scheme: "http", authority: "a", path: nil)) == .invalidPath)
        #expect(fault(HTTPRequest(method: .connect, scheme: nil, authority: "a", path: nil)) == .invalidAuthority)
        #expect(fault(HTTPRequest(method: .connect, scheme: nil, authority: ":1", path: nil)) == .invalidAuthority)
        let ftp = HTTPRequest(method: .get, scheme: "ftp", authority: "a", path: "/")
        #expect(fault(ftp, form: .absolute) == .invalidScheme)
        let nowhere = HTTPRequest(method: .get, scheme: "http", authority: "", path: "/")
        #expect(fault(nowhere, form: .absolute) == .invalidAuthority)
        #expect(fault(nowhere) == nil)
        var twice = HTTPRequest(method: .get, scheme: "http", authority: "a", path: "/")
        twice.headerFields[HTTPField.Name("host")!] = "b"
        #expect(fault(twice) == .invalidAuthority)
    }

    @Test("Field values cannot either: HTTPTypes has made line endings and NUL blanks")
    func fields() throws {
        var request = HTTPRequest(method: .get, scheme: "http", authority: "a", path: "/")
        request.headerFields.append(HTTPField(name: .accept, value: "a\r\nX: y"))
        request.headerFields.append(HTTPField(name: .cookie, lenientValue: Array("a\r\nX: y\0z".utf8)))
        let text = try write(request)
        #expect(text == "GET / HTTP/1.1\r\nHost: a\r\nAccept: a  X: y\r\nCookie: a  X: y z\r\n\r\n")
    }

    @Test("Response heads")
    func responses() throws {
        var bytes: [UInt8] = []
        try bytes.appendHead(of: HTTPResponse(status: .notFound, headerFields: [.contentLength: "0"]))
        #expect(String(decoding: bytes, as: UTF8.self) == "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        bytes = []
        try bytes.appendHead(of: HTTPResponse(status: .init(code: 299)), version: .http10)
        #expect(String(decoding: bytes, as: UTF8.self) == "HTTP/1.0 299 \r\n\r\n")
        bytes = []
        try bytes.appendHead(of: HTTPResponse(status: .init(code: 200, reasonPhrase: "a\r\nX: é y ♥")))
        #expect(bytes.elementsEqual("HTTP/1.1 200 a  X: é y  \r\n\r\n".unicodeScalars.map { UInt8($0.value) }))
        bytes = []
        #expect(throws: HTTPSerializationError.self) { try bytes.appendHead(of: HTTPResponse(status: 42)) }
        #expect(bytes.isEmpty)
    }

    @Test("Chunks")
    func chunks() throws {
        var bytes: [UInt8] = []
        bytes.appendChunk(Array("hello, large world".utf8))
        bytes.appendChunk([])
        bytes.appendChunk(Array("!".utf8))
        bytes.appendLastChunk()
        #expect(String(decoding: bytes, as: UTF8.self) == "12\r\nhello, large world\r\n1\r\n!\r\n0\r\n\r\n")
        bytes = []
        bytes.appendLastChunk(trailers: [.acceptRanges: "none"])
        #expect(String(decoding: bytes, as: UTF8.self) == "0\r\nAccept-Ranges: none\r\n\r\n")
    }

    @Test("What is written is read back the same", arguments: [UInt64](1...50))
    func roundTrip(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        func text(_ alphabet: String, _ lengths: ClosedRange<Int>) -> String {
            let letters = Array(alphabet)
            return String(
                (0..<Int.random(in: lengths, using: &random)).map { _ in letters.randomElement(using: &random)! })
        }
        let token = "abcXYZ019!#$%&'*+-.^_`|~"
        var fields = HTTPFields()
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            // The prefix keeps it from being one of the fields with a meaning.
            fields.append(
                HTTPField(name: HTTPField.Name("x" + text(token, 1...30))!, value: text("ab \t,;=\"é✓", 0...40)))
        }
        let request = HTTPRequest(
            method: HTTPRequest.Method(text(token, 1...10))!, scheme: nil, authority: "example.com",
            path: "/" + text("abc/?%&=[]{}|\\^\"<>", 0...50), headerFields: fields)
        var bytes: [UInt8] = []
        try bytes.appendHead(of: request)
        var parser = RequestHeadParser()
        let (head, byteCount) = try #require(try parser.parse(bytes))
        #expect(byteCount == bytes.count)
        #expect(head.request == request)
        #expect(head.request.headerFields.map(\.name.rawName) == fields.map(\.name.rawName))

        let data = (0..<Int.random(in: 0...2000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        var body: [UInt8] = []
        var rest = data[...]
        while !rest.isEmpty {
            let size = min(rest.count, Int.random(in: 1...300, using: &random))
            body.appendChunk(rest.prefix(size))
            rest = rest.dropFirst(size)
        }
        body.appendLastChunk(trailers: fields)
        let decoded = try decodeBody([body])
        #expect(decoded.isComplete)
        #expect(decoded.data == data)
        #expect(decoded.trailers == fields)
    }
}
