import Glibc
import SwiftletLoop
import SwiftletNet

/// Where a part of a program runs. It holds the network, whose machines do not.
struct SimulatedPlace: SimulatedStreamHost {
    let network: SimulatedNetwork
    let machine: SimulatedMachine

    func connect(to host: String, port: Int, until deadline: Deadline?) throws -> any ByteStream {
        try machine.connect(to: host, port: port, until: deadline)
    }

    func listen(port: Int, backlog: Int) throws -> any StreamListener {
        try machine.listen(port: port, backlog: backlog)
    }
}

/// A host as one that connections go to and come from: its name, its address, its ports.
final class SimulatedMachine: @unchecked Sendable {
    /// How often the first packet of a connection is sent again, and the pause before that, which doubles (Linux:
    /// tcp_syn_retries, RFC 6298).
    private static let retries = 6
    private static let firstPause = Duration.seconds(1)

    let name: String
    private let number: Int
    private unowned let network: SimulatedNetwork
    private var listeners: [Int: SimulatedListener] = [:]
    private var lastPort = 49_151

    init(_ name: String, number: Int, of network: SimulatedNetwork) {
        self.name = name
        self.number = number
        self.network = network
    }

    func address(port: Int) -> SocketAddress {
        SocketAddress(numericHost: "10.0.\(number / 250).\(number % 250 + 1)", port: port)!
    }

    /// A port that nobody has; after 16,384 they come again.
    private func freePort() -> Int {
        repeat { lastPort = lastPort < 65_535 ? lastPort + 1 : 49_152 } while listeners[lastPort] != nil
        return lastPort
    }

    // MARK: Listening

    func listen(port: Int, backlog: Int) throws -> any StreamListener {
        let port = port == 0 ? freePort() : port
        guard listeners[port] == nil else {
            throw SocketError(.listen, "\(name):\(port)", .system(errno: EADDRINUSE))
        }
        let listener = SimulatedListener(port: port, backlog: max(backlog, 1), of: self)
        listeners[port] = listener
        return listener
    }

    func forget(_ listener: SimulatedListener) { listeners[listener.port] = nil }

    // MARK: Connecting

    /// One attempt to connect, which somebody waits for.
    private final class Attempt {
        let host: SimulatedMachine
        let port: Int
        let result = Waiter<SimulatedEnd>()
        var random: SeededRandom
        /// Nobody waits any more.
        var isOver = false

        init(_ host: SimulatedMachine, _ port: Int, _ random: SeededRandom) {
            self.host = host
            self.port = port
            self.random = random
        }
    }

    func connect(to host: String, port: Int, until deadline: Deadline?) throws -> any ByteStream {
        let isLocal = ["localhost", "127.0.0.1", "::1"].contains(host)
        let attempt = Attempt(isLocal ? self : network.machine(host), port, network.fork())
        defer { attempt.isOver = true }
        ask(attempt, tried: 0)
        guard let end = try attempt.result.wait(until: deadline) else {
            throw SocketError(.connect, "\(host):\(port)", .timedOut)
        }
        return SimulatedStream(end)
    }

    private func ask(_ attempt: Attempt, tried: Int) {
        guard !attempt.isOver else { return }
        network.carry(from: name, to: attempt.host.name, drawing: &attempt.random) {
            self.arrive(attempt, tried: tried)
        } lose: {
            self.askAgain(attempt, tried: tried)
        }
    }

    private func askAgain(_ attempt: Attempt, tried: Int) {
        guard tried < Self.retries else {
            return attempt.result.resume(
                throwing: SocketError(.connect, peerName(attempt), .system(errno: ETIMEDOUT)))
        }
        network.later(Self.firstPause * (1 << tried)) { self.ask(attempt, tried: tried + 1) }
    }

    private func peerName(_ attempt: Attempt) -> String {
        "\(attempt.host.name):\(attempt.port) (\(attempt.host.address(port: attempt.port)))"
    }

    private func arrive(_ attempt: Attempt, tried: Int) {
        guard let listener = attempt.host.listeners[attempt.port] else {
            network.carry(from: attempt.host.name, to: name, drawing: &attempt.random) { [self] in
                attempt.result.resume(
                    throwing: SocketError(.connect, peerName(attempt), .system(errno: ECONNREFUSED)))
            } lose: {
                self.askAgain(attempt, tried: tried)
            }
            return
        }
        // A full queue drops what comes.
        guard listener.hasRoom else { return askAgain(attempt, tried: tried) }
        let port = freePort()
        let client = SimulatedEnd(
            of: network, on: name, to: peerName(attempt), at: attempt.host.address(port: attempt.port))
        let server = SimulatedEnd(
            of: network, on: attempt.host.name, to: "\(name):\(port) (\(address(port: port)))", at: address(port: port))
        client.join(server)
        listener.add(server)
        server.deliver { client in
            if attempt.isOver { client.abort() } else { attempt.result.resume(returning: client) }
        }
    }
}

/// States: listening -> closed.
final class SimulatedListener: StreamListener, @unchecked Sendable {
    let port: Int
    private let backlog: Int
    private let machine: SimulatedMachine
    private var waiting: [SimulatedEnd] = []
    private let changed = Event()
    private var isClosed = false

    init(port: Int, backlog: Int, of machine: SimulatedMachine) {
        self.port = port
        self.backlog = backlog
        self.machine = machine
    }

    var localAddress: SocketAddress { machine.address(port: port) }

    var hasRoom: Bool { waiting.count < backlog }

    func add(_ end: SimulatedEnd) {
        waiting.append(end)
        changed.set()
    }

    func acceptStream() throws -> any ByteStream {
        while waiting.isEmpty {
            if isClosed { throw SocketError(.accept, "\(machine.name):\(port)", .closed) }
            changed.clear()
            try changed.wait()
        }
        return SimulatedStream(waiting.removeFirst())
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        machine.forget(self)
        for end in waiting { end.abort() }
        waiting = []
        changed.set()
    }
}
