#if TLS
    import HTTPTypes
    import Swiftlet
    import SwiftletHTTP
    import SwiftletNet
    import TestSupport
    import Testing

    @Suite struct HTTPSTests {
        private static func server(_ name: String = "server") throws -> HTTPServer {
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            configuration.tls = try TLSServerConfiguration(
                certificateFile: Certificates.file("\(name).pem"), privateKeyFile: Certificates.file("\(name).key"))
            configuration.tls?.applicationProtocols = ["http/1.1"]
            configuration.headTimeout = .milliseconds(300)
            let server = HTTPServer(configuration)
            server.get("/") { request in "\(request.scheme) \(request.remoteAddress.port)" }
            server.get("/large") { _ in HTTPServerResponse(String(repeating: "x", count: 3_000_000)) }
            try server.start()
            return server
        }

        private static var client: HTTPClient.Configuration {
            var configuration = HTTPClient.Configuration()
            configuration.tls.trustRoots = .file(Certificates.file("authority.pem"))
            return configuration
        }

        @Test func `A request over TLS; the connection is kept; the session is resumed`() async throws {
            try await onLoop {
                let server = try Self.server()
                let client = HTTPClient(Self.client)
                let url = "https://localhost:\(server.port)/"
                let texts = try (0..<3).map { _ in try client.get(url).text }
                #expect(Set(texts).count == 1 && texts[0].hasPrefix("https "))
                #expect(try client.get(url + "large").bytes.count == 3_000_000)
                let pages = try (0..<20).map { _ in spawn { try client.get(url).text } }.map { try $0.get() }
                #expect(pages.allSatisfy { $0.hasPrefix("https ") })
                client.close()
                try server.stop()
            }
        }

        @Test func `The async spelling`() async throws {
            try await onTaskLoop { _ in
                let server = try Self.server()
                let client = HTTPClient(Self.client)
                let response = try await client.get("https://127.0.0.1:\(server.port)/")
                #expect(response.text.hasPrefix("https "))
                client.close()
                try await server.stop()
            }
        }

        @Test func `A certificate that nobody vouches for; http to https; TLS to http`() async throws {
            try await onLoop {
                let server = try Self.server("alone")
                let client = HTTPClient(Self.client)
                let error = try failure(HTTPClientError.self) { try client.get("https://localhost:\(server.port)/") }
                guard let cause = error.cause as? TLSError, case .certificate(let problem) = cause.reason else {
                    Issue.record("\(error)")
                    return
                }
                #expect(problem.kind == .selfSigned && "\(error)".contains("make it a trust root"))
                #expect(throws: HTTPClientError.self) { try client.get("http://localhost:\(server.port)/") }
                let plain = try TCPListener()
                let answering = spawn {
                    let connection = try plain.accept()
                    try connection.write("HTTP/1.1 400 Bad Request\r\n\r\n")
                    _ = try connection.readToEnd()
                }
                let wrong = try failure(HTTPClientError.self) { try client.get("https://localhost:\(plain.port)/") }
                #expect((wrong.cause as? TLSError)?.reason == .notTLS)
                try answering.get()
                #expect(ReportLog.reports(containing: ":\(server.port)").isEmpty)
                client.close()
                try server.stop()
            }
        }

        @Test func `Who connects and says nothing is closed; a stop does not wait for it`() async throws {
            try await onLoop {
                let server = try Self.server()
                let silent = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                #expect(try silent.readToEnd(until: .after(.seconds(20))).isEmpty)
                let second = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                for _ in 0..<5 { try yield() }
                try server.stop(grace: .seconds(20))
                // Closed or reset: it has said nothing that could be answered.
                do { #expect(try second.readToEnd(until: .after(.seconds(20))).isEmpty) } catch is SocketError {}
            }
        }

        @Test func `curl and openssl's client`() async throws {
            let port = SharedJournal<Int>()
            let (started, stopped) = (Waiter<Void>(), Waiter<Void>())
            async let serving: Void = onLoop {
                let server = try Self.server()
                port.note(server.port)
                started.resume(returning: ())
                try stopped.wait()
                try server.stop()
            }
            try await started.wait()
            let number = port.entries[0]
            try await onFreshThread {
                let curl = try SpawnedProgram([
                    "curl", "-sv", "--cacert", Certificates.file("authority.pem"), "https://localhost:\(number)/",
                    "https://localhost:\(number)/",
                ])
                _ = curl.waitFor(/never said/)
                #expect(curl.end() == 0)
                #expect(curl.text.contains("ALPN: server accepted http/1.1"), "\(curl.text)")
                #expect(curl.text.contains("Re-using existing connection") && curl.text.contains("https "))
            }
            stopped.resume(returning: ())
            try await serving
        }
    }
#endif
