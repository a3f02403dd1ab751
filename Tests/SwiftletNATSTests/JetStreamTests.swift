import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNATS

/// Answers as only a cluster in trouble gives them: here another client gives them, to a server without JetStream.
@Suite("Requests to JetStream", .enabled(if: isBuilt))
struct JetStreamTests {
    /// A cluster whose servers were being killed has answered a request for a consumer with no name, and with no error.
    @Test func anAnswerWithoutANameIsAskedForAgain() async throws {
        let server = try Server(jetStream: false)
        try await onLoop {
            let configuration = NATSConfiguration(server.address)
            let loop = try EventLoop.current
            let asking = try Connection.open(configuration, name: "asks", on: loop)
            defer { asking.close() }
            let answering = try Connection.open(configuration, name: "answers", on: loop)
            defer { answering.close() }

            var asked = 0
            _ = try answering.subscribe("$JS.API.CONSUMER.CREATE.crawl") { message in
                asked += 1
                let kind = #""type":"io.nats.jetstream.api.v1.consumer_create_response""#
                answering.send(
                    OutgoingMessage(
                        message.reply, text: asked < 3 ? "{\(kind)}" : "{\(kind),\"name\":\"third\",\"num_pending\":7}")
                )
            }
            let made = try JetStream(connection: asking).makeConsumer(of: "crawl", "")
            #expect(made.name == "third" && made.pending == 7)
            #expect(asked == 3)
        }
    }
}
