import SwiftletLoop

/// Takes messages from a stream's consumer, no more than are wanted. On the connection's loop.
///
/// It asks for a number of messages, and asks again before all have come. A request that is lost, with a server or with the
/// connection, is noticed by the heartbeats that do not come: then the consumer is made anew if need be, and asked again.
///
/// States: starting -> asking -> starting, when something was lost; from each to stopped.
final class Puller: @unchecked Sendable {
    private struct Request {
        /// The last part of its reply's subject.
        let number: UInt64
        var left: Int
    }

    private static let expiry = Duration.seconds(30)
    private static let heartbeat = Duration.seconds(2)
    private static let rest = Duration.milliseconds(250)

    private let connection: Connection
    private let stream: String
    /// Makes the consumer, or makes sure that it is there, and says its name.
    private let makeConsumer: () throws -> String
    /// How many messages may come, those included that were asked for.
    private let room: () -> Int
    private let take: (IncomingMessage, Delivery) -> Void

    private let inbox: String
    private var consumer: String?
    private var subscription: Connection.Subscription?
    private var requests: [Request] = []
    private var lastNumber: UInt64 = 0
    private var lastHeard = ContinuousClock.now
    private var isStopped = false
    private var isStarting = false
    private var watch: TimerHandle?
    /// Why it cannot be made, told to whoever made this.
    private let onFailure: (any Error) -> Void

    init(
        _ connection: Connection, stream: String, makeConsumer: @escaping () throws -> String,
        room: @escaping () -> Int, onFailure: @escaping (any Error) -> Void,
        take: @escaping (IncomingMessage, Delivery) -> Void
    ) {
        self.connection = connection
        self.stream = stream
        self.makeConsumer = makeConsumer
        self.room = room
        self.onFailure = onFailure
        self.take = take
        inbox = connection.makeInbox()
    }

    /// Makes the consumer and asks for messages. Waits until that is done.
    func start() throws {
        connection.onReturn { [weak self] in self?.restart() }
        let subscription = try connection.subscribe("\(inbox).*") { [weak self] in self?.came($0) }
        guard !isStopped else { return connection.unsubscribe(subscription) }
        self.subscription = subscription
        consumer = try makeConsumer()
        lastHeard = .now
        refill()
        startWatch()
    }

    /// Asks for more messages if there is room for them. To be called when there is more room.
    func refill() {
        guard let consumer, !isStopped, !isStarting else { return }
        let asked = requests.reduce(0) { $0 + $1.left }
        let missing = room() - asked
        // Few at a time would cost a request each.
        guard missing > 0, asked == 0 || missing > asked else { return }
        lastNumber += 1
        requests.append(Request(number: lastNumber, left: missing))
        connection.send(
            OutgoingMessage(
                "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(consumer)", reply: "\(inbox).\(lastNumber)",
                text: """
                    {"batch":\(missing),"expires":\(Self.expiry.wholeNanoseconds),\
                    "idle_heartbeat":\(Self.heartbeat.wholeNanoseconds)}
                    """))
    }

    private func came(_ message: IncomingMessage) {
        guard !isStopped else { return }
        lastHeard = .now
        if let delivery = message.delivery {
            // Of a consumer that was given up: the present one delivers the message as well.
            guard delivery.consumer == consumer else { return }
            if !requests.isEmpty {
                requests[0].left -= 1
                if requests[0].left == 0 { requests.removeFirst() }
            }
            take(message, delivery)
            refill()
            return
        }
        guard let status = message.status, status != 100 else { return }
        // The request whose reply this is has ended.
        let number = message.replyNumber
        requests.removeAll { $0.number == number }
        // 404 and 408: it has taken its time. Else the consumer is not there, or its server is not.
        if status == 404 || status == 408 { refill() } else { restart(after: Self.rest) }
    }

    private func startWatch() {
        watch = try? connection.loop.callLater(Self.heartbeat) { [weak self] in
            guard let self, !isStopped else { return }
            if !requests.isEmpty, ContinuousClock.now - lastHeard > Self.heartbeat * 2.5 { restart() }
            startWatch()
        }
    }

    /// What was asked for may be lost.
    private func restart(after rest: Duration = .zero) {
        guard subscription != nil, !isStopped, !isStarting else { return }
        isStarting = true
        requests = []
        connection.loop.spawn(name: "restart of a NATS consumer") { [weak self] in
            var rest = rest
            while let self, !isStopped {
                do {
                    if rest > .zero { try sleep(rest) }
                    consumer = try makeConsumer()
                    lastHeard = .now
                    isStarting = false
                    refill()
                    return
                } catch is CancellationError {
                    return
                } catch NATSError.unanswered {
                    rest = Self.rest  // no server, or no leader: they come back
                } catch {
                    onFailure(error)
                    return
                }
            }
        }
    }

    /// Asks for nothing more. What still comes goes to the handler, until `stop`.
    func stop() {
        isStopped = true
        watch?.cancel()
        if let subscription { connection.unsubscribe(subscription) }
        subscription = nil
    }

    /// The consumer's name, while there is one.
    var name: String? { consumer }
}
