import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

/// The same operations from fibers, tasks on a loop, tasks on none, and plain threads.
@Suite struct SpellingTests {
    private static func makeServer() -> HTTPServer {
        var configuration = HTTPServer.Configuration()
        configuration.port = 0
        let server = HTTPServer(configuration)
        server.get("/sync") { _ in
            try sleep(.milliseconds(1))
            return "from a fiber"
        }
        server.get("/async") { _ in
            try await Task.sleep(for: .milliseconds(1))
            return "from a task"
        }
        return server
    }

    @Test func inFibers() async throws {
        try await onLoop { () throws in
            let server = Self.makeServer()
            try server.start()
            let url = "http://127.0.0.1:\(server.port)"
            #expect(try HTTP.get(url + "/sync").text == "from a fiber")
            #expect(try HTTP.get(url + "/async").text == "from a task")
            #expect(HTTP.client.pool.counts.waiting == 1)
            #expect(HTTP.client === HTTP.client)
            try server.stop()
        }
    }

    @Test func inTasksOnALoop() async throws {
        try await onTaskLoop { _ in
            let server = Self.makeServer()
            try server.start()
            let url = "http://127.0.0.1:\(server.port)"
            try await HTTPClient.with { client in
                let pages = try await withThrowingTaskGroup(of: String.self) { group in
                    for number in 0..<20 {
                        group.addTask {
                            try await client.get(url + (number.isMultiple(of: 2) ? "/sync" : "/async")).text
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(pages.count { $0 == "from a fiber" } == 10)
                #expect(pages.count { $0 == "from a task" } == 10)
                let request = HTTPClientRequest(method: .head, url: try HTTPURL(url + "/sync"))
                #expect(try await client.send(request).bytes.isEmpty)
            }
            try await server.stop()
        }
    }

    @Test func inTasksOnNoLoop() async throws {
        let server = Self.makeServer()
        let group = try EventLoopGroup(count: 2)
        defer { group.stop() }
        try server.start(on: group)
        let url = "http://127.0.0.1:\(server.port)"
        #expect(try await HTTP.get(url + "/sync").text == "from a fiber")
        try await withHTTPClient { client async throws in
            #expect(try await client.get(url + "/async").text == "from a task")
        }
        try await server.stop()
        await #expect(throws: HTTPClientError.self) { try await HTTP.get(url + "/sync") }
    }

    @Test func onPlainThreads() async throws {
        let server = Self.makeServer()
        let group = try EventLoopGroup(count: 2)
        defer { group.stop() }
        try server.start(on: group)
        let url = "http://127.0.0.1:\(server.port)"
        try await onFreshThread { () throws in
            for _ in 0..<3 { #expect(try HTTP.get(url + "/sync").text == "from a fiber") }
            #expect(HTTP.client.pool.counts.waiting == 1)
            #expect(EventLoop.currentIfAny == nil)
            try server.stop()
        }
    }

    @Test func overSeveralLoops() async throws {
        let server = Self.makeServer()
        let group = try EventLoopGroup(count: 2)
        defer { group.stop() }
        try server.start(on: group)
        #expect(throws: HTTPServerError.alreadyStarted) { try server.start(on: group) }
        let url = "http://127.0.0.1:\(server.port)"
        try await onLoop { () throws in
            // Separate clients, so that the kernel has many connections to spread.
            let fibers = (0..<50).map { _ in
                spawn { try HTTPClient.with { try $0.get(url + "/sync").text } }
            }
            for fiber in fibers { #expect(try fiber.get() == "from a fiber") }
        }
        for loop in group.loops { #expect(loop.statistics.fibers > 1) }
        try await server.stop()
    }

    @Test func aClientOutlivesItsLoop() async throws {
        let server = Self.makeServer()
        let group = try EventLoopGroup(count: 1)
        defer { group.stop() }
        try server.start(on: group)
        let url = "http://127.0.0.1:\(server.port)/sync"
        try await onFreshThread { () throws in
            for _ in 0..<3 {
                try EventLoop.run(takesOver: false) { () throws in #expect(try HTTP.get(url).text == "from a fiber") }
            }
            #expect(try HTTP.get(url).text == "from a fiber")
            #expect(HTTP.client.pool.counts.waiting == 1)
        }
        try await server.stop()
    }
}
