import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

@Suite struct NetworkTests {
    @Test func messagesTakeTheirTimeAndDoNotCrossAPartition() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 5, latency: .milliseconds(20)...(.milliseconds(30)))
            let (a, b, c) = (
                network.host("a", of: Int.self), network.host("b", of: Int.self), network.host("c", of: Int.self)
            )
            a.send(1, to: "b")
            let first = try b.receive()
            #expect(first.message == 1 && first.sender == "a")
            #expect(simulatedTime >= .milliseconds(20) && simulatedTime <= .milliseconds(30))
            network.partition(["a", "c"])
            a.send(2, to: "b")
            a.send(3, to: "c")
            #expect(try c.receive().message == 3)
            #expect(try b.receive(timeout: .seconds(10))?.message == nil)
            network.heal()
            a.send(4, to: "b")
            #expect(try b.receive().message == 4)
            #expect(network.delivered == 3 && network.lost == 1)
        }
    }

    @Test func someMessagesAreLostAndSomeOvertakeOthers() throws {
        try simulate { () throws -> Void in
            let network = SimulatedNetwork(seed: 6, loss: 0.2)
            let (a, b) = (network.host("a", of: Int.self), network.host("b", of: Int.self))
            for number in 0..<1_000 { a.send(number, to: "b") }
            var arrived: [Int] = []
            while let next = try b.receive(timeout: .seconds(1)) { arrived.append(next.message) }
            #expect((700..<900).contains(arrived.count))
            #expect(arrived != arrived.sorted())
            #expect(Set(arrived).count == arrived.count)
            #expect(network.lost == 1_000 - arrived.count)
        }
    }

    /// A simulated hour of clients that ask servers and try again, while partitions come and go.
    private func hour(seed: UInt64) throws -> [String] {
        try simulate(.seeded(seed)) { () throws -> [String] in
            let network = SimulatedNetwork(
                seed: seed, latency: .milliseconds(1)...(.milliseconds(200)), loss: 0.01)
            let trace = Journal<String>()
            let servers = (0..<5).map { "server-\($0)" }
            let clients = (0..<45).map { "client-\($0)" }
            let serving = servers.map { name in
                spawn {
                    let host = network.host(name, of: Int.self)
                    while true {
                        let request = try host.receive()
                        host.send(request.message + 1, to: request.sender)
                    }
                }
            }
            let weather = spawn {
                var random = SeededRandom(seed: seed)
                while true {
                    try sleep(.seconds(60))
                    network.partition((servers + clients).shuffled(using: &random).prefix(15))
                    try sleep(.seconds(20))
                    network.heal()
                }
            }
            let asking = clients.enumerated().map { number, name in
                spawn {
                    let host = network.host(name, of: Int.self)
                    for round in 0..<120 {
                        try sleep(.seconds(30))
                        var attempts = 0
                        var answer: Int?
                        while answer == nil, attempts < 4 {
                            host.send(round, to: servers[(number + round + attempts) % servers.count])
                            attempts += 1
                            answer = try host.receive(timeout: .milliseconds(500))?.message
                        }
                        trace.note("\(name) \(round) \(answer ?? -1) \(attempts) \(simulatedTime)")
                    }
                }
            }
            try joinAll(asking, rethrowing: true)
            weather.cancel()
            for fiber in serving { fiber.cancel() }
            try joinAll(serving)
            return trace.entries
        }
    }

    @Test func anHourOfFiftyHostsIsTheSameForTheSameSeed() throws {
        let time = try ContinuousClock().measure {
            let first = try hour(seed: 7)
            #expect(first.count == 45 * 120)
            #expect(first.contains { $0.contains(" 2 ") })
            #expect(try hour(seed: 7) == first)
            #expect(try hour(seed: 8) != first)
        }
        #expect(time < .seconds(60 * Sanitizer.patience))
    }
}
