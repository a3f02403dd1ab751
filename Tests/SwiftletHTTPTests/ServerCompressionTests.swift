#if Zlib
    import HTTPTypes
    import Swiftlet
    import SwiftletHTTP
    import TestSupport
    import Testing

    /// Answers and requests that are compressed on their way.
    @Suite struct ServerCompressionTests {
        private static let text = String(repeating: "the same again and again; ", count: 200)

        private static func decoded(_ bytes: [UInt8]) throws -> String {
            let decompressor = try Decompressor(.gzip)
            var decoded: [UInt8] = []
            try decompressor.decode(bytes, into: &decoded)
            try decompressor.finish()
            return String(decoding: decoded, as: UTF8.self)
        }

        private func application() -> HTTPApplication {
            let application = HTTPApplication()
            application.compressResponses(codings: [.gzip])
            application.get("/text") { _ in HTTPServerResponse(Self.text, headers: [.eTag: "\"1\""]) }
            application.get("/json") { _ in try .json(["text": Self.text]) }
            application.get("/short") { _ in "short" }
            application.get("/picture") { _ in
                HTTPServerResponse(bytes: Array(Self.text.utf8), contentType: "image/png")
            }
            application.get("/coded") { _ in HTTPServerResponse(Self.text, headers: [.contentEncoding: "br"]) }
            return application
        }

        @Test("What a client takes, and what is worth it")
        func chooses() async throws {
            try await onLoop { () throws in
                try HTTPTestClient.with(application()) { client throws in
                    let wanting: HTTPFields = [.acceptEncoding: "br;q=0.5, gzip"]
                    let coded = try client.get("/text", headers: wanting)
                    #expect(coded.headers[.contentEncoding] == "gzip" && coded.headers[.vary] == "Accept-Encoding")
                    #expect(coded.bytes.count < 200 && coded.headers[.contentLength] == "\(coded.bytes.count)")
                    #expect(coded.headers[.eTag] == "W/\"1\"")
                    #expect(try Self.decoded(coded.bytes) == Self.text)
                    #expect(try client.get("/json", headers: wanting).bytes.count < 300)
                    let head = try client.send(.head, "/text", headers: wanting)
                    #expect(head.headers[.contentLength] == coded.headers[.contentLength] && head.bytes.isEmpty)

                    let clear = try client.get("/text", headers: [.acceptEncoding: "gzip;q=0, br"])
                    #expect(clear.text == Self.text && clear.headers[.contentEncoding] == nil)
                    #expect(clear.headers[.vary] == "Accept-Encoding" && clear.headers[.eTag] == "\"1\"")
                    #expect(try client.get("/text").text == Self.text)
                    for path in ["/short", "/picture"] {
                        let answer = try client.get(path, headers: wanting)
                        #expect(answer.headers[.contentEncoding] == nil && answer.headers[.vary] == nil, "\(path)")
                    }
                    #expect(try client.get("/coded", headers: wanting).headers[.contentEncoding] == "br")
                }
            }
        }

        @Test("A stream's pieces can be read as they are written")
        func streams() async throws {
            try await onLoop {
                let goOn = Waiter<Void>()
                let routes = { (server: HTTPServer) in
                    server.compressResponses(codings: [.gzip])
                    server.get("/") { _ in
                        .stream(contentType: "text/plain") { (body: HTTPServerResponse.Writer) throws in
                            try body.write("first")
                            _ = try goOn.wait()
                            try body.write("second")
                        }
                    }
                }
                try withServer(routes) { _, url throws in
                    try HTTPClient.with { client throws in
                        try client.withResponse(to: url + "/") { response throws in
                            #expect(response.headers[.contentEncoding] == "gzip")
                            #expect(try response.body.next() == Array("first".utf8))
                            goOn.resume(returning: ())
                            #expect(try response.body.collect() == Array("second".utf8))
                        }
                        #expect(client.statistics.idleConnections == 1)
                    }
                }
            }
        }

        @Test("Bodies of requests: in memory and while they are made")
        func requests() async throws {
            let text = Self.text
            try await onLoop {
                let routes = { (server: HTTPServer) in
                    server.post("/") { request in
                        #expect(request.headers[.contentEncoding] == "gzip")
                        let bytes = try request.bytes()
                        #expect(bytes.count < 400)
                        return HTTPServerResponse(try Self.decoded(bytes))
                    }
                }
                try withServer(routes) { _, url throws in
                    try HTTPClient.with { client throws in
                        let whole = try HTTPRequestBody.text(text).compressed()
                        #expect(try client.post(url + "/", body: whole).text == text)
                        let halves = [text.prefix(2000), text.dropFirst(2000)].map(String.init)
                        let stream = HTTPRequestBody.stream(isRepeatable: true) { writer in
                            for half in halves { try writer.write(half) }
                        }
                        // Twice: each time with a compressor of its own.
                        let coded = try stream.compressed()
                        for _ in 0..<2 { #expect(try client.post(url + "/", body: coded).text == text) }
                    }
                }
            }
        }
    }
#endif
