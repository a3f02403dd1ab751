import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct AuthenticationTests {
    @Test func hashes() {
        #expect(DigestHash.md5.hexadecimal("") == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(DigestHash.md5.hexadecimal("message digest") == "f96b697d7cb7938d525a2f31aaf161d0")
        let long = String(repeating: "1234567890", count: 8)
        #expect(DigestHash.md5.hexadecimal(long) == "57edf4a22be3c955ac49da2e2107b67a")
        #expect(
            DigestHash.sha256.hexadecimal("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            DigestHash.sha512256.hexadecimal("abc")
                == "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23")
    }

    @Test func base64() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            #expect(Base64.encode(Array(text.utf8)) == encoded)
        }
        #expect(
            HTTPAuthentication.basicField(user: "Aladdin", password: "open sesame")
                == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    }

    /// The examples of RFC 7616, 3.9.
    @Test func digestAsInTheStandard() throws {
        let challenges: HTTPFields = [
            .wwwAuthenticate: """
            Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, \
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", \
            opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", Basic realm="x", \
            Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, \
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", \
            opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
            """
        ]
        let client = DigestChallenges { "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" }
        let request = HTTPClientRequest(url: try HTTPURL("http://www.example.org/dir/index.html"))
        let me = HTTPAuthentication.digest(user: "Mufasa", password: "Circle of Life")
        let field = try #require(client.answer(challenges, to: request, me))
        #expect(field.contains(#"response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1""#))
        #expect(field.contains("algorithm=SHA-256, ") && field.contains("nc=00000001") && field.contains("qop=auth"))
        // The next one needs no question, and counts on.
        #expect(client.authorization(for: request, me)?.contains("nc=00000002") == true)
        let md5: HTTPFields = [
            .wwwAuthenticate: challenges[.wwwAuthenticate]!.split(separator: "Basic")[1].description
        ]
        #expect(
            client.answer(md5, to: request, me)?.contains(#"response="8ca523f5e9506fed4657c9700eebdbec""#) == true)
        #expect(client.answer([.wwwAuthenticate: "Basic realm=\"Digest nonce=x\""], to: request, me) == nil)
        #expect(client.answer([.wwwAuthenticate: "Digest realm=\"x\""], to: request, me) == nil)
    }

    @Test func answersAChallengeOnce() async throws {
        try await onLoop {
            let log = Mutex<[String]>([])
            let routes = { (server: HTTPServer) in
                server.fallback { request in
                    let field = request.headers[.authorization] ?? "none"
                    log.withLock { $0.append(field) }
                    guard field.hasPrefix("Digest "), field.contains("nonce=\"fresh\""), request.path != "/never" else {
                        return HTTPServerResponse(
                            status: .unauthorized,
                            headers: [.wwwAuthenticate: #"Digest realm="r, s", nonce="fresh", qop="auth""#],
                            bytes: Array("who?".utf8))
                    }
                    return HTTPServerResponse(bytes: try request.bytes())
                }
            }
            try withServer(routes) { _, url throws in
                try HTTPClient.with { client throws in
                    var request = HTTPClientRequest(method: .post, url: try HTTPURL(url + "/x"), body: .text("body"))
                    #expect(try client.send(request).status == .unauthorized)
                    request.authentication = .digest(user: "me", password: "secret")
                    #expect(try client.send(request).text == "body")
                    #expect(try client.send(request).text == "body")
                    #expect(log.withLock { $0.count } == 4)
                    request.url = try HTTPURL(url + "/never")
                    let refused = try client.send(request)
                    #expect(refused.status == .unauthorized && refused.text == "who?")
                    // What cannot be sent twice is not: the answer is the refusal.
                    request.body = .stream(length: 1) { try $0.write("x") }
                    #expect(try client.send(request).status == .unauthorized)
                    #expect(client.pool.counts.used == 0)
                }
                let base = try HTTPURL(url)
                let configuration = configured {
                    $0.authentication = .basic(user: "a", password: "b")
                    $0.baseURL = base
                }
                try HTTPClient.with(configuration) { client throws in
                    _ = try client.get("/")
                    _ = try client.get("http://localhost:\(base.port)/")
                    #expect(log.withLock { Array($0.suffix(2)) } == ["Basic YTpi", "none"])
                }
            }
        }
    }

    /// aiohttp #12825 and #13180: a redirect took the digest, and the credentials, to whoever it named.
    @Test func aRedirectTakesNoDigestElsewhere() async throws {
        try await onLoop {
            let log = Mutex<[String]>([])
            // Each demands a digest for what is under /secret, and says that its scope is everything (RFC 7616, 3.3).
            func routes(_ name: String) -> (HTTPServer) -> Void {
                { server in
                    server.fallback { request in
                        let field = request.headers[.authorization]
                        log.withLock { $0.append("\(name) \(field?.prefix { $0 != " " } ?? "none")") }
                        if let query = request.query { return .redirect(to: query, status: .temporaryRedirect) }
                        guard field?.hasPrefix("Digest ") == true else {
                            return HTTPServerResponse(
                                status: .unauthorized,
                                headers: [
                                    .wwwAuthenticate:
                                        "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", domain=\"http://127.0.0.1/ /\""
                                ], bytes: [])
                        }
                        return HTTPServerResponse("in")
                    }
                }
            }
            func entries() -> [String] {
                log.withLock { log in
                    defer { log = [] }
                    return log
                }
            }
            try withServer(routes("first")) { _, first throws in
                try withServer(routes("second")) { _, second throws in
                    try HTTPClient.with { client throws in
                        var request = HTTPClientRequest(url: try HTTPURL(first + "/secret"))
                        request.authentication = .digest(user: "me", password: "secret")
                        #expect(try client.send(request).text == "in")
                        #expect(entries() == ["first none", "first Digest"])
                        // The same origin: it goes along, also unasked.
                        request.url = try HTTPURL("\(first)/?/secret")
                        #expect(try client.send(request).text == "in")
                        #expect(entries() == ["first Digest", "first Digest"])
                        // Another one: neither unasked, nor when it asks, nor on the way back.
                        request.url = try HTTPURL("\(first)/?\(second)/secret")
                        #expect(try client.send(request).status == .unauthorized)
                        #expect(entries() == ["first Digest", "second none"])
                        request.url = try HTTPURL("\(first)/?\(second)/?\(first)/secret")
                        #expect(try client.send(request).status == .unauthorized)
                        #expect(entries() == ["first Digest", "second none", "first none"])
                        // What one origin has asked for says nothing about another.
                        request.url = try HTTPURL(second + "/secret")
                        #expect(try client.send(request).text == "in")
                        #expect(entries() == ["second none", "second Digest"])
                    }
                    // Credentials of the client's go to its base URL's origin only.
                    let base = try HTTPURL(first)
                    let configuration = configured {
                        $0.baseURL = base
                        $0.authentication = .digest(user: "me", password: "secret")
                    }
                    try HTTPClient.with(configuration) { client throws in
                        #expect(try client.get("/secret").text == "in")
                        #expect(try client.get(second + "/secret").status == .unauthorized)
                        #expect(try client.get("/?\(second)/secret").status == .unauthorized)
                        #expect(
                            entries() == ["first none", "first Digest", "second none", "first Digest", "second none"])
                    }
                }
            }
        }
    }
}
