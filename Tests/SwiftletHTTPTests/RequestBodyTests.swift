import Glibc
import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct RequestBodyTests {
    private struct Order: Codable, Equatable {
        var name: String
        var count: Int
    }

    /// Runs the body with a client and a server that answers with the request's type and body.
    private func withEcho(_ body: @escaping @Sendable (HTTPClient, String) throws -> Void) async throws {
        try await onLoop {
            let routes = { (server: HTTPServer) in
                server.fallback { request in
                    HTTPServerResponse(
                        headers: [
                            .eTag: request.headers[.contentLength] ?? request.headers[.transferEncoding] ?? "none"
                        ], bytes: try request.bytes(limit: 10_000_000),
                        contentType: request.headers[.contentType] ?? "none")
                }
            }
            try withServer(routes) { _, url throws in
                try HTTPClient.with { client throws in
                    try body(client, url)
                    #expect(client.pool.counts.used == 0)
                }
            }
        }
    }

    @Test func jsonBothWays() async throws {
        try await withEcho { client, url throws in
            let order = Order(name: "ü", count: 3)
            let response = try client.post(url, body: .json(order))
            #expect(response.headers[.contentType] == "application/json")
            #expect(try response.json() == order)
            let text = try client.post(url, body: .text("[1]"))
            let error = try failure(HTTPContentTypeError.self) { try text.json([Int].self) }
            #expect(error.description.contains("text/plain; charset=utf-8, not JSON"))
            #expect(try text.json([Int].self, checksContentType: false) == [1])
            #expect(throws: DecodingError.self) { try response.json([Int].self) }
            let problem = try client.post(url, body: .bytes(Array("[2]".utf8), contentType: "application/problem+json"))
            #expect(try problem.json([Int].self) == [2])
        }
    }

    @Test func formsAndParameters() async throws {
        try await withEcho { client, url throws in
            let odd: HTTPParameters = ["a b": "c&d=e", "a b": "ü%41+", "": ""]
            let form = try client.post(url, body: .form(odd))
            #expect(form.text == "a+b=c%26d%3De&a+b=%C3%BC%2541%2B&=")
            #expect(form.headers[.contentType] == "application/x-www-form-urlencoded")
            let query = try client.get(url + "/path?x=1#f", parameters: odd)
            #expect(query.url.query == "x=1&a%20b=c%26d%3De&a%20b=%C3%BC%2541%2B&=")
            #expect(HTTPParameters(["b": "2", "a": "1"]).query == "a=1&b=2")
            // Its own type stands.
            let typed = try client.post(url, body: .form(["a": "b"]), headers: [.contentType: "x/y"])
            #expect(typed.headers[.contentType] == "x/y")
        }
    }

    @Test func multipart() async throws {
        let path = "/tmp/swiftlet-upload-\(getpid()).bin"
        defer { unlink(path) }
        let content = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let file = try #require(fopen(path, "w"))
        fwrite(content, 1, content.count, file)
        fclose(file)
        try await withEcho { client, url throws in
            var form = MultipartForm()
            form.append("ti\"tle", "Ünïcode")
            form.append("data", bytes: [1, 2, 3], fileName: "a\"b.bin")
            try form.appendFile("file", path: path, contentType: "image/png")
            let response = try client.post(url, body: .multipart(form))
            let begin = "--\(form.boundary)\r\nContent-Disposition: form-data; name=\""
            let expected =
                Array("\(begin)ti%22tle\"\r\n\r\nÜnïcode\r\n".utf8)
                + Array("\(begin)data\"; filename=\"a%22b.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n".utf8)
                + [1, 2, 3]
                + Array("\r\n\(begin)file\"; filename=\"\(path.dropFirst(5))\"\r\nContent-Type: image/png\r\n\r\n".utf8)
                + content + Array("\r\n--\(form.boundary)--\r\n".utf8)
            #expect(response.bytes == expected)
            #expect(response.headers[.eTag] == "\(expected.count)")
            #expect(response.headers[.contentType] == "multipart/form-data; boundary=\(form.boundary)")

            let whole = try client.put(url, body: .file(path))
            #expect(whole.bytes == content)
            #expect(throws: HTTPFileError.self) { try HTTPRequestBody.file(path + ".none") }
            #expect(throws: HTTPFileError.self) { try HTTPRequestBody.file("/dev/null") }
            for name in ["a\r\nX: y", "a\nb", "\u{0}"] {
                var bad = MultipartForm()
                bad.append(name, "x")
                #expect(throws: MultipartFormError.self) { try HTTPRequestBody.multipart(bad) }
                bad = MultipartForm()
                bad.append("x", bytes: [], fileName: name)
                #expect(throws: MultipartFormError.self) { try HTTPRequestBody.multipart(bad) }
                bad = MultipartForm()
                bad.append("x", bytes: [], contentType: name)
                #expect(throws: MultipartFormError.self) { try HTTPRequestBody.multipart(bad) }
            }
        }
    }

    @Test func streams() async throws {
        try await withEcho { client, url throws in
            let pieces = (0..<50).map { [UInt8](repeating: UInt8($0), count: $0 * 100) }
            let all = pieces.flatMap { $0 }
            let chunked = try client.post(url, body: .sequence(pieces))
            #expect(chunked.bytes == all)
            #expect(chunked.headers[.eTag] == "chunked")
            let sized = try client.post(url, body: .sequence(pieces, length: all.count))
            #expect(sized.bytes == all)
            #expect(sized.headers[.eTag] == "\(all.count)")
            let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
            for piece in pieces { continuation.yield(piece) }
            continuation.finish()
            #expect(try client.post(url, body: .sequence(stream)).bytes == all)
            #expect(try client.post(url, body: .stream { _ in }).bytes.isEmpty)

            // A body that breaks its promise, or fails, takes its connection along.
            let long = try failure(HTTPClientError.self) {
                try client.post(url, body: .stream(length: 3) { try $0.write("four") })
            }
            #expect(long.cause as? HTTPBodyLengthError == .tooLong(announced: 3))
            let short = try failure(HTTPClientError.self) {
                try client.post(url, body: .stream(length: 3) { try $0.write("ab") })
            }
            #expect(short.cause as? HTTPBodyLengthError == .tooShort(announced: 3, sent: 2))
            struct Failure: Error {}
            let failed = try failure(HTTPClientError.self) {
                try client.post(url, body: .stream { _ in throw Failure() })
            }
            #expect(failed.cause is Failure)
            #expect(client.pool.counts == (0, 0, 0))
        }
    }

    @Test func asksBeforeItSends() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([
                ["HTTP/1.1 100 Continue\r\n\r\n"], [answer("no", status: "413 Content Too Large")],
                ["HTTP/1.1 102 Processing\r\n\r\n" + answer("done")],
            ])
            try HTTPClient.with(configured { $0.continueTimeout = .seconds(20) }) { client throws in
                var produced = 0
                let counter = Mutex(0)
                var request = HTTPClientRequest(method: .put, url: try HTTPURL(server.url))
                request.expectsContinue = true
                request.timeout = .seconds(20)
                request.body = .stream(length: 4) { writer in
                    counter.withLock { $0 += 1 }
                    try writer.write("body")
                }
                // The script ends after its 100, so that the body is all that comes.
                let ended = try failure(HTTPClientError.self) { try client.send(request) }
                #expect(ended.phase == .readHead || ended.phase == .write)
                produced = counter.withLock { $0 }
                #expect(produced == 1)
                #expect(try client.send(request).status == .contentTooLarge)
                #expect(try client.send(request).text == "done")
                #expect(counter.withLock { $0 } == 1)
                #expect(client.pool.counts == (0, 0, 0))
                #expect(server.requests.withLock { $0[0] }.contains("\r\nExpect: 100-continue\r\n"))
            }
        }
    }

    @Test func aServerThatNeverAgreesGetsTheBody() async throws {
        try await withEcho { client, url throws in
            let listener = try TCPListener()
            let got = spawn { () throws -> String in
                let connection = try listener.accept()
                var text = ""
                while !text.hasSuffix("body") {
                    text += String(decoding: try connection.read(upTo: 100), as: UTF8.self)
                }
                try connection.write(answer("late"))
                return text
            }
            try HTTPClient.with(configured { $0.continueTimeout = .milliseconds(20) }) { patient throws in
                var request = HTTPClientRequest(
                    method: .put, url: try HTTPURL("http://127.0.0.1:\(listener.port)/"), body: .text("body"))
                request.expectsContinue = true
                #expect(try patient.send(request).text == "late")
                #expect(patient.pool.counts == (0, 1, 0))
            }
            #expect(try got.get().contains("Expect"))
            #expect(try client.get(url).status == .ok)
        }
    }

    @Test func anEarlyRefusalIsTheAnswer() async throws {
        try await onLoop {
            let listener = try TCPListener()
            // It reads the head, answers, and reads no more; then it reads what may still come, or closes.
            spawn {
                for round in 0..<4 {
                    let connection = try listener.accept()
                    _ = try connection.read(upTo: 10_000)
                    try connection.write(
                        answer("too much", status: "413 Content Too Large", fields: "Connection: close\r\n"))
                    if round.isMultiple(of: 2) {
                        connection.close()
                    } else {
                        spawn {
                            defer { connection.close() }
                            while try !connection.read(upTo: 100_000).isEmpty {}
                        }
                    }
                }
            }
            try HTTPClient.with { client throws in
                let url = "http://127.0.0.1:\(listener.port)/"
                let endless = HTTPRequestBody.stream { writer in
                    while true { try writer.write([UInt8](repeating: 1, count: 100_000)) }
                }
                let large = HTTPRequestBody.bytes([UInt8](repeating: 1, count: 50_000_000))
                for body in [endless, endless, large, large] {
                    do {
                        let response = try client.post(url, body: body, timeout: .seconds(20))
                        #expect(response.status == .contentTooLarge)
                    } catch let error as HTTPClientError {
                        // The kernel drops an answer that came before a reset: then there is none to be had.
                        #expect((error.cause as? SocketError)?.isDisconnection == true, "\(error)")
                    }
                }
                #expect(client.pool.counts == (0, 0, 0))
            }
        }
    }

    @Test func nothingBreaksOutOfItsLine() async throws {
        try await withEcho { client, url throws in
            for value in ["a\r\nX: y", "a\nb", "a\u{0}b"] {
                var typed = HTTPRequestBody.text("x")
                typed.contentType = value
                let error = try failure(HTTPClientError.self) { try client.post(url, body: typed) }
                #expect(error.cause as? HTTPRequestFault == .invalidFieldValue("Content-Type: "))
                try HTTPClient.with(configured { $0.userAgent = value }) { client throws in
                    _ = try failure(HTTPClientError.self) { try client.get(url) }
                }
                var request = HTTPClientRequest(url: try HTTPURL(url))
                request.authentication = .bearer(value)
                #expect(throws: HTTPClientError.self) { try client.send(request) }
                let path = try client.get(url + "/" + value, parameters: ["a": value])
                #expect(!path.url.description.utf8.contains { $0 < 0x21 })
                #expect(throws: HTTPURLError.self) { try client.get("http://exa\(value)mple.com/") }
                // HTTPTypes makes blanks of them before we see them.
                let field = HTTPField(name: .accept, value: value)
                #expect(!field.value.utf8.contains { $0 < 0x20 })
            }
            var connect = HTTPClientRequest(method: .connect, url: try HTTPURL(url))
            connect.timeout = .seconds(5)
            let error = try failure(HTTPClientError.self) { try client.send(connect) }
            #expect(error.cause as? HTTPRequestFault == .isConnect)
        }
    }
}
