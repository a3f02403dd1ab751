import Glibc
import HTTPTypes
import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct CookieTests {
    private func jar(at time: Box<Int64> = Box(1_000_000_000)) -> CookieJar {
        nonisolated(unsafe) let time = time
        return CookieJar(acceptsAddresses: true, isPublicSuffix: { $0 == "co.uk" }, clock: { unsafe time.value })
    }

    private func set(_ jar: CookieJar, _ field: String, _ url: String) throws {
        jar.take([.setCookie: field], from: try HTTPURL(url))
    }

    private func sent(_ jar: CookieJar, _ url: String) throws -> String? { jar.field(for: try HTTPURL(url)) }

    @Test func goBackWhereTheyBelong() throws {
        let jar = jar()
        try set(jar, "host=1", "http://www.example.com/dir/page")
        try set(jar, "domain=2; Domain=.Example.com; Path=/", "http://www.example.com/dir/page")
        try set(jar, "path=3; path=/dir/sub", "http://www.example.com/")
        try set(jar, "secure=4; Secure; Path=/", "https://www.example.com/")
        #expect(try sent(jar, "http://www.example.com/dir/x") == "host=1; domain=2")
        #expect(try sent(jar, "http://www.example.com/") == "domain=2")
        #expect(try sent(jar, "http://www.example.com/dir/sub") == "path=3; host=1; domain=2")
        #expect(try sent(jar, "http://www.example.com/dir/subject") == "host=1; domain=2")
        #expect(try sent(jar, "http://example.com/") == "domain=2")
        #expect(try sent(jar, "http://other.example.com/dir/") == "domain=2")
        #expect(try sent(jar, "http://notexample.com/") == nil)
        #expect(try sent(jar, "https://www.example.com/") == "domain=2; secure=4")
        #expect(jar.count == 4)
    }

    @Test func refusesWhatAHostMayNotSet() throws {
        let jar = jar()
        for (field, url) in [
            ("a=1; Domain=other.com", "http://www.example.com/"),
            ("a=1; Domain=sub.www.example.com", "http://www.example.com/"),
            ("a=1; Domain=com", "http://www.example.com/"), ("a=1; Domain=co.uk", "http://www.example.co.uk/"),
            ("a=1; Domain=2.3.4", "http://1.2.3.4/"), ("a=1; Secure", "http://example.com/"),
            ("__Secure-a=1", "https://example.com/"), ("__Host-a=1; Secure; Path=/x", "https://example.com/"),
            ("noequals", "http://example.com/"), ("=value", "http://example.com/"),
            ("big=" + String(repeating: "x", count: 9000), "http://example.com/"),
        ] {
            try set(jar, field, url)
            #expect(jar.isEmpty, "\(field) from \(url)")
        }
        #expect(HTTPCookie(parsing: "a=\u{1}", now: 0) == nil)
        // A host with one label, and an address, may set for themselves.
        try set(jar, "a=1; Domain=localhost", "http://localhost/")
        try set(jar, "b=2", "http://1.2.3.4/")
        try set(jar, "c=3; Domain=1.2.3.4", "http://1.2.3.4/")
        try set(jar, "__Host-d=4; Secure; Path=/", "https://example.com/")
        #expect(try sent(jar, "http://localhost/") == "a=1")
        #expect(try sent(jar, "http://sub.localhost/") == nil)
        #expect(try sent(jar, "http://1.2.3.4/") == "b=2; c=3")
        let strict = CookieJar(acceptsAddresses: false)
        strict.take([.setCookie: "b=2"], from: try HTTPURL("http://1.2.3.4/"))
        #expect(strict.isEmpty)
        #expect(
            HTTPCookie("a", "b; c") == nil && HTTPCookie("a\r\nX", "b") == nil && HTTPCookie("a", "b\r\nX: y") == nil)
    }

    @Test func endInTime() throws {
        let time = Box<Int64>(1_000_000_000)
        let jar = jar(at: time)
        let url = "http://example.com/"
        try set(jar, "age=1; Max-Age=10", url)
        try set(jar, "date=2; Expires=Sun, 09 Sep 2001 01:47:00 GMT", url)  // 20 s later
        try set(jar, "both=3; Max-Age=30; Expires=Thu, 01 Jan 1970 00:00:00 GMT", url)
        try set(jar, "session=4", url)
        #expect(try sent(jar, url) == "age=1; date=2; both=3; session=4")
        time.value += 10
        #expect(try sent(jar, url) == "date=2; both=3; session=4")
        time.value += 10
        #expect(try sent(jar, url) == "both=3; session=4")
        try set(jar, "session=; Max-Age=0", url)
        try set(jar, "both=5", url)
        #expect(try sent(jar, url) == "both=5")
        try set(jar, "both=; Expires=Thu, 01-Jan-70 00:00:01 GMT", url)
        #expect(try sent(jar, url) == nil)
        #expect(jar.count == 2)  // those that have expired, until they are looked at
    }

    @Test func readDatesOfAllKinds() {
        let expected: Int64 = 784_111_777
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
            "06 nov 1994 8:49:37", "1994 Nov 06 08:49:37 +0000", "Sun, 06-Nov-1994 08:49:37 GMT",
        ] {
            #expect(CookieDate.seconds(text) == expected, "\(text)")
        }
        for text in [
            "", "yesterday", "06 Nov 1994", "32 Nov 1994 08:49:37", "06 Nov 1600 08:49:37", "06 Nov 1994 25:00:00",
        ] {
            #expect(CookieDate.seconds(text) == nil, "\(text)")
        }
        #expect(CookieDate.text(expected) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(CookieDate.text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        var generator = SeededRandom(seed: 4)
        for _ in 0..<1000 {
            let seconds = Int64.random(in: 0...253_402_300_799, using: &generator)
            #expect(CookieDate.seconds(CookieDate.text(seconds)) == seconds)
        }
    }

    @Test func areBounded() throws {
        let jar = jar()
        for number in 0..<200 { try set(jar, "n\(number)=1", "http://example.com/") }
        #expect(jar.count == 50)
        #expect(try sent(jar, "http://example.com/")?.hasPrefix("n150=1") == true)
        for number in 0..<4000 { try set(jar, "a=1", "http://h\(number).example.com/") }
        #expect(jar.count <= 3000)
        jar.removeAll(domain: "h3999.example.com")
        #expect(try sent(jar, "http://h3999.example.com/") == nil)
        jar.removeAll()
        #expect(jar.isEmpty && jar.count == 0)
    }

    @Test func areSavedAndLoaded() async throws {
        let path = "/tmp/swiftlet-cookies-\(getpid()).json"
        defer { unlink(path) }
        let saved = CookieJar()
        saved.take(
            [.setCookie: "stays=1; Max-Age=1000; Domain=example.com; HttpOnly; SameSite=Lax"],
            from: try HTTPURL("http://www.example.com/"))
        saved.take([.setCookie: "session=2; Secure"], from: try HTTPURL("https://www.example.com/a/b"))
        try saved.save(to: path)
        let loaded = CookieJar()
        try loaded.load(from: path)
        #expect(loaded.cookies == saved.cookies)
        #expect(loaded.field(for: try HTTPURL("https://www.example.com/a/")) == "session=2; stays=1")
        var information = stat()
        #expect(stat(path, &information) == 0 && information.st_mode & 0o777 == 0o600)
        try saved.save(to: path, includesSession: false)
        let persistent = CookieJar()
        try persistent.load(from: path)
        #expect(persistent.cookies.map(\.name) == ["stays"])
        #expect(throws: HTTPFileError.self) { try loaded.load(from: path + ".none") }
        #expect(saved.cookies[0].setCookieField.hasPrefix("stays=1; Domain=example.com; Path=/; Expires="))
    }

    @Test func belongToASession() async throws {
        try await onLoop {
            let routes = { (server: HTTPServer) in
                server.get("/set") { _ in
                    var fields = HTTPFields()
                    fields.append(HTTPField(name: .setCookie, value: "one=1; Path=/"))
                    fields.append(HTTPField(name: .setCookie, value: "two=2; Path=/; Max-Age=100"))
                    fields[.location] = "/show"
                    return HTTPServerResponse(status: .found, headers: fields, bytes: [])
                }
                server.get("/show") { request in "\(request.headers[.cookie] ?? "none")" }
            }
            try withServer(routes) { _, url throws in
                try HTTPClient.with { client throws in
                    #expect(try client.get(url + "/show").text == "none")
                    let response = try client.get(url + "/set")
                    #expect(response.text == "one=1; two=2")
                    #expect(response.history[0].cookies.map(\.name) == ["one", "two"])
                    // The caller's own come first, and win.
                    let mixed = try client.get(url + "/show", headers: [.cookie: "mine=0; two=mine"])
                    #expect(mixed.text == "mine=0; two=mine; one=1")
                    let port = try HTTPURL(url).port
                    let other = try client.get("http://localhost:\(port)/show")
                    #expect(other.text == "none")
                }
                try HTTPClient.with(configured { $0.cookies = .none }) { client throws in
                    #expect(try client.get(url + "/set").text == "none")
                }
                let shared = CookieJar()
                for _ in 0..<2 {
                    try HTTPClient.with(configured { $0.cookies = .jar(shared) }) { client throws in
                        let expected = shared.isEmpty ? "none" : "one=1; two=2"
                        #expect(try client.get(url + "/show").text == expected)
                        _ = try client.get(url + "/set")
                    }
                }
                #expect(try HTTP.get(url + "/set").text == "none")
            }
        }
    }
}
