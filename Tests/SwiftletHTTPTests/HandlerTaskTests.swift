import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

/// Tasks that handle one request after the other: nothing of one is to be seen by the next.
@Suite struct HandlerTaskTests {
    @TaskLocal private static var word = "none"

    private func request() throws -> HTTPServerRequest {
        let head = try #require(try parseRequest("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).head
        let address = try #require(SocketAddress(numericHost: "127.0.0.1", port: 1))
        return HTTPServerRequest(
            head, bodySource: nil, bodyLimit: nil, origin: RequestOrigin(remoteAddress: address, scheme: "http"))
    }

    @Test("One that rests may be used again; one that handles, was ended or was cancelled may not")
    func reuse() async throws {
        try await onLoop {
            let request = try self.request()
            let task = HandlerTask(on: try EventLoop.current)
            #expect(!task.isReusable)
            let identity = SharedJournal<Int?>()
            for _ in 0..<2 {
                _ = try task.response(
                    of: { _ in
                        identity.note(withUnsafeCurrentTask { $0?.hashValue })
                        return "done"
                    }, to: request)
                #expect(task.isReusable)
            }
            #expect(identity.entries[0] != nil && identity.entries[0] == identity.entries[1])

            let gate = Waiter<Void>()
            let handling = try spawnAndPark {
                try task.response(
                    of: { _ in
                        _ = try await gate.wait()
                        return "waited"
                    }, to: request
                ).status
            }
            #expect(!task.isReusable)
            gate.resume(returning: ())
            #expect(try handling.get() == .ok && task.isReusable)
            task.end()
            #expect(!task.isReusable)

            // It answers although it has been cancelled; that cannot be taken back.
            let other = HandlerTask(on: try EventLoop.current)
            let second = Waiter<Void>()
            let cancelled = try spawnAndPark {
                try other.response(
                    of: { _ in
                        do { _ = try await second.wait() } catch {}
                        return "all the same"
                    }, to: request
                ).status
            }
            cancelled.cancel()
            _ = cancelled.error
            #expect(!other.isReusable)
            other.end()

            let own = HandlerTask(on: try EventLoop.current)
            _ = try own.response(
                of: { _ in
                    withUnsafeCurrentTask { $0?.cancel() }
                    return "cancelled itself"
                }, to: request)
            #expect(!own.isReusable)
            own.end()
        }
    }

    private static func routes(_ server: some HTTPRouting, _ began: Waiter<Void>, _ ended: Waiter<Void>) {
        server.get("/wait") { _ async in
            began.resume(returning: ())
            do { try await sleep(.seconds(600)) } catch {}
            ended.resume(returning: ())
            return "nobody is there"
        }
        server.get("/ask") { _ async in "\(Task.isCancelled) \(word)" }
        server.get("/bind") { _ async in
            await $word.withValue("bound") { () async in
                do { try await sleep(.milliseconds(1)) } catch {}
                return "\(word)"
            }
        }
    }

    @Test("A handler whose client left cancels nobody else's, without a socket")
    func cancellation() async throws {
        try await onLoop {
            let (began, ended) = (Waiter<Void>(), Waiter<Void>())
            let application = HTTPApplication()
            Self.routes(application, began, ended)
            try HTTPTestClient.with(application) { client throws in
                #expect(try client.get("/ask").text == "false none")
                let stream = client.connect()
                try stream.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try began.wait()
                stream.close()
                _ = try ended.wait()
                for _ in 0..<3 { #expect(try client.get("/ask").text == "false none") }
            }
        }
    }

    @Test("A handler whose client left cancels nobody else's, over a socket")
    func cancellationOverSockets() async throws {
        try await onLoop {
            let (began, ended) = (Waiter<Void>(), Waiter<Void>())
            var configuration = HTTPServer.Configuration()
            configuration.goneClientCheck = .milliseconds(1)
            try withServer({ Self.routes($0, began, ended) }, configuration) { _, url throws in
                try HTTPClient.with { client throws in
                    #expect(try client.get(url + "/ask").text == "false none")
                    let waiting = spawn { try client.get(url + "/wait").text }
                    _ = try began.wait()
                    waiting.cancel()
                    #expect(throws: CancellationError.self) { try waiting.get() }
                    _ = try ended.wait()
                    for _ in 0..<3 { #expect(try client.get(url + "/ask").text == "false none") }
                }
            }
        }
    }

    @Test("Task-local values of one request are not seen by the next, without a socket")
    func values() async throws {
        try await onLoop(parks: false) {
            let application = HTTPApplication()
            Self.routes(application, Waiter(), Waiter())
            try HTTPTestClient.with(application) { client throws in
                #expect(try client.get("/ask").text == "false none")
                for word in ["a", "b"] {
                    try Self.$word.withValue(word) { () throws -> Void in
                        #expect(try client.get("/ask").text == "false \(word)")
                        #expect(try client.get("/bind").text == "bound")
                    }
                    #expect(try client.get("/ask").text == "false none")
                }
            }
        }
    }

    @Test("Task-local values of one request are not seen by the next, over a socket")
    func valuesOverSockets() async throws {
        try await onLoop {
            try withServer({ Self.routes($0, Waiter(), Waiter()) }) { _, url throws in
                try HTTPClient.with { client throws in
                    for _ in 0..<2 {
                        #expect(try client.get(url + "/bind").text == "bound")
                        #expect(try client.get(url + "/ask").text == "false none")
                    }
                    #expect(client.statistics.openedConnections == 1)
                }
            }
            // What the server was started with is its handlers', in each of them anew.
            try Self.$word.withValue("server's") {
                try withServer({ Self.routes($0, Waiter(), Waiter()) }) { _, url throws in
                    try HTTPClient.with { client throws in
                        for _ in 0..<2 {
                            #expect(try client.get(url + "/bind").text == "bound")
                            #expect(try client.get(url + "/ask").text == "false server's")
                        }
                    }
                }
            }
        }
    }
}
