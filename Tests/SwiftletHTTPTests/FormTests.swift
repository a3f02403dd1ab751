import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct FormTests {
    private static let body =
        "preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA \"title\"\r\n--xyz  \r\n"
        + "content-disposition: form-data; name=\"file\"; filename=\"C:\\\\dir/..\\\\a \\\"b\\\".txt\"\r\n"
        + "Content-Type: text/plain\r\n\r\n\r\n--xy\r\n\r\n--xyzzy is data\r\n--xyz\r\n"
        + "Content-Disposition: form-data; name=empty\r\n\r\n\r\n--xyz--\r\nepilogue --xyz\r\n"

    private static let multipart: HTTPFields = [.contentType: "multipart/form-data; boundary=xyz"]

    /// The parts of a body that comes in pieces of a size: name, file name, content.
    private func parse(_ body: String, by size: Int, boundary: String = "xyz") throws -> [[String]] {
        var parser = try MultipartParser(boundary: boundary)
        let bytes = Array(body.utf8)
        var parts: [[String]] = []
        var content: [UInt8] = []
        var position = 0
        while true {
            switch try parser.next() {
            case .part(let fields):
                let parameters = MediaType(fields[.contentDisposition] ?? "").parameters
                parts.append([parameters["name"] ?? "-", parameters["filename"] ?? "-"])
                content = []
            case .data(let data):
                #expect(!data.isEmpty)
                content += data
            case .partEnd: parts[parts.count - 1].append(String(decoding: content, as: UTF8.self))
            case .end:
                try parser.finish()
                return parts
            case .incomplete:
                if position == bytes.count {
                    try parser.finish()
                    return parts
                }
                let end = min(position + size, bytes.count)
                parser.feed(Array(bytes[position..<end]))
                position = end
            }
        }
    }

    @Test("Multipart, however it is split", arguments: [1, 2, 3, 7, 16, 1000])
    func splits(size: Int) throws {
        let body = Self.body.replacing("--xyzzy", with: "--xyZzy")
        #expect(
            try parse(body, by: size) == [
                ["title", "-", "A \"title\""],
                ["file", "C:\\dir/..\\a \"b\".txt", "\r\n--xy\r\n\r\n--xyZzy is data"], ["empty", "-", ""],
            ])
        #expect(try parse("--xyz--", by: size).isEmpty)
    }

    @Test(
        "What is no multipart body",
        arguments: [
            "", "--xyz", "--xyz\r\n", "--xyz\r\nA: b\r\n\r\ndata", "--xyz\r\nA: b\r\n\r\ndata\r\n--xyz",
            "--xyzx\r\nA: b\r\n\r\n\r\n--xyz--", "--xyz\r\nA b\r\n\r\n\r\n--xyz--", "--xyz\nA: b\n\n\n--xyz--",
            "--xyz\r\n" + String(repeating: "A: b\r\n", count: 40) + "\r\n\r\n--xyz--",
            "--xyz\r\nA: " + String(repeating: "b", count: 20_000), "--xyz" + String(repeating: " ", count: 300),
        ])
    func faults(_ body: String) throws {
        for size in [1, 1000] { #expect(throws: HTTPParseError.self) { try parse(body, by: size) } }
        #expect(throws: HTTPParseError.self) { try MultipartParser(boundary: "") }
        #expect(throws: HTTPParseError.self) { try MultipartParser(boundary: String(repeating: "b", count: 71)) }
    }

    private static let application: HTTPApplication = {
        let application = HTTPApplication()
        application.post("/form") { request in
            let form = try request.form()
            return
                "\(form["a"] ?? "-") \(form.fields[values: "b"]) \(form.files.map { "\($0.name)=\($0.fileName):\($0.bytes.count)" })"
        }
        application.post("/stream") { request async throws in
            let parts = try request.multipart(partLimit: 3)
            var text = ""
            while let part = try await parts.next() {
                // The content of one that is no file is dropped unread.
                var count = 0
                if part.fileName != nil { while let piece = try await part.next() { count += piece.count } }
                text += "\(part.name):\(part.fileName ?? "-"):\(count) "
            }
            return HTTPServerResponse(text)
        }
        return application
    }()

    @Test("Forms, in memory and as a stream")
    func forms() async throws {
        try await onLoop {
            try HTTPTestClient.with(Self.application) { client throws in
                let encoded: HTTPFields = [.contentType: "Application/X-WWW-Form-URLencoded; charset=utf-8"]
                #expect(
                    try client.post("/form", headers: encoded, body: Array("a=x+y%21&b=1&b=2".utf8)).text
                        == #"x y! ["1", "2"] []"#)
                let body =
                    "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nfield\r\n--xyz\r\n"
                    + "Content-Disposition: form-data; name=\"f\"; filename=\"../../etc/passwd\"\r\n\r\n12345\r\n--xyz--\r\n"
                #expect(
                    try client.post("/form", headers: Self.multipart, body: Array(body.utf8)).text
                        == #"field [] ["f=passwd:5"]"#)
                #expect(
                    try client.post("/stream", headers: Self.multipart, body: Array(body.utf8)).text
                        == "a:-:0 f:passwd:5 ")
                #expect(try client.post("/form", body: [1]).status == .unsupportedMediaType)
                #expect(try client.post("/stream", headers: encoded, body: [1]).status == .unsupportedMediaType)
                #expect(try client.post("/form", headers: Self.multipart, body: [1]).status == .badRequest)
                let noBoundary: HTTPFields = [.contentType: "multipart/form-data"]
                #expect(try client.post("/form", headers: noBoundary, body: [1]).status == .badRequest)
                let many = String(
                    repeating: "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", count: 4)
                #expect(
                    try client.post("/stream", headers: Self.multipart, body: Array((many + "--xyz--").utf8)).status
                        == .contentTooLarge)
                let large = Array(body.replacing("12345", with: String(repeating: "x", count: 2_000_000)).utf8)
                #expect(try client.post("/form", headers: Self.multipart, body: large).status == .contentTooLarge)
                #expect(
                    try client.post("/stream", headers: Self.multipart, body: large).text
                        == "a:-:0 f:passwd:2000000 ")
            }
        }
    }
}
