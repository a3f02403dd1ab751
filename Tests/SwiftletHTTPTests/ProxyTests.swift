import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct ProxyTests {
    @Test func asksForWholeURLs() async throws {
        try await onLoop {
            let proxy = try ScriptedServer()
            proxy.play([
                [
                    answer("one"), answer("two", status: "302 Found", fields: "Location: http://b.test/x\r\n"),
                    answer("three"),
                ]
            ])
            let address = try HTTPURL("http://me:secret@127.0.0.1:\(proxy.listener.port)")
            let configuration = configured { $0.proxies = .all(HTTPProxy(address), except: ["localhost"]) }
            try HTTPClient.with(configuration) { client throws in
                // The names need not exist: the proxy looks them up. One connection serves for all hosts.
                #expect(try client.get("http://a.test:8080/p?q").text == "one")
                #expect(try client.get("http://a.test/").text == "three")
                let requests = proxy.requests.withLock { $0 }
                #expect(requests[0].hasPrefix("GET http://a.test:8080/p?q HTTP/1.1\r\nHost: a.test:8080\r\n"))
                #expect(requests[2].hasPrefix("GET http://b.test/x HTTP/1.1\r\nHost: b.test\r\n"))
                #expect(requests.allSatisfy { $0.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n") })
                #expect(client.statistics.openedConnections == 1)

                let direct = try ScriptedServer()
                direct.play([[answer("direct")]])
                #expect(try client.get("http://localhost:\(direct.listener.port)/").text == "direct")
                #expect(!direct.requests.withLock { $0[0] }.contains("Proxy-Authorization"))
            }
        }
    }

    @Test func readsTheEnvironment() throws {
        func proxies(_ variables: [String: String]) -> HTTPProxies.Environment { .init { variables[$0] } }
        let both = proxies([
            "http_proxy": "proxy:3128", "HTTPS_PROXY": "http://secure:3129", "no_proxy": "a.test, .b.test,10.0.0.1:80",
        ])
        #expect(both.proxy(for: try HTTPURL("http://x.test/"))?.url.authority == "proxy:3128")
        #expect(both.proxy(for: try HTTPURL("https://x.test/"))?.url.authority == "secure:3129")
        for host in ["a.test", "sub.a.test", "b.test", "c.b.test", "10.0.0.1"] {
            #expect(both.proxy(for: try HTTPURL("http://\(host)/")) == nil, "\(host)")
        }
        for host in ["xa.test", "10.0.0.1:81", "test"] {
            #expect(both.proxy(for: try HTTPURL("http://\(host)/")) != nil, "\(host)")
        }
        #expect(proxies(["all_proxy": "p:1"]).proxy(for: try HTTPURL("https://x.test/")) != nil)
        #expect(proxies(["http_proxy": "p:1", "no_proxy": "*"]).proxy(for: try HTTPURL("http://x.test/")) == nil)
        // A field of a request to a CGI program must not choose its proxy.
        #expect(proxies(["HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"]).http == nil)
        #expect(proxies(["HTTP_PROXY": "p:1"]).http != nil)
        #expect(proxies([:]).http == nil && proxies(["http_proxy": "ftp://x"]).http == nil)
        #expect(HTTPProxies.isExcepted(try HTTPURL("http://[::1]/"), ["[::1]"]))
    }
}
