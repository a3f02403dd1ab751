import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct RedirectTests {
    /// Answers any path `/STATUS/…` with that status, to wherever the query says.
    private func routes(_ server: HTTPServer) {
        server.fallback { request in
            guard let status = Int(request.path.dropFirst().prefix(3)) else {
                let fields = [HTTPField.Name.authorization, .cookie, .contentType].map { request.headers[$0] ?? "-" }
                return HTTPServerResponse(
                    "\(request.method.rawValue) \(fields) \(try request.text())", contentType: "text/plain")
            }
            return HTTPServerResponse(
                status: .init(code: status), headers: [.location: request.query ?? ""], bytes: Array("moved".utf8))
        }
    }

    @Test func rewritesMethodsAsTheRulesSay() async throws {
        let routes = routes
        try await onLoop {
            try withServer(routes) { _, url throws in
                try HTTPClient.with { client throws in
                    func end(_ method: HTTPRequest.Method, _ status: Int) throws -> String {
                        let body = method == .post || method == .put ? HTTPRequestBody.text("body") : nil
                        let response = try client.send(client.request(method, "\(url)/\(status)/?/end", body: body))
                        #expect(response.history.map(\.status.code) == [status])
                        #expect(response.history.first?.headers[.location] == "/end")
                        #expect(response.url.path == "/end")
                        return response.text
                    }
                    for status in [301, 302, 303] {
                        #expect(try end(.post, status) == #"GET ["-", "-", "-"] "#)
                        #expect(try end(.get, status).hasPrefix("GET"))
                    }
                    #expect(try end(.put, 301) == #"PUT ["-", "-", "text/plain; charset=utf-8"] body"#)
                    #expect(try end(.put, 303).hasPrefix("GET"))
                    for status in [307, 308] {
                        #expect(try end(.post, status) == #"POST ["-", "-", "text/plain; charset=utf-8"] body"#)
                    }
                    // All went over one connection: what redirects carry was read away.
                    #expect(client.statistics.openedConnections == 1)
                    #expect(client.pool.counts == (0, 1, 0))
                }
            }
        }
    }

    @Test func keepsSecretsFromOtherOrigins() async throws {
        let routes = routes
        try await onLoop {
            try withServer(routes) { _, first throws in
                try withServer(routes) { _, second throws in
                    try HTTPClient.with { client throws in
                        let secrets: HTTPFields = [.authorization: "Bearer secret", .cookie: "a=b"]
                        let kept = try client.get(first + "/302/?/end", headers: secrets)
                        #expect(kept.text.hasPrefix(#"GET ["Bearer secret", "a=b""#))
                        let dropped = try client.get("\(first)/302/?\(second)/end", headers: secrets)
                        #expect(dropped.text.hasPrefix(#"GET ["-", "-""#))
                        // Nor on the way back.
                        let back = try client.get("\(first)/302/?\(second)/302/?\(first)/end", headers: secrets)
                        #expect(back.text.hasPrefix(#"GET ["-", "-""#))
                        #expect(back.history.count == 2)
                        let credentials = first.split(separator: "//").joined(separator: "//me:secret@")
                        #expect(try client.get(credentials + "/end").text.hasPrefix(#"GET ["Basic "#))
                        #expect(try client.get(credentials + "/302/?/end").text.hasPrefix(#"GET ["Basic "#))
                        let gone = try client.get("\(credentials)/302/?\(second)/end")
                        #expect(gone.text.hasPrefix(#"GET ["-""#))
                        #expect(!"\(gone.url) \(gone.history)".contains("secret"))
                    }
                }
            }
        }
    }

    @Test func endsWhereItCannotGoOn() async throws {
        let routes = routes
        try await onLoop {
            try withServer(routes) { _, url throws in
                let configuration = configured {
                    $0.redirectLimit = 3
                    $0.baseURL = try? HTTPURL(url)
                }
                try HTTPClient.with(configuration) { client throws in
                    var loop = "/end"
                    for _ in 0..<3 { loop = "/302/?" + loop }
                    #expect(try client.get(loop).history.count == 3)
                    let many = try failure(HTTPClientError.self) { try client.get("/302/?" + loop) }
                    #expect(many.cause as? HTTPRequestFault == .tooManyRedirects(limit: 3))
                    #expect(many.phase == .redirect)
                    for target in ["ftp://example.com/", "http://", "javascript:alert(1)"] {
                        let error = try failure(HTTPClientError.self) { try client.get("/302/?" + target) }
                        #expect(error.phase == .redirect)
                        #expect(error.cause is HTTPURLError)
                    }
                    let stream = HTTPRequestBody.stream(length: 1) { try $0.write("x") }
                    let once = try failure(HTTPClientError.self) { try client.post("/307/?/end", body: stream) }
                    #expect(once.cause as? HTTPRequestFault == .bodyCannotBeRepeated)
                    #expect(try client.post("/303/?/end", body: stream).text.hasPrefix("GET"))
                    // Not redirects: no location, and one that only proposes.
                    #expect(try client.get("/304/").status.code == 304)
                    #expect(try client.get("/300/?/end").status.code == 300)
                    var request = try client.request(.get, "/302/?/end")
                    request.followsRedirects = false
                    #expect(try client.send(request).status.code == 302)
                    #expect(client.pool.counts.used == 0)
                }
            }
        }
    }

    @Test func aFragmentStays() async throws {
        let routes = routes
        try await onLoop {
            try withServer(routes) { _, url throws in
                try HTTPClient.with { client throws in
                    #expect(try client.get(url + "/302/?/end#here").url.fragment == "here")
                    let server = try ScriptedServer()
                    server.play([[answer("", status: "302 Found", fields: "Location: \(url)/end#there\r\n")]])
                    #expect(try client.get(server.url + "#here").url.fragment == "there")
                }
            }
        }
    }
}
