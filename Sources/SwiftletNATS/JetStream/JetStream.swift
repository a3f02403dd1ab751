import SwiftletLoop
import SwiftletPool

/// Requests to the servers' JetStream: each parks its caller until the answer is there. On the connection's loop.
struct JetStream {
    let connection: Connection

    /// Of one attempt.
    private static let answerLimit = Duration.seconds(3)
    /// After so long without anybody who listens, nobody will.
    private static let deafLimit = Duration.seconds(3)
    /// What a server says that has no leader to ask: as good as no answer. "System temporarily unavailable", "cannot handle
    /// the request".
    private static let withoutLeader = [10008, 10009]
    /// Between attempts.
    private static let rest = Duration.milliseconds(250)

    struct APIError: Error {
        let code: Int
        let reason: String
    }

    /// Asks, again and again if nobody can answer at the moment.
    ///
    /// - Parameters:
    ///   - operation: for errors, as in "make the stream X".
    ///   - member: the text that an answer must hold. A cluster whose servers were being killed has answered with neither that nor an error
    ///     (nats-soak), which is as good as no answer.
    ///   - limit: how long in all.
    /// - Throws: `APIError` with what the server says; `NATSError.unanswered`; `CancellationError`.
    func request(
        _ subject: String, _ text: String = "", to operation: String, for member: String? = nil,
        limit: Duration = .seconds(15)
    ) throws -> JSON {
        let start = ContinuousClock.now
        let deadline = Deadline.after(limit)
        while true {
            let message = try ask(OutgoingMessage(subject, text: text), until: min(.after(Self.answerLimit), deadline))
            if let message, message.status == nil, let answer = JSON(message.bytes),
                answer["error"] != nil || member.map({ answer[$0]?.string != nil }) ?? true
            {
                guard let error = answer["error"] else { return answer }
                let code = error["err_code"]?.integer ?? error["code"]?.integer ?? 0
                let failure = APIError(code: code, reason: error["description"]?.string ?? "no reason is given")
                // It cannot now, though it may soon: there is no leader, not enough room, or a file that is gone.
                guard error["code"]?.integer ?? 0 >= 500 else { throw failure }
                if deadline.remaining <= Self.rest {
                    throw Self.withoutLeader.contains(code) ? NATSError.unanswered(operation: operation) : failure
                }
            } else if deadline.remaining <= Self.rest
                || message?.status != nil && ContinuousClock.now - start > Self.deafLimit
            {
                throw NATSError.unanswered(operation: operation)
            }
            try sleep(Self.rest)
        }
    }

    /// Sends a message and waits for what comes in answer.
    ///
    /// - Returns: `nil` when nothing has come in time.
    func ask(_ message: OutgoingMessage, until deadline: Deadline) throws -> IncomingMessage? {
        let answer = Waiter<IncomingMessage>()
        let reply = connection.makeReply { answer.resume(returning: $0) }
        defer { connection.forgetReply(reply.number) }
        var message = message
        message.reply = reply.subject
        connection.send(message)
        return try answer.wait(until: deadline)
    }

    // MARK: Streams

    /// Makes the streams of a queue unless they are there.
    func makeStreams(_ names: QueueNames, _ configuration: NATSConfiguration) throws {
        let lifetime = configuration.resultLifetime
        try makeStream(names.jobs, names.job(">"), configuration, "\"retention\":\"workqueue\",\"discard\":\"new\"")
        // One result for each job, the latest: two of one job say the same.
        let kept = "\"max_age\":\(lifetime.wholeNanoseconds),\"max_msgs_per_subject\":1,\"allow_direct\":true"
        try makeStream(names.results, names.result(">"), configuration, kept)
        try makeStream(names.deadLetters, names.deadLetter(">"), configuration, kept)
    }

    private func makeStream(
        _ name: String, _ subject: String, _ configuration: NATSConfiguration, _ more: String
    ) throws {
        let operation = "make the stream \(name)"
        do {
            _ = try request("$JS.API.STREAM.INFO.\(name)", to: operation)
            return
        } catch let error as APIError {
            guard error.code == 10059 else { throw refusal(operation, error) }  // there is no such stream
        }
        do {
            _ = try request(
                "$JS.API.STREAM.CREATE.\(name)",
                """
                {"name":"\(name)","subjects":["\(subject)"],"storage":"file","num_replicas":\(configuration.replicas),\
                "duplicate_window":120000000000,\(more)}
                """, to: operation)
        } catch let error as APIError {
            guard error.code == 10058 else { throw refusal(operation, error) }  // somebody else has just made it
        }
    }

    /// Makes a consumer, or makes sure that a durable one is there.
    ///
    /// - Returns: its name.
    func makeConsumer(of stream: String, named durable: String? = nil, _ settings: String) throws -> (
        name: String, pending: Int
    ) {
        let operation = "make a consumer of the stream \(stream)"
        let subject =
            durable.map { "$JS.API.CONSUMER.DURABLE.CREATE.\(stream).\($0)" } ?? "$JS.API.CONSUMER.CREATE.\(stream)"
        let name = durable.map { "\"durable_name\":\"\($0)\"," } ?? ""
        do {
            let answer = try request(
                subject, "{\"stream_name\":\"\(stream)\",\"config\":{\(name)\(settings)}}", to: operation,
                for: "name")
            guard let made = answer["name"]?.string else { throw NATSError.unanswered(operation: operation) }
            return (made, answer["num_pending"]?.integer ?? 0)
        } catch let error as APIError {
            // A durable one that is there, with other settings: they hold.
            if let durable, [10013, 10105, 10148].contains(error.code) { return (durable, 0) }
            throw refusal(operation, error)
        }
    }

