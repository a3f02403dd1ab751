import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct StreamedResponseTests {
    @Test func comesPieceByPiece() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let goOn = Waiter<Void>()
            spawn {
                let connection = try listener.accept()
                _ = try connection.read(upTo: 10_000)
                try connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nfirst\r\n")
                _ = try goOn.wait()
                try connection.write("6\r\nsecond\r\n0\r\n\r\n")
                _ = try connection.read(upTo: 1)
            }
            try HTTPClient.with { client throws in
                try client.withResponse(to: "http://127.0.0.1:\(listener.port)/") { response throws in
                    #expect(response.headers[HTTPField.Name("X-A")!] == "b")
                    #expect(response.isSuccessful && response.status == .ok)
                    #expect(try response.body.next() == Array("first".utf8))
                    // The rest has not even been sent.
                    #expect(client.pool.counts == (1, 0, 0))
                    goOn.resume(returning: ())
                    #expect(try response.body.next() == Array("second".utf8))
                    #expect(try response.body.next() == nil)
                    // At its end the connection is free, though the scope has not ended.
                    #expect(client.pool.counts == (0, 1, 0))
                    #expect(try response.body.next() == nil)
                    #expect(response.body.receivedBytes == 11)
                }
            }
        }
    }

    @Test func delimitersAndExactAmounts() async throws {
        try await onLoop {
            let inBytes =
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "one--two--three".map { "1\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
            let server = try ScriptedServer()
            server.play([[inBytes, answer("one--two--three"), inBytes, answer("one--two--three")]])
            try HTTPClient.with { client throws in
                for _ in 0..<2 {
                    try client.withResponse(to: server.url) { response throws in
                        let body = response.body
                        #expect(try body.read(until: Array("--".utf8)) == Array("one".utf8))
                        #expect(try body.readExactly(3) == Array("two".utf8))
                        #expect(try !body.hasEnded())
                        #expect(try body.read(until: Array("--".utf8), limit: 0).isEmpty)
                        #expect(try failure(HTTPBodyEndedError.self) { try body.readExactly(6) }.receivedBytes == 5)
                        #expect(try body.hasEnded())
                        #expect(throws: HTTPBodyEndedError.self) { try body.read(until: [0]) }
                    }
                }
                for _ in 0..<2 {
                    try client.withResponse(to: server.url) { response throws in
                        let error = try failure(HTTPLineTooLongError.self) {
                            try response.body.read(until: Array("thr".utf8), limit: 3)
                        }
                        #expect(error.limit == 3)
                    }
                }
            }
        }
    }

    @Test func partsOfAMultipartAnswer() async throws {
        try await onLoop {
            let body =
                "--b\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--b\r\nContent-Type: text/plain\r\n\r\ncd\r\n--b--\r\n"
            let server = try ScriptedServer()
            server.play([
                [
                    answer(
                        body, status: "206 Partial Content",
                        fields: "Content-Type: multipart/byteranges; boundary=b\r\n"),
                    answer("plain"),
                ]
            ])
            try HTTPClient.with { client throws in
                try client.withResponse(to: server.url) { response throws in
                    let parts = try response.multipart()
                    let first = try #require(try parts.next())
                    #expect(first.headers[.contentRange] == "bytes 0-1/9")
                    #expect(try first.bytes() == Array("ab".utf8))
                    let second = try #require(try parts.next())
                    #expect(second.contentType == "text/plain")
                    #expect(try second.next() == Array("cd".utf8))
                    #expect(try parts.next() == nil)
                }
                try client.withResponse(to: server.url) { response throws in
                    #expect(response.isSuccessful)
                    #expect(throws: HTTPParseError.self) { _ = try response.multipart() }
                }
                #expect(client.statistics.openedConnections == 1)
            }
        }
    }

    @Test func linesAndAmounts() async throws {
        try await onLoop {
            let text = "one\r\ntwo\n\nfour is longer\nlast"
            let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            let pieces = text.map { "1\r\n\($0)\r\n" }
            let server = try ScriptedServer()
            let inBytes = chunked + text.utf8.map { "1\r\n\(Character(Unicode.Scalar($0)))\r\n" }.joined() + "0\r\n\r\n"
            #expect(!pieces.isEmpty)
            server.play([[answer(text), inBytes, answer(text), answer(text), answer(text)]])
            try HTTPClient.with { client throws in
                for _ in 0..<2 {
                    try client.withResponse(to: server.url) { response throws in
                        var lines: [String] = []
                        while let line = try response.body.readLine() { lines.append(line) }
                        #expect(lines == ["one", "two", "", "four is longer", "last"])
                    }
                }
                try client.withResponse(to: server.url) { response throws in
                    #expect(try response.body.read(5) == Array("one\r\n".utf8))
                    #expect(try response.body.read(0).isEmpty)
                    #expect(try response.body.readLine() == "two")
                    #expect(throws: HTTPLineTooLongError(limit: 3)) {
                        _ = try response.body.readLine()
                        _ = try response.body.readLine(limit: 3)
                    }
                }
                try client.withResponse(to: server.url) { response throws in
                    #expect(try response.body.read(1000) == Array(text.utf8))
                    #expect(try response.body.read(1000).isEmpty)
                }
                #expect(try client.withResponse(to: server.url) { try $0.collect().text } == text)
                #expect(client.pool.counts == (0, 1, 0))
                #expect(client.statistics.openedConnections == 1)
            }
        }
    }

    @Test func whatIsLeftDecidesAboutTheConnection() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            let small = answer(String(repeating: "x", count: 1000))
            let large = answer(String(repeating: "x", count: 3_000_000))
            server.play([[small, small, large], [small, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", ""]])
            try HTTPClient.with { client throws in
                let url = server.url
                // Small rests that have come are read away: the connection is used again.
                for _ in 0..<2 {
                    try client.withResponse(to: url) { response throws in #expect(response.status == .ok) }
                    #expect(client.pool.counts == (0, 1, 0))
                }
                // A large rest is not worth it.
                try client.withResponse(to: url) { response throws in
                    #expect(try response.body.next()?.isEmpty == false)
                }
                #expect(client.pool.counts == (0, 0, 0))
                // A rest that does not come is not waited for.
                try client.withResponse(to: url) { response throws in _ = try response.body.next() }
                #expect(client.pool.counts == (0, 1, 0))
                let unfinished = try client.withResponse(to: url) { response throws in
                    _ = try response.body.next()
                    return response
                }
                #expect(client.pool.counts == (0, 0, 0))
                // What has left its scope says so.
                #expect(try unfinished.body.next() == nil)
                struct Failure: Error {}
                #expect(server.requestCount == 5)
            }
        }
    }

    @Test func errorsEndTheResponse() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
            server.play([[half], [half, ""], [half, ""]])
            try HTTPClient.with(configured { $0.readTimeout = .milliseconds(300) }) { client throws in
                let short = try failure(HTTPClientError.self) {
                    try client.withResponse(to: server.url) { response throws in
                        #expect(try response.body.next() == Array("half".utf8))
                        _ = try response.body.next()
                    }
                }
                #expect((short.cause as? HTTPParseError)?.code == .truncated)
                #expect(short.phase == .readBody)
                struct Failure: Error {}
                #expect(throws: Failure.self) { try client.withResponse(to: server.url) { _ in throw Failure() } }
                // The total does not count here, but the server's silence does.
                var request = try client.request(.get, server.url)
                request.timeout = .seconds(100)
                let slow = try failure(HTTPClientError.self) {
                    try client.withResponse(to: request) { try $0.collect() }
                }
                #expect(slow.timeout == .read)
                #expect(client.pool.counts == (0, 0, 0))
            }
        }
    }

    @Test func fromTasks() async throws {
        try await onTaskLoop { _ in
            let server = try ScriptedServer()
            server.play([[answer("one\ntwo"), answer("three")]])
            try await HTTPClient.with { client async throws in
                let bytes = try await client.withResponse(to: server.url) { response async throws in
                    var bytes: [UInt8] = []
                    for try await piece in response.body { bytes += piece }
                    return bytes
                }
                #expect(bytes == Array("one\ntwo".utf8))
                let text = try await client.withResponse(to: server.url) { try await $0.collect().text }
                #expect(text == "three")
                #expect(client.pool.counts == (0, 1, 0))
            }
        }
    }

    @Test func decodesCodings() async throws {
        try await onLoop {
            let plain = Array(String(repeating: "Swiftlet is small. ", count: 20_000).utf8)
            let routes = { (server: HTTPServer) in
                server.fallback { request in
                    var bytes = plain
                    let codings = ContentCoding.list(request.query ?? "")
                    for coding in codings where coding.isSupported {
                        let compressor = try Compressor(coding)
                        var coded: [UInt8] = []
                        try compressor.encode(bytes, into: &coded)
                        try compressor.finish(into: &coded)
                        bytes = coded
                    }
                    if request.path == "/cut" { bytes.removeLast(20) }
                    return HTTPServerResponse(
                        headers: [
                            .contentEncoding: request.query ?? "", .server: request.headers[.acceptEncoding] ?? "none",
                        ], bytes: bytes)
                }
            }
            try withServer(routes) { _, url throws in
                try HTTPClient.with { client throws in
                    for coding in ["gzip", "deflate", "gzip,deflate", "identity"] {
                        let response = try client.get(url + "/?" + coding)
                        #expect(response.bytes == plain, "\(coding)")
                        #expect(response.headers[.server] == "gzip, deflate")
                        try client.withResponse(to: url + "/?" + coding) { response throws in
                            var longest = 0
                            var all: [UInt8] = []
                            while let piece = try response.body.next() {
                                longest = max(longest, piece.count)
                                all += piece
                            }
                            #expect(all == plain && longest <= 64 * 1024)
                        }
                    }
                    let cut = try failure(HTTPClientError.self) { try client.get(url + "/cut?gzip") }
                    #expect(cut.cause as? CompressionError == .truncated(.gzip))
                    #expect(cut.phase == .readBody)
                    let unknown = try failure(HTTPClientError.self) { try client.get(url + "/?compress") }
                    #expect(unknown.cause as? CompressionError == .unsupported(ContentCoding(named: "compress")))
                    #expect(throws: HTTPClientError.self) { try client.get(url + "/?gzip,gzip,gzip") }
                    #expect(client.pool.counts.used == 0)
                }
                let small = configured { $0.limits.bodyLength = 10_000 }
                try HTTPClient.with(small) { client throws in
                    let error = try failure(HTTPClientError.self) { try client.get(url + "/?gzip") }
                    #expect(error.cause as? CompressionError == .tooLong(limit: 10_000))
                }
                try HTTPClient.with(configured { $0.decodesContent = false }) { client throws in
                    let response = try client.get(url + "/?gzip")
                    #expect(response.bytes.count < plain.count && response.headers[.server] == "none")
                }
            }
        }
    }
}
