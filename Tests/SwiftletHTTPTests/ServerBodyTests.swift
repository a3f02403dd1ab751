import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct ServerBodyTests {
    private struct Person: Codable, Equatable {
        var name: String
        var age: Int
    }

    @Test("Bodies as bytes, text, JSON and query, in both spellings")
    func kinds() async throws {
        let application = HTTPApplication()
        application.post("/text") { "<\(try $0.text())>" }
        application.post("/json") { request in
            var person = try request.json(Person.self)
            person.age += 1
            return try .json(person)
        }
        application.post("/async") { request async throws in
            let person: Person = try await request.json()
            return try .json([person], status: .created)
        }
        application.post("/none") { _ in "unread" }
        application.get("/query") { "\($0.queryFields[values: "a"]) \($0.queryValue("b") ?? "-")" }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                #expect(try client.post("/text", body: Array("ä".utf8)).text == "<ä>")
                #expect(try client.send(.post, "/text").text == "<>")
                let json = try client.post("/json", body: Array(#"{"name":"Ada","age":36}"#.utf8))
                #expect(json.headers[.contentType] == "application/json")
                #expect(json.text.contains(#""age":37"#))
                let created = try client.post("/async", body: Array(#"{"name":"Ada","age":36}"#.utf8))
                #expect(created.status == .created)
                #expect(created.text.hasPrefix("[{"))
                for (body, reason) in [
                    ("{", ""), (#"{"name":"Ada"}"#, "age is missing"), (#"{"name":1,"age":1}"#, "name: "),
                ] {
                    let refused = try client.post("/json", body: Array(body.utf8))
                    #expect(refused.status == .badRequest)
                    #expect(refused.text.contains(reason), "\(refused.text)")
                }
                #expect(try client.post("/none", body: [1, 2, 3]).text == "unread")
                #expect(try client.get("/query?a=1&b=x%20y+z&a=2&&c").text == #"["1", "2"] x y z"#)
            }
        }
    }

    @Test("A handler that streams has no limit; one that takes the whole body has")
    func limits() async throws {
        let application = HTTPApplication()
        application.post("/count") { request in
            var count = 0
            while let piece = try request.body.next() { count += piece.count }
            return "\(count)"
        }
        application.post("/acount") { request async throws in
            var count = 0
            for try await piece in request.body { count += piece.count }
            return "\(count)"
        }
        application.post("/whole") { "\(try $0.bytes().count)" }
        application.post("/more") { "\(try $0.bytes(limit: 200).count)" }
        application.errorPage(.contentTooLarge) { _, abort in "too much: \(abort.reason ?? "")" }
        var configuration = HTTPServer.Configuration()
        configuration.limits.bodyLength = 100
        try await onLoop { [configuration] in
            try HTTPTestClient.with(application, configuration) { client throws in
                let large = [UInt8](repeating: 1, count: 300_000)
                #expect(try client.post("/count", body: large).text == "300000")
                #expect(try client.post("/acount", body: large).text == "300000")
                #expect(try client.post("/whole", body: Array(large[..<100])).text == "100")
                #expect(try client.post("/more", body: Array(large[..<200])).text == "200")
                let refused = try client.post("/whole", body: Array(large[..<101]))
                #expect(refused.status == .contentTooLarge)
                #expect(refused.text == "too much: the body is longer than 100 bytes")
                #expect(refused.headers[.connection] == "close")
                #expect(try client.post("/more", body: large).status == .contentTooLarge)
            }
        }
    }

    @Test("A body that nobody read is dropped, a long one with its connection")
    func unread() async throws {
        try await onLoop {
            try withServer({ server in
                server.post("/ignore") { _ in "ignored" }
                server.get("/") { _ in "home" }
            }) { server, _ throws in
                func post(_ length: Int, _ body: String, more: String = "") -> String {
                    "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n\(body)\(more)"
                }
                let next = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                let kept = try exchange(server.port, post(3, "abc", more: next))
                #expect(kept.contains("ignored") && kept.hasSuffix("home"))
                let long = try exchange(server.port, post(1_000_000, "abc"))
                #expect(long.contains("Connection: close") && long.hasSuffix("ignored"))
                // Announced as short, and it never comes: no second answer.
                let missing = try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    try connection.write(post(10, "abc"))
                    try connection.closeWriting()
                    return String(decoding: try connection.readToEnd(), as: UTF8.self)
                }
                #expect(missing.hasSuffix("ignored"))
                #expect(missing.split(separator: "HTTP/1.1").count == 1)
            }
        }
    }

    @Test("Nothing of a body can be read after the answer")
    func over() async throws {
        let kept = Mutex<HTTPServerRequest?>(nil)
        let application = HTTPApplication()
        application.post("/") { request in
            kept.withLock { $0 = request }
            return ""
        }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in _ = try client.post("/", body: [1]) }
            let request = kept.withLock { $0 }
            #expect(throws: HTTPRequestOver.self) { try request?.bytes() }
        }
    }

    @Test("Answers piece by piece: in chunks, with a length, or to the end for HTTP/1.0")
    func streams() async throws {
        try await onLoop {
            ReportLog.begin()
            try withServer({ server in
                server.get("/sync") { _ in
                    .stream(contentType: "text/plain") { body in
                        for number in 0..<3 {
                            try body.write("\(number),")
                            try yield()
                        }
                    }
                }
                server.get("/async") { _ in
                    .stream { body async throws in
                        for number in 0..<3 {
                            try await body.write("\(number),")
                            await Task.yield()
                        }
                    }
                }
                server.get("/length") { _ in .stream(length: 5) { try $0.write("12345") } }
                server.get("/short") { _ in .stream(length: 5) { try $0.write("1") } }
                server.get("/long") { _ in .stream(length: 1) { try $0.write("12") } }
                server.get("/torn") { _ in
                    .stream { body in
                        try body.write("begin")
                        throw HTTPAbort(.badGateway)
                    }
                }
                server.post("/echo") { request in
                    .stream { body in while let piece = try request.body.next() { try body.write(piece) } }
                }
            }) { server, url throws in
                let client = HTTPClient()
                #expect(try client.get(url + "/sync").text == "0,1,2,")
                #expect(try client.get(url + "/async").text == "0,1,2,")
                let length = try client.get(url + "/length")
                #expect(length.text == "12345")
                #expect(length.headers[.contentLength] == "5")
                for path in ["/short", "/long", "/torn"] {
                    #expect(throws: HTTPClientError.self, "\(path)") { try client.get(url + path) }
                }
                let old = try exchange(server.port, "GET /sync HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(old.hasSuffix("\r\n\r\n0,1,2,"))
                #expect(old.contains("Connection: close"))
                let head = try exchange(
                    server.port, "HEAD /torn HTTP/1.1\r\nHost: a\r\n\r\nHEAD /sync HTTP/1.0\r\n\r\n")
                #expect(head.contains("Transfer-Encoding: chunked\r\n"))
                #expect(!head.contains("begin") && !head.contains("0,1"))
                let echo = try exchange(
                    server.port,
                    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /length HTTP/1.1\r\nHost: a\r\n"
                        + "Connection: close\r\n\r\n")
                #expect(echo.contains("5\r\nhello\r\n0\r\n\r\n") && echo.hasSuffix("12345"))
            }
            for path in ["/short", "/long", "/torn"] {
                #expect(ReportLog.reports(containing: "the body of GET \(path) threw").count == 1)
            }
        }
    }

    @Test("A client that does not read stops only its own handler")
    func backPressure() async throws {
        let written = Tally()
        let gaveUp = Waiter<Void>()
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.writeTimeout = .milliseconds(300)
            try withServer(
                { server in
                    server.get("/endless") { _ in
                        .stream { body in
                            let piece = [UInt8](repeating: 0, count: 64 * 1024)
                            defer { gaveUp.resume(returning: ()) }
                            while true {
                                try body.write(piece)
                                written.add(piece.count)
                            }
                        }
                    }
                    server.get("/") { _ in "home" }
                }, configuration
            ) { server, url throws in
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                try connection.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
                var before = -1
                while before != written.count {
                    before = written.count
                    #expect(try HTTPClient().get(url + "/").text == "home")
                    try sleep(.milliseconds(20))
                }
                #expect(before > 0 && before < 64 << 20)
                #expect(try gaveUp.wait(until: .after(.seconds(60))) != nil)
                connection.close()
            }
        }
    }
}
