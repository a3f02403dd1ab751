#if TLS
    import Glibc
    import HTTPTypes
    import Swiftlet
    import Synchronization
    import TestSupport
    import Testing

    @testable import SwiftletHTTP

    /// https: verified, kept, tunnelled.
    @Suite struct ClientTLSTests {
        /// A certificate of its own authority for localhost, as files.
        private static let files: (certificate: String, key: String) = {
            let base = "/tmp/swiftlet-https-\(getpid())"
            let status = system(
                """
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout \(base).key -out \(base).pem 2>/dev/null
                """)
            precondition(status == 0, "the openssl program could not make a certificate")
            return ("\(base).pem", "\(base).key")
        }()

        /// Answers each request over TLS with its own head, in a fiber; `isTunnel` expects a CONNECT in front.
        private func serve(_ listener: TCPListener, isTunnel: Bool, _ heads: SharedJournal<String>) throws {
            let configuration = try TLSServerConfiguration(
                certificateFile: Self.files.certificate, privateKeyFile: Self.files.key)
            spawn {
                while true {
                    let connection = try listener.accept()
                    spawn {
                        if isTunnel {
                            heads.note(try self.readHead(connection) ?? "")
                            try connection.write("HTTP/1.1 200 Connection established\r\n\r\n")
                        }
                        let stream = try TLSStream.server(over: connection, configuration: configuration)
                        defer { stream.close() }
                        while let head = try self.readHead(stream) {
                            heads.note(head)
                            try stream.write(answer("over TLS"))
                        }
                    }
                }
            }
        }

        private func readHead(_ stream: any ByteStream) throws -> String? {
            var head: [UInt8] = []
            while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
                var byte: UInt8 = 0
                let count = try withUnsafeMutableBytes(of: &byte) { try stream.read(into: $0, until: nil) }
                if count == 0 { return nil }
                head.append(byte)
            }
            return String(decoding: head, as: UTF8.self)
        }

        private func trusting(_ change: (inout HTTPClient.Configuration) -> Void = { _ in }) -> HTTPClient.Configuration
        {
            configured {
                $0.tls.trustRoots = .file(Self.files.certificate)
                change(&$0)
            }
        }

        @Test func verifiesAndKeepsConnections() async throws {
            try await onLoop {
                let listener = try TCPListener()
                let heads = SharedJournal<String>()
                try serve(listener, isTunnel: false, heads)
                let steps = Mutex<[String]>([])
                let configuration = trusting {
                    $0.trace = { event in steps.withLock { $0.append("\(event.step)".prefix { $0 != "(" }.description) }
                    }
                }
                let url = "https://localhost:\(listener.port)/"
                try HTTPClient.with(configuration) { client throws in
                    for _ in 0..<3 { #expect(try client.get(url).text == "over TLS") }
                    #expect(client.statistics.openedConnections == 1)
                    #expect(steps.withLock { $0.filter { $0.hasPrefix("tls") } } == ["tlsStarted", "tlsDone"])
                    // In clear, and under another name, it is another connection.
                    #expect(try client.get("https://127.0.0.1:\(listener.port)/").text == "over TLS")
                    #expect(client.statistics.openedConnections == 2)
                    _ = try? client.get("http://localhost:\(listener.port)/", timeout: .milliseconds(200))
                    #expect(client.statistics.openedConnections == 3)
                }
                try HTTPClient.with { client throws in
                    let error = try failure(HTTPClientError.self) { try client.get(url) }
                    #expect(error.phase == .tls && error.isConnectionFailure)
                    #expect((error.cause as? TLSError)?.phase == .handshake)
                    #expect(client.pool.counts == (0, 0, 0))
                }
            }
        }

        /// aiohttp #1115, #1925, #2039, #7328: closing did not wait for TLS, so programs slept for 0.25 s.
        @Test func endsCleanlyAndAtOnce() async throws {
            try await onLoop {
                let listener = try TCPListener()
                let endings = SharedJournal<String>()
                let configuration = try TLSServerConfiguration(
                    certificateFile: Self.files.certificate, privateKeyFile: Self.files.key)
                try configuration.prepare()
                let count = 20
                let server = spawn {
                    for _ in 0..<count {
                        let connection = try listener.accept()
                        let stream = try TLSStream.server(over: connection, configuration: configuration)
                        defer { stream.close() }
                        do {
                            while try self.readHead(stream) != nil { try stream.write(answer("over TLS")) }
                            endings.note("goodbye")
                        } catch {
                            endings.note("\(error)")
                        }
                    }
                }
                let client = trusting()
                let url = "https://localhost:\(listener.port)/"
                for number in 1...count {
                    try HTTPClient.with(client) { client throws in
                        #expect(try client.get(url).text == "over TLS")
                    }
                    // Nothing is waited for but the server's next turns.
                    let deadline = Deadline.after(.seconds(60))
                    while endings.entries.count < number, .now < deadline { try yield() }
                    #expect(endings.entries.count == number)
                }
                try server.get()
                // The goodbye comes before the end of the stream: nothing can have been cut off.
                #expect(endings.entries == Array(repeating: "goodbye", count: count))
            }
        }

        @Test func goesThroughTunnels() async throws {
            try await onLoop {
                let listener = try TCPListener()
                let heads = SharedJournal<String>()
                try serve(listener, isTunnel: true, heads)
                let proxy = HTTPProxy(
                    try HTTPURL("http://me:secret@127.0.0.1:\(listener.port)"),
                    headers: [HTTPField.Name("X-Tenant")!: "seven"])
                try HTTPClient.with(trusting { $0.proxies = .all(proxy) }) { client throws in
                    for _ in 0..<2 { #expect(try client.get("https://localhost:8443/path").text == "over TLS") }
                    let seen = heads.entries
                    #expect(seen.count == 3)
                    #expect(seen[0].hasPrefix("CONNECT localhost:8443 HTTP/1.1\r\nHost: localhost:8443\r\n"))
                    #expect(seen[0].contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\nX-Tenant: seven\r\n"))
                    // The server behind learns nothing of the proxy's credentials.
                    #expect(
                        seen[1].hasPrefix("GET /path HTTP/1.1\r\n") && !seen[1].contains("Proxy-")
                            && !seen[1].contains("X-Tenant"))
                }
                let refusing = try ScriptedServer()
                refusing.play([
                    [answer("", status: "407 Proxy Authentication Required")], [answer("", status: "200 OK") + "x"],
                ])
                let closed = HTTPProxy(try HTTPURL(refusing.url))
                try HTTPClient.with(trusting { $0.proxies = .all(closed) }) { client throws in
                    let error = try failure(HTTPClientError.self) { try client.get("https://localhost/") }
                    #expect(error.cause as? HTTPRequestFault == .proxyRefused(status: 407) && error.phase == .proxy)
                    #expect(throws: HTTPClientError.self) { try client.get("https://localhost/") }
                    #expect(client.pool.counts == (0, 0, 0))
                }
            }
        }
    }
#endif
