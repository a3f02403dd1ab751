import SwiftletLoop
import SwiftletNet

/// A network of hosts that are only names, for simulated programs. What is sent takes its time, gets lost, overtakes other
/// things, and does not cross a partition. The same seed gives the same.
///
/// HTTP clients and servers run on it as they are: what runs on a host connects to other hosts by their names.
///
/// ```swift
/// try simulate {
///     let network = SimulatedNetwork(seed: 1, latency: .milliseconds(5)...(.milliseconds(50)), loss: 0.01)
///     let server = HTTPServer()
///     server.get("/") { _ in "hello" }
///     try network.run(on: "server") { try server.start() }
///     let text = try network.run(on: "client") {
///         try HTTPClient.with { client in try client.get("http://server:8080/").text }
///     }
///     try server.stop()
/// }
/// ```
///
/// Programs with a protocol of their own send each other messages: see `host(_:of:)`.
///
/// Thread rules: it belongs to the loop that runs the program.
public final class SimulatedNetwork: @unchecked Sendable {
    /// How long it takes from host to host; each message, and each piece of a stream, draws its own time.
    public var latency: ClosedRange<Duration>
    /// Which share gets lost. Messages are gone then; streams send their pieces again, as TCP does.
    public var loss: Double
    /// What has arrived, and what has not.
    public private(set) var delivered = 0
    public private(set) var lost = 0

    private var random: SeededRandom
    private var mailboxes: [String: AnyObject] = [:]
    private var machines: [String: SimulatedMachine] = [:]
    /// Those on the smaller side of the partition.
    private var cutOff: Set<String> = []

    public init(
        seed: UInt64, latency: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(10)), loss: Double = 0
    ) {
        random = SeededRandom(seed: seed)
        self.latency = latency
        self.loss = loss
    }

    // MARK: Hosts

    /// The host of that name as one that sends and receives messages of a type; made when it is first asked for.
    public func host<Message: Sendable>(_ name: String, of type: Message.Type) -> SimulatedHost<Message> {
        let key = "\(name) \(ObjectIdentifier(type))"
        if let host = mailboxes[key] as? SimulatedHost<Message> { return host }
        let host = SimulatedHost<Message>(name: name, network: self)
        mailboxes[key] = host
        return host
    }

    /// Runs a part of the program on a host: HTTP servers that it starts listen there, and HTTP clients connect from there. The
    /// same holds for the fibers and tasks that it spawns.
    ///
    /// Ports are the host's own, and its name leads to them whatever local address a server was told to listen at. Each
    /// host should have clients of its own, since a client uses its connections again. TCP and UDP sockets and the
    /// resolver, used directly, remain those of this machine.
    public func run<Value>(on name: String, _ body: () throws -> Value) rethrows -> Value {
        try StreamNetwork.$simulatedHost.withValue(place(name), operation: body)
    }

    /// Runs async code on a host.
    public nonisolated(nonsending) func run<Value>(
        on name: String, _ body: nonisolated(nonsending) () async throws -> Value
    ) async rethrows -> Value {
        try await StreamNetwork.$simulatedHost.withValue(place(name), operation: body)
    }

    private func place(_ name: String) -> SimulatedPlace { SimulatedPlace(network: self, machine: machine(name)) }

    func machine(_ name: String) -> SimulatedMachine {
        let name = name.lowercased()
        if let machine = machines[name] { return machine }
        let machine = SimulatedMachine(name, number: machines.count + 1, of: self)
        machines[name] = machine
        return machine
    }

    // MARK: Partitions

    /// Cuts these hosts off from all others; among each other they stay connected. Ends an earlier partition.
    public func partition(_ names: some Sequence<String>) { cutOff = Set(names) }

    /// Ends the partition. Messages that were lost stay lost; streams go on if they have not given up.
    public func heal() { cutOff = [] }

    private func isConnected(_ one: String, _ other: String) -> Bool { cutOff.contains(one) == cutOff.contains(other) }

    // MARK: Carrying

    /// Carries one thing, which arrives after some time or is lost: at once, or where it should have arrived.
    func carry(
        from sender: String, to receiver: String, drawing random: inout SeededRandom, arrive: @escaping () -> Void,
        lose: @escaping () -> Void
    ) {
        let isLost = Double.random(in: 0..<1, using: &random) < loss
        let share = Double.random(in: 0...1, using: &random)
        // What a host sends to itself never leaves it.
        let isLocal = sender == receiver
        guard isLocal || !isLost && isConnected(sender, receiver) else {
            lost += 1
            return lose()
        }
        let delay = isLocal ? .zero : latency.lowerBound + (latency.upperBound - latency.lowerBound) * share
        later(delay) {
            guard self.isConnected(sender, receiver) else {
                self.lost += 1
                return lose()
            }
            self.delivered += 1
            arrive()
        }
    }

    /// A message's way, which draws from the network's own numbers.
    func carry(from sender: String, to receiver: String, arrive: @escaping () -> Void) {
        carry(from: sender, to: receiver, drawing: &random, arrive: arrive) {}
    }

    /// Numbers for a connection: so what one draws does not depend on when others do.
    func fork() -> SeededRandom { SeededRandom(seed: random.next()) }

    func later(_ delay: Duration, _ body: @escaping () -> Void) {
        do {
            try EventLoop.current.callLater(delay, body)
        } catch {
            lost += 1  // the loop is closed: the program has ended
        }
    }
}
