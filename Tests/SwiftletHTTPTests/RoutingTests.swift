import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct RoutingTests {
    /// Asks each path and compares what comes.
    private func check(
        _ application: HTTPApplication, _ expected: [(String, String)], at place: SourceLocation = #_sourceLocation
    ) async throws {
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                for (path, text) in expected {
                    #expect(try client.get(path).text == text, "\(path)", sourceLocation: place)
                }
            }
        }
    }

    @Test("Parameters: whole segments, kinds, the rest of a path; literals go first")
    func parameters() async throws {
        let application = HTTPApplication()
        application.get("/users/{id:int}") { "int \(try $0.parameter("id", as: Int.self))" }
        application.get("/users/{name}") { "text \($0.parameters["name"]!)" }
        application.get("/users/{key:uuid}") { "uuid \($0.parameters["key"]!)" }
        application.get("/users/me") { _ in "me" }
        application.get("/users/{name}/files/{file:path}") { "\($0.parameters)" }
        application.get("/{a}/b") { "b of \($0.parameters["a"]!)" }
        application.get("/users/x/{rest:path}") { "rest \($0.parameters["rest"]!)" }
        try await check(
            application,
            [
                ("/users/me", "me"), ("/users/42", "int 42"), ("/users/-1", "int -1"), ("/users/+1", "text +1"),
                ("/users/99999999999999999999", "text 99999999999999999999"), ("/users/ada", "text ada"),
                ("/users/a%2Fb%20c", "text a/b c"),
                ("/users/123e4567-e89b-12d3-a456-426614174000", "uuid 123e4567-e89b-12d3-a456-426614174000"),
                ("/users/123e4567-e89b-12d3-a456-42661417400g", "text 123e4567-e89b-12d3-a456-42661417400g"),
                ("/users/ada/files/a/b.txt", "name=ada file=a/b.txt"), ("/users/ada/files/", "name=ada file="),
                ("/users/b", "text b"), ("/x/b", "b of x"), ("/users/x/y/z", "rest y/z"),
                ("/users/", "404 Not Found\n"), ("/users/ada/none", "404 Not Found\n"),
            ])
    }

    @Test("A literal that leads nowhere gives way to a parameter")
    func backtracking() async throws {
        let application = HTTPApplication()
        application.get("/a/b/c") { _ in "literal" }
        application.get("/{x}/b/d") { "parameter \($0.parameters["x"]!)" }
        application.get("/{all:path}") { "all \($0.parameters["all"]!)" }
        try await check(
            application, [("/a/b/c", "literal"), ("/a/b/d", "parameter a"), ("/a/b/e", "all a/b/e"), ("/", "all ")])
    }

    @Test("Applications inside of applications, each with its middlewares, error pages and fallback")
    func mounts() async throws {
        func naming(_ name: String) -> @Sendable (HTTPServerRequest, HTTPNextHandler) throws -> HTTPServerResponse {
            { request, next in
                var response = try next(request)
                response.body = .init("\(name)(\(String(decoding: response.body.bytes ?? [], as: UTF8.self)))")
                return response
            }
        }
        let inner = HTTPApplication()
        inner.use(naming("inner"))
        inner.get("/") { _ in "index" }
        inner.get("/{id:int}", name: "item") { "item \($0.parameters["id"]!) of \($0.parameters["tenant"]!)" }
        inner.errorPage(.notFound) { request, _ in "inner has no \(request.path)" }
        let other = HTTPApplication()
        other.fallback { "fallback \($0.path)" }
        // It holds itself from now on, which is what the address sanitizer calls a leak.
        if !Sanitizer.isAddress { other.mount("/again", other) }
        let application = HTTPApplication()
        application.use(naming("outer"))
        application.use { request, next async throws in
            await Task.yield()
            return try await next(request).adding(.server, "async")
        }
        application.get("/plain") { _ in "plain" }
        application.get("/abort") { _ in throw HTTPAbort(.conflict, "taken", headers: [.retryAfter: "1"]) }
        application.mount("/{tenant}/items", inner)
        application.mount("/other/", other)
        application.errorPage(.notFound) { request, abort in "outer: \(abort.status.code) \(request.path)" }
        application.errorPage(.conflict) { _, abort in HTTPServerResponse(abort.reason ?? "", status: .gone) }
        try await check(
            application,
            [
                ("/plain", "outer(plain)"), ("/t/items/", "outer(inner(index))"),
                ("/t/items/7", "outer(inner(item 7 of t))"), ("/t/items/x", "inner has no /t/items/x"),
                ("/none", "outer: 404 /none"), ("/other/x/y", "outer(fallback /other/x/y)"),
                ("/other", "outer(fallback /other)"), ("/otherwise", "outer: 404 /otherwise"),
            ])
        #expect(try application.path(of: "item", ["tenant": "a b/c%", "id": "7"]) == "/a%20b%2Fc%25/items/7")
        for parameters in [["tenant": "a"], ["tenant": "", "id": "7"], ["tenant": "a", "id": "x"]] {
            #expect(throws: HTTPRouteError.self) { try application.path(of: "item", parameters) }
        }
        #expect(throws: HTTPRouteError.self) { try application.path(of: "unknown") }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                #expect(try client.get("/t/items").headers[.location] == "/t/items/")
                #expect(try client.get("/plain").headers[.server] == "async")
                let conflict = try client.get("/abort")
                #expect(conflict.status == .gone)
                #expect(conflict.text == "taken")
                #expect(conflict.headers[.retryAfter] == "1")
            }
        }
    }

    @Test("Methods: HEAD, OPTIONS, 405 with Allow, 501 for what nobody knows")
    func methods() async throws {
        let application = HTTPApplication()
        application.get("/a") { _ in "get" }
        application.put("/a") { _ async in "put" }
        application.route("/{x}", methods: [HTTPRequest.Method("BREW")!]) { _ in "tea" }
        application.errorPage(.methodNotAllowed) { _, _ in "no" }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                func ask(_ method: String, _ path: String) throws -> HTTPTestClient.Response {
                    try client.send(HTTPRequest.Method(method)!, path)
                }
                #expect(try ask("HEAD", "/a").headers[.contentLength] == "3")
                #expect(try ask("PUT", "/a").text == "put")
                let options = try ask("OPTIONS", "/a")
                #expect(options.status == .noContent)
                #expect(options.headers[.allow] == "GET, PUT, HEAD, OPTIONS")
                #expect(try ask("OPTIONS", "*").headers[.allow]?.contains("BREW") == true)
                let refused = try ask("POST", "/a")
                #expect(refused.status == .methodNotAllowed)
                #expect(refused.text == "no")
                #expect(refused.headers[.allow] == "GET, PUT, HEAD, OPTIONS")
                #expect(try ask("BREW", "/b").text == "tea")
                #expect(try ask("BREW", "/none/x").status == .notFound)
                for path in ["/a", "/none/x"] { #expect(try ask("STIR", path).status == .notImplemented) }
            }
        }
    }

    @Test("Regular expressions: the whole segment; behind kinds, before text")
    func expressions() async throws {
        let application = HTTPApplication()
        application.get("/{year:[0-9]{4}}/{slug:[a-z-]+}") { "\($0.parameters)" }
        application.get("/{name}/{rest}") { "text \($0.parameters)" }
        application.get("/v/{n:int}") { _ in "int" }
        application.get("/v/{n:[0-9a-f]+}") { _ in "hexadecimal" }
        application.get("/named/{word:a|b}", name: "named") { _ in "named" }
        try await check(
            application,
            [
                ("/2026/a-post", "year=2026 slug=a-post"), ("/20267/a-post", "text name=20267 rest=a-post"),
                ("/2026/A", "text name=2026 rest=A"), ("/v/12", "int"), ("/v/1f", "hexadecimal"),
                ("/v/x", "text name=v rest=x"),
                ("/named/b", "named"),
            ])
        #expect(try application.path(of: "named", ["word": "a"]) == "/named/a")
        #expect(throws: HTTPRouteError.self) { try application.path(of: "named", ["word": "c"]) }
    }

    @Test("Routes that are none are refused when the server starts")
    func patterns() throws {
        for path in ["a", "", "/{}", "/{a}/{a}", "/{a:float}", "/x{a}", "/{a:path}/b", "/{a", "/{a:[}"] {
            let application = HTTPApplication()
            application.get(path) { _ in "" }
            let error = try failure(HTTPRouteError.self) { try HTTPServer(application: application).start() }
            #expect(error.route == path)
        }
    }

    @Test("Redirects stay on this server")
    func redirects() async throws {
        let application = HTTPApplication()
        application.get("/{x}/{y}/") { _ in "" }
        application.get("/away") { _ in .redirect(to: "/a b?c=ü", status: .seeOther) }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                #expect(try client.get("//evil.example").headers[.location] == nil)
                #expect(try client.get("/a%2F/b?q").headers[.location] == "/a%2F/b/?q")
                let away = try client.get("/away")
                #expect(away.status == .seeOther)
                #expect(away.headers[.location] == "/a%20b?c=%C3%BC")
            }
        }
    }
}
