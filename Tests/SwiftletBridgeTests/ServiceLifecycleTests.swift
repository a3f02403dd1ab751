#if ServiceLifecycle
    import Logging
    import ServiceLifecycle
    import Swiftlet
    import SwiftletHTTP
    import SwiftletServiceLifecycle
    import TestSupport
    import Testing

    @Suite struct ServiceLifecycleTests {
        private func makeServer(_ asked: Waiter<Void>) -> HTTPServer {
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration)
            server.get("/") { _ in
                asked.resume(returning: ())
                try sleep(.milliseconds(100))
                return "finished"
            }
            return server
        }

        private func makeGroup(_ server: HTTPServer) -> ServiceGroup {
            ServiceGroup(
                services: [HTTPService(server)], gracefulShutdownSignals: [], cancellationSignals: [],
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        @Test func aGracefulShutdownFinishesWhatIsUnderWay() async throws {
            try await onTaskLoop { _ in
                let asked = Waiter<Void>()
                let server = makeServer(asked)
                let group = makeGroup(server)
                let running = Task { try await group.run() }
                while server.port == 0 { await Task.yield() }
                let port = server.port
                let client = Task { try await HTTP.get("http://127.0.0.1:\(port)/").text }
                _ = try await asked.wait()
                await group.triggerGracefulShutdown()
                #expect(try await client.value == "finished")
                try await running.value
                await #expect(throws: HTTPClientError.self) { try await HTTP.get("http://127.0.0.1:\(port)/") }
            }
        }

        @Test func aCancelledGroupStopsTheServerAtOnce() async throws {
            try await onTaskLoop { _ in
                let asked = Waiter<Void>()
                let server = makeServer(asked)
                let group = makeGroup(server)
                let running = Task { try await group.run() }
                while server.port == 0 { await Task.yield() }
                let port = server.port
                running.cancel()
                _ = await running.result
                await #expect(throws: HTTPClientError.self) { try await HTTP.get("http://127.0.0.1:\(port)/") }
            }
        }

        @Test func aShutdownBeforeTheStartIsNotMissed() async throws {
            // Whether it parks depends on who is first.
            try await onTaskLoop(parks: false) { _ in
                let group = makeGroup(makeServer(Waiter()))
                let running = Task { try await group.run() }
                await group.triggerGracefulShutdown()
                try await running.value
            }
        }
    }
#endif
