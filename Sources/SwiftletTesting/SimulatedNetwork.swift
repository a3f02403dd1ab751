import SwiftletLoop

/// A network of hosts that are only names, for simulated programs. Messages take their time, get lost, overtake one
/// another, and do not cross a partition. The same seed gives the same.
///
/// ```swift
/// try simulate {
///     let network = SimulatedNetwork<String>(seed: 1, latency: .milliseconds(5)...(.milliseconds(50)), loss: 0.01)
///     let server = network.host("server")
///     let answering = spawn { while true { let ping = try server.receive(); server.send("pong", to: ping.sender) } }
///     let client = network.host("client")
///     client.send("ping", to: "server")
///     print(try client.receive().message)
///     answering.cancel()
/// }
/// ```
///
/// Thread rules: it belongs to the loop that runs the program.
public final class SimulatedNetwork<Message: Sendable> {
    /// A message as it arrives.
    public struct Delivery: Sendable {
        public let sender: String
        public let message: Message
    }

    /// How long a message takes; each draws its own time.
    public var latency: ClosedRange<Duration>
    /// Which share of the messages gets lost.
    public var loss: Double
    /// Messages that have arrived, and those that have not.
    public private(set) var delivered = 0
    public private(set) var lost = 0

    private var random: SeededRandom
    private var hosts: [String: SimulatedHost<Message>] = [:]
    /// Those on the smaller side of the partition.
    private var cutOff: Set<String> = []

    public init(
        seed: UInt64, latency: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(10)), loss: Double = 0
    ) {
        random = SeededRandom(seed: seed)
        self.latency = latency
        self.loss = loss
    }

    /// The host of that name, made when it is first asked for.
    public func host(_ name: String) -> SimulatedHost<Message> {
        if let host = hosts[name] { return host }
        let host = SimulatedHost(name: name, network: self)
        hosts[name] = host
        return host
    }

    /// Cuts these hosts off from all others; among each other they stay connected. Ends an earlier partition.
    public func partition(_ names: some Sequence<String>) { cutOff = Set(names) }

    /// Ends the partition. What was lost stays lost.
    public func heal() { cutOff = [] }

    private func isConnected(_ one: String, _ other: String) -> Bool { cutOff.contains(one) == cutOff.contains(other) }

    fileprivate func send(_ message: Message, from sender: String, to receiver: String) {
        let isLost = Double.random(in: 0..<1, using: &random) < loss
        let share = Double.random(in: 0...1, using: &random)
        guard !isLost, isConnected(sender, receiver) else {
            lost += 1
            return
        }
        let delay = latency.lowerBound + (latency.upperBound - latency.lowerBound) * share
        do {
            try EventLoop.current.callLater(delay) {
                guard self.isConnected(sender, receiver) else {
                    self.lost += 1
                    return
                }
                self.delivered += 1
                self.host(receiver).deliver(Delivery(sender: sender, message: message))
            }
        } catch {
            lost += 1  // the loop is closed: the program has ended
        }
    }
}

/// A host of a simulated network.
public final class SimulatedHost<Message: Sendable> {
    public let name: String
    private unowned let network: SimulatedNetwork<Message>
    private var inbox: [SimulatedNetwork<Message>.Delivery] = []
    private let arrival = Event()

    fileprivate init(name: String, network: SimulatedNetwork<Message>) {
        self.name = name
        self.network = network
    }

    /// Sends a message. Whether it arrives nobody tells.
    public func send(_ message: Message, to receiver: String) { network.send(message, from: name, to: receiver) }

    fileprivate func deliver(_ delivery: SimulatedNetwork<Message>.Delivery) {
        inbox.append(delivery)
        arrival.set()
    }

    /// Waits for the next message.
    ///
    /// Cancellation: ends the wait; no message is lost.
    public func receive() throws -> SimulatedNetwork<Message>.Delivery { try receive(until: nil)! }

    /// Waits for the next message, for a while.
    ///
    /// Cancellation: ends the wait; no message is lost.
    /// - Returns: `nil` when none has come in time.
    public func receive(timeout: Duration) throws -> SimulatedNetwork<Message>.Delivery? {
        try receive(until: .after(timeout))
    }

    private func receive(until deadline: Deadline?) throws -> SimulatedNetwork<Message>.Delivery? {
        while inbox.isEmpty {
            arrival.clear()
            guard try arrival.wait(timeout: deadline?.remaining) else { return nil }
        }
        return inbox.removeFirst()
    }
}
