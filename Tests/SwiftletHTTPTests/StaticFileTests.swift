import Foundation
import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct StaticFileTests {
    /// Runs the body with a directory of files, and one beside it that must not be reached.
    private func withFiles(
        _ options: HTTPFileOptions = .init(), _ body: @escaping @Sendable (HTTPTestClient, String) throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let root = folder.appendingPathComponent("root")
        try FileManager.default.createDirectory(
            at: root.appendingPathComponent("sub/empty"), withIntermediateDirectories: true)
        func write(_ path: String, _ text: String) throws {
            try Data(text.utf8).write(to: folder.appendingPathComponent(path))
        }
        try write("secret.txt", "secret")
        try write("root/a.txt", "0123456789")
        try write("root/ä b&.html", "<p>")
        try write("root/.hidden", "hidden")
        try write("root/sub/index.html", "index")
        try write("root/large.bin", String(repeating: "0123456789abcdef", count: 20_000))
        try FileManager.default.createSymbolicLink(
            atPath: root.appendingPathComponent("out").path, withDestinationPath: "../secret.txt")
        try FileManager.default.createSymbolicLink(
            atPath: root.appendingPathComponent("absolute").path,
            withDestinationPath: folder.appendingPathComponent("secret.txt").path)
        try FileManager.default.createSymbolicLink(
            atPath: root.appendingPathComponent("in").path, withDestinationPath: "sub/../a.txt")
        mkfifo(root.appendingPathComponent("pipe").path, 0o600)
        let application = HTTPApplication()
        application.files("/files", from: root.path, options: options)
        application.get("/one") { [path = root.path] in try .file($0.queryValue("name")!, in: path, for: $0) }
        try await onLoop { try HTTPTestClient.with(application) { client throws in try body(client, root.path) } }
    }

    @Test("Files with their types; nothing outside, hidden or special")
    func files() async throws {
        try await withFiles { client, _ in
            let text = try client.get("/files/a.txt")
            #expect(text.text == "0123456789")
            #expect(text.headers[.contentType] == "text/plain; charset=utf-8")
            #expect(text.headers[.contentLength] == "10")
            #expect(text.headers[.acceptRanges] == "bytes")
            #expect(try client.get("/files/%C3%A4%20b&.html").text == "<p>")
            #expect(try client.get("/files/sub/").text == "index")
            #expect(try client.get("/files/sub").headers[.location] == "/files/sub/")
            #expect(try client.get("/files/large.bin").bytes.count == 320_000)
            #expect(try client.get("/files/in").text == "0123456789")
            #expect(try client.send(.head, "/files/a.txt").headers[.contentLength] == "10")
            #expect(try client.send(.post, "/files/a.txt").status == .methodNotAllowed)
            for path in [
                "", "none", "sub/empty/", ".hidden", "../secret.txt", "..%2Fsecret.txt", "%2e%2e/secret.txt",
                "sub/../../secret.txt", "sub/%2e%2e%2f%2e%2e%2fsecret.txt", "out", "absolute", "a.txt/", "a.txt%00",
                "/a.txt", "./a.txt", "sub//index.html", "pipe", "%2Fetc%2Fpasswd", "..\\secret.txt",
                String(repeating: "a", count: 5000),
            ] {
                let response = try client.get("/files/\(path)")
                #expect(response.status == .notFound, "\(path.prefix(40)): \(response.status)")
            }
            #expect(try client.get("/one?name=sub/index.html").text == "index")
            for name in ["../secret.txt", "/etc/passwd", "sub", "none", "%00"] {
                #expect(try client.get("/one?name=\(name)").status == .notFound, "\(name)")
            }
        }
    }

    @Test("Lists of directories")
    func lists() async throws {
        var options = HTTPFileOptions()
        options.listsDirectories = true
        options.servesHiddenFiles = true
        options.cacheControl = "max-age=60"
        try await withFiles(options) { client, _ in
            let list = try client.get("/files/").text
            #expect(list.contains("<a href=\"./%C3%A4%20b&.html\">ä b&amp;.html</a>"))
            #expect(list.contains("<a href=\"./sub/\">sub/</a>"))
            #expect(!list.contains("hidden"))
            #expect(try client.get("/files/.hidden").text == "hidden")
            #expect(try client.get("/files/a.txt").headers[.cacheControl] == "max-age=60")
            #expect(try client.get("/files/sub/").text == "index")
        }
    }

    @Test("Conditional requests")
    func conditions() async throws {
        try await withFiles { client, _ in
            let first = try client.get("/files/a.txt")
            let tag = try #require(first.headers[.eTag])
            let date = try #require(first.headers[.lastModified])
            #expect(DateField.parse(date) != nil)
            func status(_ fields: HTTPFields) throws -> Int {
                try client.get("/files/a.txt", headers: fields).status.code
            }
            let cached = try client.get("/files/a.txt", headers: [.ifNoneMatch: "\"x\", W/\(tag)"])
            #expect(cached.status == .notModified)
            #expect(cached.bytes.isEmpty && cached.headers[.eTag] == tag && cached.headers[.contentLength] == nil)
            #expect(try status([.ifNoneMatch: "*"]) == 304)
            #expect(try status([.ifNoneMatch: "\"x\"", .ifModifiedSince: date]) == 200)
            #expect(try status([.ifModifiedSince: date]) == 304)
            #expect(try status([.ifModifiedSince: "Sun, 06 Nov 1994 08:49:37 GMT"]) == 200)
            #expect(try status([.ifModifiedSince: "yesterday"]) == 200)
            #expect(try status([.ifMatch: tag]) == 200)
            #expect(try status([.ifMatch: "W/\(tag)"]) == 412)
            #expect(try status([.ifMatch: "\"x\""]) == 412)
            #expect(try status([.ifUnmodifiedSince: "Sun, 06 Nov 1994 08:49:37 GMT"]) == 412)
            #expect(try status([.ifUnmodifiedSince: date]) == 200)
            #expect(try status([.range: "bytes=0-0", .ifRange: tag]) == 206)
            #expect(try status([.range: "bytes=0-0", .ifRange: date]) == 206)
            #expect(try status([.range: "bytes=0-0", .ifRange: "\"x\""]) == 200)
        }
    }

    @Test("Ranges: one, several, none that exists")
    func ranges() async throws {
        try await withFiles { client, _ in
            func get(_ range: String) throws -> HTTPTestClient.Response {
                try client.get("/files/a.txt", headers: [.range: range])
            }
            for (range, text, field) in [
                ("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=7-", "789", "bytes 7-9/10"),
                ("bytes=-3", "789", "bytes 7-9/10"), ("bytes=-99", "0123456789", "bytes 0-9/10"),
                ("bytes=8-99999999999999999999", "89", "bytes 8-9/10"), ("Bytes= 0-0 ", "0", "bytes 0-0/10"),
            ] {
                let response = try get(range)
                #expect(response.status == .partialContent)
                #expect(response.text == text)
                #expect(response.headers[.contentRange] == field)
                #expect(response.headers[.contentLength] == "\(text.count)")
            }
            for range in ["bytes=10-", "bytes=-0", "bytes=99-100,20-"] {
                let response = try get(range)
                #expect(response.status == .rangeNotSatisfiable)
                #expect(response.headers[.contentRange] == "bytes */10")
            }
            for range in [
                "bytes=", "bytes=a-b", "bytes=4-2", "lines=1-2", "bytes=1", "bytes=0-9,0-9", "bytes=--1",
                "bytes=" + (0..<20).map { "\($0)-\($0)" }.joined(separator: ","),
            ] { #expect(try get(range).text == "0123456789", "\(range)") }
            let several = try get("bytes=0-1, -2, 50-60")
            #expect(several.status == .partialContent)
            let type = try #require(several.headers[.contentType])
            #expect(type.hasPrefix("multipart/byteranges; boundary="))
            let boundary = String(type.split(separator: "=")[1])
            #expect(
                several.text
                    == "\r\n--\(boundary)\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
                    + "\r\n--\(boundary)\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
                    + "\r\n--\(boundary)--\r\n")
        }
    }

    @Test("Server-sent events: kinds, lines, heartbeats; a client that leaves ends them")
    func events() async throws {
        let ended = Waiter<Void>()
        try await onLoop {
            try withServer({ server in
                server.get("/events") { _ in
                    .events { (events: HTTPEventSender) throws in
                        try events.setRetry(.seconds(2))
                        try events.send("one\ntwo", event: "kind\nx", id: "7")
                    }
                }
                server.get("/async") { _ in
                    .events { (events: HTTPEventSender) async throws in try await events.send("hello") }
                }
                server.get("/quiet") { _ in
                    .events(heartbeat: .milliseconds(10)) { (_: HTTPEventSender) throws in
                        defer { ended.resume(returning: ()) }
                        try sleep(.seconds(3600))
                    }
                }
            }) { server, url throws in
                let response = try HTTPClient().get(url + "/events")
                #expect(response.headers[.contentType] == "text/event-stream")
                #expect(response.text == "retry: 2000\n\nevent: kindx\nid: 7\ndata: one\ndata: two\n\n")
                #expect(try HTTPClient().get(url + "/async").text == "data: hello\n\n")
                try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    try connection.write("GET /quiet HTTP/1.1\r\nHost: a\r\n\r\n")
                    var text = ""
                    while !text.contains(":\n\n\r\n3") {
                        text += String(decoding: try connection.readExactly(1), as: UTF8.self)
                    }
                }
                #expect(try ended.wait(until: .after(.seconds(60))) != nil)
            }
        }
    }
}
