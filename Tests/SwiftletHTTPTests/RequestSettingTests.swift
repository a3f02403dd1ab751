import HTTPTypes
import Swiftlet
import SwiftletTesting
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

/// What a request does otherwise than its client.
@Suite struct RequestSettingTests {
    /// Puts its name at the User-Agent's end.
    private struct Tag: HTTPClientMiddleware {
        let name: String

        func send(
            _ request: HTTPClientRequest, next: (HTTPClientRequest) throws -> HTTPResponseStream
        ) throws -> HTTPResponseStream {
            var request = request
            request.headers[.userAgent] = (request.headers[.userAgent] ?? "") + name
            return try next(request)
        }
    }

    @Test("Redirect limit and middlewares")
    func redirectsAndMiddlewares() async throws {
        try await onLoop {
            func routes(_ server: HTTPServer) {
                server.get("/") { HTTPServerResponse($0.headers[.userAgent] ?? "") }
                server.get("/moved") { _ in .redirect(to: "/") }
            }
            try withServer({ routes($0) }) { _, url throws in
                try HTTPClient.with(configured { $0.middlewares = [Tag(name: "client")] }) { client throws in
                    var request = try client.request(.get, url + "/moved")
                    request.redirectLimit = .own(0)
                    let moved = try failure(HTTPClientError.self) { try client.send(request) }
                    #expect(moved.cause as? HTTPRequestFault == .tooManyRedirects(limit: 0))
                    request.redirectLimit = .own(1)
                    #expect(try client.send(request).text == "client")
                    request.redirectLimit = .ofClient
                    #expect(try client.send(request).text == "client")

                    request = try client.request(.get, url + "/")
                    request.middlewares = .own([Tag(name: "a"), Tag(name: "b")])
                    #expect(try client.send(request).text == "ab")
                    request.middlewares = .own([])
                    #expect(try client.send(request).text == "Swiftlet")
                    request.middlewares = .ofClient
                    #expect(try client.send(request).text == "client")
                }
            }
        }
    }

    @Test("A proxy, and none where the client has one")
    func proxies() async throws {
        try await onLoop {
            let proxy = try ScriptedServer()
            proxy.play([[answer("by proxy")], [answer("by proxy")]])
            let other = try ScriptedServer()
            other.play([[answer("directly")], [answer("directly")]])
            let proxies = HTTPProxies.all(HTTPProxy(try HTTPURL(proxy.url)))
            try HTTPClient.with { client throws in
                var request = try client.request(.get, "http://a.test/")
                request.proxies = .own(proxies)
                #expect(try client.send(request).text == "by proxy")
                #expect(proxy.requests.withLock { $0[0] }.hasPrefix("GET http://a.test/ HTTP/1.1\r\n"))
            }
            try HTTPClient.with(configured { $0.proxies = proxies }) { client throws in
                var request = try client.request(.get, other.url)
                #expect(try client.send(request).text == "by proxy")
                request.proxies = .own(.none)
                #expect(try client.send(request).text == "directly")
            }
        }
    }

    /// Runs the body in a client on a network of its own, beside a server at `http://server:8080` that answers `/slow` after
    /// 10 s. The times are the simulated clock's.
    private func onNetwork(
        _ change: @escaping @Sendable (inout HTTPClient.Configuration) -> Void,
        _ body: @escaping @Sendable (HTTPClient, SimulatedNetwork) throws -> Void
    ) throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 1, latency: .milliseconds(1)...(.milliseconds(1)))
            let server = HTTPServer()
            server.get("/") { _ in "at once" }
            server.get("/slow") { _ in
                try sleep(.seconds(10))
                return "late"
            }
            try network.run(on: "server") { try server.start() }
            try network.run(on: "client") {
                try HTTPClient.with(configured(change)) { client throws in try body(client, network) }
            }
            try server.stop(grace: .seconds(60))
        }
    }

    /// The error and the simulated time it took.
    private func timed(_ body: () throws -> some Any) throws -> (error: HTTPClientError, time: Duration) {
        let began = simulatedTime
        let error = try failure(HTTPClientError.self, of: body)
        return (error, simulatedTime - began)
    }

    @Test("The limit of connecting: a shorter one, and none")
    func connectTimeout() throws {
        try onNetwork {
            $0.connectTimeout = .seconds(5)
            $0.timeout = .seconds(40)
        } _: { client, network in
            network.partition(["server"])
            var request = try client.request(.get, "http://server:8080/")
            let clients = try timed { try client.send(request) }
            #expect(clients.error.timeout == .connect && clients.time.isAbout(.seconds(5)))

            request.connectTimeout = .milliseconds(700)
            let own = try timed { try client.send(request) }
            #expect(own.error.timeout == .connect && own.error.phase == .connect && own.error.isConnectionFailure)
            #expect(own.error.description.contains("connecting failed: the time limit `connectTimeout` of 700 ms"))
            #expect(own.time.isAbout(.milliseconds(700)))

            // What is left is the limit of the whole.
            request.connectTimeout = .unlimited
            let whole = try timed { try client.send(request) }
            #expect(whole.error.timeout == .total && whole.error.phase == .connect && whole.time.isAbout(.seconds(40)))
        }
    }

    @Test("The limit of silence: a shorter one, and none; a kept connection is the client's again")
    func readTimeout() throws {
        try onNetwork {
            $0.readTimeout = .seconds(5)
        } _: { client, _ in
            var request = try client.request(.get, "http://server:8080/slow")
            let clients = try timed { try client.send(request) }
            #expect(clients.error.timeout == .read && clients.time.isAbout(.seconds(5)))

            request.readTimeout = .seconds(2)
            let own = try timed { try client.send(request) }
            #expect(own.error.timeout == .read && own.error.description.contains("`readTimeout` of 2.0 s"))
            #expect(own.time.isAbout(.seconds(2)))

            request.readTimeout = .unlimited
            #expect(try client.send(request).text == "late")
            let opened = client.statistics.openedConnections
            let again = try timed { try client.get("http://server:8080/slow") }
            #expect(again.error.timeout == .read && again.time.isAbout(.seconds(5)))
            #expect(client.statistics.openedConnections == opened)
        }
    }

    @Test("The limit of the whole: a shorter one, and none")
    func timeout() throws {
        try onNetwork {
            $0.timeout = .seconds(4)
            $0.readTimeout = nil
        } _: { client, _ in
            var request = try client.request(.get, "http://server:8080/slow")
            let clients = try timed { try client.send(request) }
            #expect(clients.error.timeout == .total && clients.time.isAbout(.seconds(4)))
            request.timeout = .seconds(1)
            let own = try timed { try client.send(request) }
            #expect(own.error.description.contains("`timeout` of 1.0 s") && own.time.isAbout(.seconds(1)))
            request.timeout = .unlimited
            #expect(try client.send(request).text == "late")
        }
    }
}

extension Duration {
    /// So long, or a little longer.
    fileprivate func isAbout(_ other: Duration) -> Bool { self >= other && self < other + .milliseconds(100) }
}
