#if Metrics
    import CoreMetrics
    import MetricsTestKit
    import Swiftlet
    import SwiftletHTTP
    import SwiftletMetrics
    import TestSupport
    import Testing

    @Suite struct MetricsTests {
        @Test func serversAndClientsAreCounted() async throws {
            let factory = TestMetrics()
            try await onLoop {
                let metrics = HTTPServerMetrics(prefix: "server", factory: factory)
                var configuration = HTTPServer.Configuration()
                configuration.port = 0
                configuration.accessLog = { metrics.record($0) }
                let server = HTTPServer(configuration)
                server.get("/") { _ in
                    try sleep(.milliseconds(20))
                    return "hello"
                }
                try server.start()
                let url = "http://127.0.0.1:\(server.port)"
                var settings = HTTPClient.Configuration()
                settings.middlewares = [HTTPClientMetrics(prefix: "client", factory: factory)]
                try HTTPClient.with(settings) { client throws in
                    for _ in 0..<3 { _ = try client.get(url + "/") }
                    for number in 0..<5 { _ = try client.get("\(url)/none/\(number)") }
                    #expect(throws: HTTPClientError.self) { try client.get("http://127.0.0.1:1/") }
                }
                try server.stop()
            }
            func count(_ label: String, _ status: String) throws -> Int64 {
                try factory.expectCounter(label, [("method", "GET"), ("status", status)]).totalValue
            }
            for side in ["server", "client"] {
                #expect(try count("\(side)_requests_total", "200") == 3)
                // Paths make no metrics of their own.
                #expect(try count("\(side)_requests_total", "404") == 5)
                let times = try factory.expectTimer(
                    "\(side)_request_duration_seconds", [("method", "GET"), ("status", "200")]
                ).values
                #expect(times.count == 3 && times.allSatisfy { $0 >= 20_000_000 && $0 < 10_000_000_000 })
            }
            #expect(try count("server_response_bytes_total", "200") == 15)
            #expect(try count("client_requests_total", "error") == 1)
        }
    }
#endif
