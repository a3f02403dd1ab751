#if Tracing
    import HTTPTypes
    import InMemoryTracing
    import Swiftlet
    import SwiftletHTTP
    import SwiftletTracing
    import TestSupport
    import Testing
    import Tracing

    @Suite struct TracingTests {
        private struct Trouble: Error {}

        /// A request to a handler that asks another server: one trace, through both spellings of handlers.
        @Test(arguments: [false, true])
        func aTraceGoesThroughServersAndClients(isAsync: Bool) async throws {
            let tracer = InMemoryTracer()
            try await onLoop {
                func server(_ routes: (HTTPServer) -> Void) throws -> (HTTPServer, String) {
                    var configuration = HTTPServer.Configuration()
                    configuration.port = 0
                    let server = HTTPServer(configuration)
                    server.useTracing(tracer)
                    routes(server)
                    try server.start()
                    return (server, "http://127.0.0.1:\(server.port)")
                }
                var settings = HTTPClient.Configuration()
                settings.middlewares = [HTTPClientTracing(tracer)]
                let client = HTTPClient(settings)
                defer { client.close() }
                let (inner, innerURL) = try server { server in
                    server.get("/inner") { _ in
                        // The stack parks, and others run meanwhile, with contexts of their own.
                        try sleep(.milliseconds(10))
                        return "deep"
                    }
                }
                let (outer, outerURL) = try server { server in
                    if isAsync {
                        server.get("/outer") { (_: HTTPServerRequest) async throws -> HTTPServerResponse in
                            HTTPServerResponse(try await client.get(innerURL + "/inner").text)
                        }
                    } else {
                        server.get("/outer") { (_: HTTPServerRequest) throws -> HTTPServerResponse in
                            HTTPServerResponse(try client.get(innerURL + "/inner").text)
                        }
                    }
                }
                let fibers = (0..<5).map { _ in spawn { try client.get(outerURL + "/outer").text } }
                for fiber in fibers { #expect(try fiber.get() == "deep") }
                try outer.stop()
                try inner.stop()
            }
            let spans = tracer.finishedSpans
            #expect(spans.count == 20)
            let roots = spans.filter { $0.parentSpanID == nil }
            #expect(roots.count == 5 && roots.allSatisfy { $0.kind == .client })
            for root in roots {
                // client -> server -> client -> server, all of one trace.
                var chain = [root]
                while let next = spans.first(where: { $0.parentSpanID == chain.last?.spanID }) { chain.append(next) }
                #expect(chain.map(\.kind) == [.client, .server, .client, .server])
                #expect(Set(chain.map(\.traceID)).count == 1)
                #expect(chain.allSatisfy { $0.operationName == "GET" })
                #expect(chain.last?.attributes["url.path"]?.toSpanAttribute() == "/inner".toSpanAttribute())
            }
        }

        @Test func failuresAreMarked() async throws {
            let tracer = InMemoryTracer()
            try await onLoop {
                var configuration = HTTPServer.Configuration()
                configuration.port = 0
                let server = HTTPServer(configuration)
                server.useTracing(tracer)
                server.get("/trouble") { (_: HTTPServerRequest) throws -> HTTPServerResponse in throw Trouble() }
                server.get("/gone") { (_: HTTPServerRequest) throws -> HTTPServerResponse in throw HTTPAbort(.gone) }
                try server.start()
                try HTTPClient.with { client throws in
                    for path in ["/trouble", "/gone", "/none"] {
                        _ = try client.get("http://127.0.0.1:\(server.port)\(path)")
                    }
                }
                try server.stop()
            }
            let spans = tracer.finishedSpans
            #expect(spans.map { $0.status?.code } == [.error, nil, nil])
            #expect(spans[0].errors.count == 1)
            #expect(spans[1].attributes["http.response.status_code"]?.toSpanAttribute() == 410.toSpanAttribute())
        }
    }
#endif