    private func refusal(_ operation: String, _ error: APIError) -> NATSError {
        .refused(operation: operation, code: error.code, reason: error.reason)
    }

    /// Takes messages out of a work queue: of each subject that matches, the last one. Of ours there is only one.
    ///
    /// Not with a purge: servers before 2.9.12 have a consumer that reads other subjects as well pass over all that is there
    /// (nats.go #1202).
    func deleteMessages(of stream: String, subjects pattern: String, to operation: String) throws {
        while true {
            let filter = "{\"subjects_filter\":\(JSON.quoted(pattern))}"
            let found = try request("$JS.API.STREAM.INFO.\(stream)", filter, to: operation, limit: Self.listLimit)
            let subjects = found["state"]?["subjects"]?.keys ?? []
            if subjects.isEmpty { return }
            var rest = subjects[...]
            while !rest.isEmpty {
                let fibers = rest.prefix(Self.requestsAtOnce).map { subject in
                    connection.loop.spawn(name: "removal of a NATS job") {
                        try deleteLastMessage(of: stream, subject: subject, to: operation)
                    }
                }
                // All of them end soon, with the loop at the latest.
                for fiber in fibers { try fiber.get() }
                rest = rest.dropFirst(Self.requestsAtOnce)
            }
        }
    }

    /// Of an answer that names up to 100,000 subjects.
    private static let listLimit = Duration.seconds(60)
    private static let requestsAtOnce = 100

    private func deleteLastMessage(of stream: String, subject: String, to operation: String) throws {
        do {
            let found = try request(
                "$JS.API.STREAM.MSG.GET.\(stream)", "{\"last_by_subj\":\(JSON.quoted(subject))}", to: operation)
            guard let sequence = found["message"]?["seq"]?.integer else {
                throw NATSError.unanswered(operation: operation)
            }
            _ = try request("$JS.API.STREAM.MSG.DELETE.\(stream)", Self.deletion(sequence), to: operation)
        } catch let error as APIError {
            // Somebody has done it meanwhile: it was not found, or could not be deleted.
            guard [10037, 10057].contains(error.code) else { throw refusal(operation, error) }
        }
    }

    private static func deletion(_ sequence: Int) -> String { "{\"seq\":\(sequence),\"no_erase\":true}" }

    // MARK: Without waiting: what is lost here does no harm

    func deleteConsumer(_ name: String, of stream: String) {
        connection.send(OutgoingMessage("$JS.API.CONSUMER.DELETE.\(stream).\(name)", text: ""))
    }

    func deleteMessage(_ sequence: Int, of stream: String) {
        connection.send(OutgoingMessage("$JS.API.STREAM.MSG.DELETE.\(stream)", text: Self.deletion(sequence)))
    }

    /// Not for work queues (`deleteMessages`): of the results each set has consumers of its own.
    func purge(_ stream: String, subject: String, below sequence: Int? = nil) {
        let limit = sequence.map { ",\"seq\":\($0)" } ?? ""
        connection.send(OutgoingMessage("$JS.API.STREAM.PURGE.\(stream)", text: "{\"filter\":\"\(subject)\"\(limit)}"))
    }
}

extension Duration {
    var wholeNanoseconds: Int64 { Int64(self / .nanoseconds(1)) }
}

/// Where a message of a consumer comes from.
struct Delivery: Equatable {
    let consumer: String
    /// How often the message has been delivered, this time included.
    let count: Int
    let sequence: Int
    /// How many more the consumer has.
    let pending: Int

    /// - Parameter reply: `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.…`, with two more parts behind ACK from servers that name
    ///   domain and account.
    init?(_ reply: String) {
        var reply = reply
        guard let made = reply.withUTF8({ Delivery(UnsafeRawPointer($0.baseAddress!), length: $0.count) }) else {
            return nil
        }
        self = made
    }

    init?(_ reply: UnsafeRawPointer, length: Int) {
        let text = UnsafeRawBufferPointer(start: reply, count: length)
        guard text.starts(with: "$JS.ACK.".utf8) else { return nil }
        var consumer = 0..<0
        var numbers = (count: 0, sequence: 0, pending: 0)
        let dots = text.reduce(0) { $0 + ($1 == UInt8(ascii: ".") ? 1 : 0) }
        guard dots >= 8 else { return nil }
        let first = dots >= 10 ? 5 : 3
        var (part, start) = (0, 0)
        for index in 0...length where index == length || text[index] == UInt8(ascii: ".") {
            switch part - first {
            case 0: consumer = start..<index
            case 1, 2, 5:
                guard let number = Int(String(decoding: text[start..<index], as: UTF8.self)) else { return nil }
                switch part - first {
                case 1: numbers.count = number
                case 2: numbers.sequence = number
                default: numbers.pending = number
                }
            default: break
            }
            (part, start) = (part + 1, index + 1)
        }
        self.consumer = String(decoding: text[consumer], as: UTF8.self)
        (count, sequence, pending) = numbers
    }
}
