import HTTPTypes
import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

@testable import SwiftletHTTP

/// Two clients over the same connections.
@Suite struct SharedConnectionTests {
    @Test("They use each other's connections, and have all else to themselves")
    func share() async throws {
        try await onLoop {
            func routes(_ server: HTTPServer) {
                server.get("/") { request in
                    "\(request.headers[.userAgent] ?? "") \(request.headers[.cookie] ?? "")"
                }
                server.get("/cookie") { _ in HTTPServerResponse("", headers: [.setCookie: "a=1"]) }
            }
            try withServer({ routes($0) }) { _, url throws in
                let first = HTTPClient(configured { $0.userAgent = "first" })
                let second = HTTPClient(configured { $0.userAgent = "second" }, connectionsOf: first)
                // Whose connections they are in the end does not matter.
                let third = HTTPClient(configured { $0.userAgent = "third" }, connectionsOf: second)
                _ = try first.get(url + "/cookie")
                #expect(try first.get(url + "/").text == "first a=1")
                #expect(try second.get(url + "/").text == "second ")
                #expect(try third.get(url + "/").text == "third ")
                #expect(first.statistics == second.statistics && second.statistics.openedConnections == 1)

                second.close()
                #expect(second.isClosed && !first.isClosed && !third.isClosed)
                let closed = try failure(HTTPClientError.self) { try second.get(url + "/") }
                #expect(closed.cause as? HTTPRequestFault == .clientIsClosed)
                #expect(try first.get(url + "/").text == "first a=1")
                #expect(first.statistics.openedConnections == 1)

                first.close()
                #expect(third.isClosed && first.statistics.idleConnections == 0)
                let ended = try failure(HTTPClientError.self) { try third.get(url + "/") }
                #expect(ended.cause as? HTTPRequestFault == .clientIsClosed)
            }
        }
    }

    @Test("They queue for the same places; how connections are made is the first one's to say")
    func limits() async throws {
        try await onLoop {
            let gate = Waiter<Void>()
            func routes(_ server: HTTPServer) {
                server.get("/") { _ in "here" }
                server.get("/hold") { _ in
                    _ = try gate.wait()
                    return "held"
                }
            }
            try withServer({ routes($0) }) { server, _ throws in
                let configuration = configured {
                    $0.connectionLimit = 1
                    $0.resolver = Resolver { _ in [SocketAddress(numericHost: "127.0.0.1", port: 0)!] }
                }
                try HTTPClient.with(configuration) { first throws in
                    let second = HTTPClient(connectionsOf: first)
                    #expect(second.configuration.connectionLimit == 1)
                    let url = "http://only.first.knows:\(server.port)"
                    let held = try spawnAndPark { try first.get(url + "/hold").text }
                    while first.statistics.connectionsInUse < 1 { try yield() }
                    let queued = spawn { try second.get(url + "/").text }
                    while second.statistics.queueLength < 1 { try yield() }
                    gate.resume(returning: ())
                    #expect(try held.get() == "held")
                    #expect(try queued.get() == "here")
                    #expect(first.statistics.openedConnections == 1)
                }
            }
        }
    }

    @Test("Each has its own time limits on them")
    func timeLimits() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 1)
            let server = HTTPServer()
            server.get("/") { _ in
                try sleep(.seconds(10))
                return "late"
            }
            try network.run(on: "server") { try server.start() }
            try network.run(on: "client") {
                try HTTPClient.with(configured { $0.readTimeout = .seconds(20) }) { first throws in
                    let second = HTTPClient(configured { $0.readTimeout = .seconds(5) }, connectionsOf: first)
                    #expect(try first.get("http://server:8080/").text == "late")
                    let error = try failure(HTTPClientError.self) { try second.get("http://server:8080/") }
                    #expect(error.timeout == .read && error.description.contains("5.0 s"))
                    #expect(try first.get("http://server:8080/").text == "late")
                    #expect(first.statistics.openedConnections == 2)
                }
            }
            try server.stop(grace: .seconds(60))
        }
    }

    @Test("The connections stay as long as somebody has a client that uses them")
    func life() async throws {
        try await onLoop {
            try withServer({ $0.get("/") { _ in "here" } }) { _, url throws in
                func borrower() -> HTTPClient { HTTPClient(connectionsOf: HTTPClient()) }
                let client = borrower()
                #expect(try client.get(url + "/").text == "here")
                #expect(client.statistics.idleConnections == 1)
                client.close()
            }
        }
    }
}
