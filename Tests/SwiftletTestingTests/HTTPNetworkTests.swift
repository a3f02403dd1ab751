import CSwiftlet
import HTTPTypes
import Swiftlet
import SwiftletHTTP
import SwiftletTesting
import TestSupport
import Testing

/// HTTP clients and servers as they are, on hosts that are only names.
@Suite struct HTTPNetworkTests {
    private func retrying(_ count: Int = 8, readTimeout: Duration = .seconds(60)) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.middlewares = [HTTPRetries(count: count)]
        configuration.connectTimeout = .seconds(5)
        configuration.readTimeout = readTimeout
        return configuration
    }

    private func answering(_ routes: (HTTPServer) -> Void) -> HTTPServer {
        let server = HTTPServer()
        routes(server)
        return server
    }

    @Test func aRequestTakesTheTimesOfItsPackets() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 1, latency: .milliseconds(10)...(.milliseconds(10)))
            let server = answering { server in
                server.get("/") { request in "hello, \(request.remoteAddress.host)" }
                server.post("/echo") { request in HTTPServerResponse(bytes: try request.bytes()) }
            }
            try network.run(on: "server") { try server.start() }
            try network.run(on: "client") {
                try HTTPClient.with { client in
                    // To the server and back, for the connection and for the request.
                    #expect(try client.get("http://server:8080/").text == "hello, 10.0.0.3")
                    #expect(simulatedTime == .milliseconds(40))
                    _ = try client.get("http://server:8080/")
                    #expect(simulatedTime == .milliseconds(60))
                    #expect(client.statistics.idleConnections == 1)
                    let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
                    #expect(try client.post("http://server:8080/echo", body: .bytes(body)).bytes == body)
                }
            }
            try server.stop()
        }
    }

    @Test func whatNobodyListensAtRefusesAndWhatIsCutOffTimesOut() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 2)
            func failure() throws -> String {
                try network.run(on: "client") {
                    try HTTPClient.with(retrying(0)) { client in
                        do {
                            return try client.get("http://server/").text
                        } catch let error as HTTPClientError {
                            return error.isTimeout ? "timed out" : "\(error)"
                        }
                    }
                }
            }
            #expect(try failure().contains("Connection refused"))
            #expect(simulatedTime < .seconds(1))
            network.partition(["server"])
            let before = simulatedTime
            #expect(try failure().contains("timed out"))
            #expect(simulatedTime - before >= .seconds(5) && simulatedTime - before < .seconds(6))
        }
    }

    @Test func aPartitionOnlyDelaysWhoTriesAgain() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 3)
            let server = answering { $0.get("/") { _ in "here" } }
            try network.run(on: "server") { try server.start() }
            try network.run(on: "client") {
                try HTTPClient.with(retrying()) { client in
                    #expect(try client.get("http://server:8080/").text == "here")
                    network.partition(["server"])
                    try EventLoop.current.callLater(.seconds(20)) { network.heal() }
                    #expect(try client.get("http://server:8080/").text == "here")
                    #expect(simulatedTime > .seconds(20) && simulatedTime < .seconds(60))
                }
            }
            try server.stop()
        }
    }

    @Test func streamsKeepTheirOrderThoughTheirPiecesDoNot() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(
                seed: 4, latency: .milliseconds(1)...(.milliseconds(300)), loss: 0.2)
            let text = (0..<40_000).map(String.init).joined(separator: " ")
            let server = answering { $0.get("/") { _ in HTTPServerResponse(text) } }
            try network.run(on: "server") { try server.start() }
            try network.run(on: "client") {
                let received = try HTTPClient.with { client in try client.get("http://server:8080/").text }
                #expect(received == text)
            }
            #expect(network.lost > 2)
            try server.stop(grace: .seconds(60))
        }
    }

    @Test func asyncClientsAndWebSocketsRunOnItToo() async throws {
        let words = try await simulate { () async throws -> [String] in
            let network = SimulatedNetwork(seed: 5, loss: 0.05)
            let server = HTTPServer()
            server.get("/") { _ in "async" }
            server.webSocket("/echo") { socket in
                while let message = try socket.receive() { try socket.send(message) }
            }
            try await network.run(on: "server") { () async throws -> Void in try server.start() }
            let words = try await network.run(on: "client") { () async throws -> [String] in
                let client = HTTPClient()
                defer { client.close() }
                let first = try await client.get("http://server:8080/").text
                let socket = try await client.webSocket("ws://server:8080/echo")
                try await socket.send("over there")
                guard case .text(let second)? = try await socket.receive() else { return [first] }
                try await socket.close()
                return [first, second]
            }
            try await server.stop()
            return words
        }
        #expect(words == ["async", "over there"])
    }

    /// A simulated time of clients that ask servers by HTTP and try again, while partitions come and go. The trace tells
    /// each answer and when it came.
    private func service(
        seed: UInt64, servers serverCount: Int, clients clientCount: Int, rounds: Int
    ) throws -> [String] {
        try simulate(.seeded(seed)) { () throws -> [String] in
            let network = SimulatedNetwork(
                seed: seed, latency: .milliseconds(1)...(.milliseconds(100)), loss: 0.01)
            let trace = Journal<String>()
            let names = (0..<serverCount).map { "server-\($0)" }
            let clients = (0..<clientCount).map { "client-\($0)" }
            let servers = try names.map { name in
                let server = HTTPServer()
                let handled = Tally()
                server.get("/work/{number}") { request in
                    try sleep(.milliseconds(20))
                    return "\(name) \(request.parameters["number"] ?? "") \(handled.add())"
                }
                try network.run(on: name) { try server.start() }
                return server
            }
            let weather = spawn {
                var random = SeededRandom(seed: seed)
                while true {
                    try sleep(.seconds(300))
                    network.partition(
                        (names + clients).shuffled(using: &random).prefix((serverCount + clientCount) / 3))
                    try sleep(.seconds(40))
                    network.heal()
                }
            }
            let asking = clients.enumerated().map { number, name in
                network.run(on: name) {
                    spawn {
                        try HTTPClient.with(retrying(4, readTimeout: .seconds(5))) { client in
                            for round in 0..<rounds {
                                try sleep(.seconds(60))
                                let server = names[(number + round) % serverCount]
                                var answer = "gave up"
                                do {
                                    answer = try client.get("http://\(server):8080/work/\(round)").text
                                } catch is HTTPClientError {}
                                trace.note("\(name) \(round): \(answer) at \(simulatedTime)")
                            }
                        }
                    }
                }
            }
            try joinAll(asking, rethrowing: true)
            weather.cancel()
            for server in servers { try server.stop(grace: .seconds(1)) }
            try weather.join()
            return trace.entries
        }
    }

    @Test func anHourOfAServiceIsTheSameForTheSameSeed() throws {
        let clock = ContinuousClock()
        let begin = clock.now
        let first = try service(seed: 7, servers: 5, clients: 45, rounds: Sanitizer.isAny ? 10 : 60)
        let time = clock.now - begin
        print("an hour of 50 hosts over HTTP: \(first.count) requests in \(time)")
        #expect(first.count == 45 * (Sanitizer.isAny ? 10 : 60))
        #expect(first.count { $0.contains("gave up") } < first.count / 10)
        #expect(time < .seconds(60 * Sanitizer.patience))
        let small = try service(seed: 8, servers: 2, clients: 6, rounds: 12)
        #expect(try service(seed: 8, servers: 2, clients: 6, rounds: 12) == small)
        #expect(try service(seed: 9, servers: 2, clients: 6, rounds: 12) != small)
    }
}
