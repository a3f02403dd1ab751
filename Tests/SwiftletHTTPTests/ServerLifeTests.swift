import Glibc
import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

extension HTTPAttribute<String> {
    fileprivate static var user: HTTPAttribute<String> { HTTPAttribute("user") }
}

@Suite struct ServerLifeTests {
    private struct Unlucky: Error {}

    @Test("Hooks and background work: in order, around the requests")
    func hooks() async throws {
        let journal = SharedJournal<String>()
        let inner = HTTPApplication()
        inner.onStart { () async throws in
            await Task.yield()
            journal.note("inner start")
        }
        inner.onCleanup { () throws in journal.note("inner cleanup") }
        let application = HTTPApplication()
        application.mount("/inner", inner)
        application.onStart { () throws in journal.note("start") }
        application.onStop { () throws in journal.note("stop") }
        application.onCleanup { () throws in journal.note("cleanup") }
        application.background("ticker") { () throws in
            defer { journal.note("ticker ends") }
            journal.note("ticker")
            try sleep(.seconds(3600))
        }
        application.get("/") { _ in
            journal.note("request")
            return ""
        }
        let expected = [
            "start", "inner start", "ticker", "request", "stop", "ticker ends", "inner cleanup", "cleanup",
        ]
        try await onLoop {
            try HTTPTestClient.with(application) { _ = try $0.get("/") }
            #expect(journal.entries == expected)
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration, application: application)
            try server.start()
            _ = try HTTPClient().get("http://127.0.0.1:\(server.port)/")
            try server.stop()
            #expect(journal.entries == expected + expected)
        }
    }

    @Test("A start hook that fails keeps the server from starting, and its port free")
    func failingHook() async throws {
        try await onLoop(parks: false) {
            let application = HTTPApplication()
            let fails = Mutex(true)
            application.onStart { () throws in if fails.withLock({ $0 }) { throw Unlucky() } }
            let port = try TCPListener().port
            var configuration = HTTPServer.Configuration()
            configuration.port = port
            let server = HTTPServer(configuration, application: application)
            #expect(throws: Unlucky.self) { try server.start() }
            fails.withLock { $0 = false }
            try server.start()
            try server.stop()
        }
    }

    @Test("What a handler leaves behind ends with the server")
    func background() async throws {
        let ended = Tally()
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration)
            server.get("/") { [unowned server] _ in
                server.spawnBackground(name: "fiber") { () throws in
                    defer { ended.add() }
                    try sleep(.seconds(3600))
                }
                server.spawnBackground(name: "task") { () async throws in
                    defer { ended.add() }
                    try await Task.sleep(for: .seconds(3600))
                }
                return ""
            }
            try server.start()
            _ = try HTTPClient().get("http://127.0.0.1:\(server.port)/")
            try yield()
            #expect(ended.count == 0)
            try server.stop()
            #expect(ended.count == 2)
        }
    }

    @Test("Attributes go from middleware to handler")
    func attributes() async throws {
        let application = HTTPApplication()
        application.use { request, next in
            request[.user] = request.queryValue("user")
            return try next(request)
        }
        application.get("/") { request in "\(request[.user] ?? "nobody") \(request[HTTPAttribute<Int>("user")] ?? 0)" }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                #expect(try client.get("/?user=ada").text == "ada 0")
                #expect(try client.get("/").text == "nobody 0")
            }
        }
    }

    @Test("Errors by type, and an error page that fails")
    func errors() async throws {
        ReportLog.begin()
        let application = HTTPApplication()
        application.get("/unlucky") { _ in throw Unlucky() }
        application.get("/other") { _ in throw Failure(1) }
        application.onError(Unlucky.self) { _, _ in HTTPServerResponse("bad luck", status: .init(code: 418)) }
        application.errorPage(.internalServerError) { _, _ in throw Failure(2) }
        try await onLoop {
            try HTTPTestClient.with(application) { client throws in
                let teapot = try client.get("/unlucky")
                #expect(teapot.status == .init(code: 418))
                #expect(teapot.text == "bad luck")
                #expect(try client.get("/other").status == .internalServerError)
            }
        }
        #expect(ReportLog.reports(containing: "and its error page Failure(number: 2)").count == 1)
    }

    /// A server whose handler waits for ever, and says so and how it ended.
    private func withWaiting(
        _ configuration: HTTPServer.Configuration = .init(), isAsync: Bool = false,
        _ body: (HTTPServer, Waiter<Void>, Waiter<Void>) throws -> Void
    ) throws {
        let (began, cancelled) = (Waiter<Void>(), Waiter<Void>())
        let routes: (HTTPServer) -> Void = { server in
            if isAsync {
                server.get("/wait") { _ async throws in
                    began.resume(returning: ())
                    do { try await Task.sleep(for: .seconds(3600)) } catch { cancelled.resume(returning: ()) }
                    return ""
                }
            } else {
                server.get("/wait") { _ in
                    began.resume(returning: ())
                    do { try sleep(.seconds(3600)) } catch { cancelled.resume(returning: ()) }
                    return ""
                }
            }
        }
        try withServer(routes, configuration) { server, _ throws in try body(server, began, cancelled) }
    }

    @Test("A client that is lost cancels its handler, wherever that waits", arguments: [false, true])
    func reset(isAsync: Bool) async throws {
        try await onLoop {
            try withWaiting(isAsync: isAsync) { server, began, cancelled throws in
                let connection = RawClient(port: server.port)
                connection.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try began.wait(until: .after(.seconds(60)))
                connection.reset()
                #expect(try cancelled.wait(until: .after(.seconds(60))) != nil)
            }
        }
    }

    @Test("A client that has left is found out; one that has only ended its side gets its answer")
    func leaves() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.goneClientCheck = .milliseconds(50)
            try withWaiting(configuration) { server, began, cancelled throws in
                let connection = RawClient(port: server.port)
                connection.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try began.wait(until: .after(.seconds(60)))
                connection.close()
                #expect(try cancelled.wait(until: .after(.seconds(60))) != nil)
            }
            try withServer(
                { server in
                    server.get("/") { _ in
                        try sleep(.milliseconds(200))
                        return "patience"
                    }
                }, configuration
            ) { server, _ throws in
                for version in ["1.1", "1.0"] {
                    let text = try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                        try connection.write("GET / HTTP/\(version)\r\nHost: a\r\n\r\n")
                        try connection.closeWriting()
                        return String(decoding: try connection.readToEnd(), as: UTF8.self)
                    }
                    #expect(text.hasSuffix("patience"))
                    #expect(text.hasPrefix("HTTP/1.1 100 Continue\r\n\r\n") == (version == "1.1"))
                }
            }
        }
    }

    @Test("One request at a time, and an idle kept connection stops nobody")
    func oneAtATime() async throws {
        let running = Atomic(0)
        let most = Atomic(0)
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.requestLimit = 1
            try withServer(
                { server in
                    server.get("/") { _ in
                        most.max(running.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
                        defer { running.subtract(1, ordering: .relaxed) }
                        try sleep(.milliseconds(5))
                        return "done"
                    }
                }, configuration
            ) { _, url throws in
                let clients = (0..<5).map { _ in HTTPClient() }
                for _ in 0..<2 {
                    let fibers = clients.map { client in spawn { try client.get(url + "/").text } }
                    for fiber in fibers { #expect(try fiber.get() == "done") }
                }
            }
        }
        #expect(most.load(ordering: .relaxed) == 1)
    }

    @Test("Beyond the limit connections wait to be accepted")
    func connectionLimit() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.connectionLimit = 2
            configuration.idleTimeout = .milliseconds(300)
            try withServer({ $0.get("/") { _ in "here" } }, configuration) { server, url throws in
                let idle = try (0..<2).map { _ in try TCPConnection.connect(to: "127.0.0.1", port: server.port) }
                #expect(try HTTPClient().get(url + "/").text == "here")  // once the idle ones have been given up
                for connection in idle { #expect(try connection.readToEnd().isEmpty) }
            }
        }
    }

    @Test("A refusal reaches a client that goes on sending")
    func lingers() async throws {
        try await onLoop {
            try withServer({ $0.post("/") { "\(try $0.bytes().count)" } }) { server, _ throws in
                for _ in 0..<20 {
                    try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                        connection.timeout = .seconds(10)
                        let sending = spawn {
                            try connection.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n")
                            try connection.write([UInt8](repeating: 0, count: 8_000_000))
                        }
                        let text = String(decoding: try connection.readToEnd(), as: UTF8.self)
                        #expect(text.hasPrefix("HTTP/1.1 413 "))
                        try sending.get(timeout: .seconds(10))
                    }
                }
            }
        }
    }

    @Test("Who still runs is named when the grace is over")
    func namesWhoRuns() async throws {
        try await onLoop {
            try withWaiting { server, began, cancelled throws in
                let client = spawn { try HTTPClient().get("http://127.0.0.1:\(server.port)/wait") }
                _ = try began.wait()
                try server.stop(grace: .milliseconds(20))
                #expect(try cancelled.wait(until: .after(.seconds(60))) != nil)
                #expect(throws: HTTPClientError.self) { try client.get() }
                #expect(
                    ReportLog.reports(containing: "under way, and cancelled them: GET /wait from 127.0.0.1:").count > 0)
            }
        }
    }
}

/// A client by plain system calls, that leaves in different ways.
private struct RawClient {
    private let number: CInt

    init(port: Int) {
        number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(status == 0)
    }

    func send(_ text: String) { _ = text.withCString { Glibc.send(number, $0, strlen($0), 0) } }

    func close() { _ = Glibc.close(number) }

    /// Breaks the connection.
    func reset() {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(number, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close()
    }
}
