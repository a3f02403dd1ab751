import SwiftletLoop

/// A connection with the streams of a queue: what the job sets of a pool have in common. On one loop.
final class Client: @unchecked Sendable {
    let loop: EventLoop
    let configuration: NATSConfiguration
    let names: QueueNames
    let connection: Connection
    let publisher: Publisher
    var stream: JetStream { JetStream(connection: connection) }

    /// Connects, and waits for that.
    init(_ configuration: NATSConfiguration, name: String, on loop: EventLoop) throws {
        try configuration.check()
        self.loop = loop
        self.configuration = configuration
        names = QueueNames(configuration.queue)
        connection = try Connection.open(configuration, name: name, on: loop)
        publisher = Publisher(connection)
    }

    /// Makes the streams unless they are there. Waits for that.
    ///
    /// - Throws: `NATSError.unanswered`, when it may be tried again; `NATSError.refused`; `CancellationError`.
    func makeStreams() throws { try stream.makeStreams(names, configuration) }

    /// The longest payload that surely fits: a message's headers count too.
    var longestPayload: Int { connection.maxPayload - 4096 }
}
