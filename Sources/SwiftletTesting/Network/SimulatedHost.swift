import SwiftletLoop

/// A host of a simulated network, for programs whose protocol is their own.
///
/// ```swift
/// try simulate {
///     let network = SimulatedNetwork(seed: 1)
///     let server = network.host("server", of: String.self)
///     let answering = spawn { while true { let ping = try server.receive(); server.send("pong", to: ping.sender) } }
///     let client = network.host("client", of: String.self)
///     client.send("ping", to: "server")
///     print(try client.receive().message)
///     answering.cancel()
/// }
/// ```
///
/// Thread rules: it belongs to the loop that runs the program.
public final class SimulatedHost<Message: Sendable> {
    /// A message as it arrives.
    public struct Delivery: Sendable {
        public let sender: String
        public let message: Message
    }

    public let name: String
    private unowned let network: SimulatedNetwork
    private var inbox: [Delivery] = []
    private let arrival = Event()

    init(name: String, network: SimulatedNetwork) {
        self.name = name
        self.network = network
    }

    /// Sends a message. Whether it arrives nobody tells.
    public func send(_ message: Message, to receiver: String) {
        let delivery = Delivery(sender: name, message: message)
        network.carry(from: name, to: receiver) { [network] in
            let host = network.host(receiver, of: Message.self)
            host.inbox.append(delivery)
            host.arrival.set()
        }
    }

    /// Waits for the next message.
    ///
    /// Cancellation: ends the wait; no message is lost.
    public func receive() throws -> Delivery { try receive(until: nil)! }

    /// Waits for the next message, for a while.
    ///
    /// Cancellation: ends the wait; no message is lost.
    /// - Returns: `nil` when none has come in time.
    public func receive(timeout: Duration) throws -> Delivery? { try receive(until: .after(timeout)) }

    private func receive(until deadline: Deadline?) throws -> Delivery? {
        while inbox.isEmpty {
            arrival.clear()
            guard try arrival.wait(timeout: deadline?.remaining) else { return nil }
        }
        return inbox.removeFirst()
    }
}
