import SwiftletLoop

/// Puts messages into streams, and makes sure that they are there. On the connection's loop.
///
/// A message that the stream does not acknowledge in time is sent again, under the same identity: the stream keeps one. So
/// it is when the connection has come back, and when the servers say that they cannot take it at the moment.
///
/// States of a publication: sent -> stored | refused | abandoned.
final class Publisher: @unchecked Sendable {
    enum Outcome {
        /// With the message's number in the stream.
        case stored(sequence: Int)
        /// There is a message of that subject already, and none was expected.
        case occupied
        case refused(NATSError)
    }

    private final class Publication {
        let message: OutgoingMessage
        let then: (Outcome) -> Void
        var deadline: ContinuousClock.Instant
        var attempts = 1

        init(_ message: OutgoingMessage, _ then: @escaping (Outcome) -> Void) {
            self.message = message
            self.then = then
            deadline = .now + Publisher.patience
        }
    }

    private static let patience = Duration.seconds(2)
    private static let longestPatience = Duration.seconds(10)
    /// After an answer that nobody can take the message now.
    private static let rest = Duration.milliseconds(250)

    private let connection: Connection
    private var open: [UInt64: Publication] = [:]
    private var timer: TimerHandle?

    init(_ connection: Connection) {
        self.connection = connection
        connection.onReturn { [weak self] in self?.sendAgain(all: true) }
        connection.onClose { [weak self] in self?.end() }
    }

    /// How many are not answered yet.
    var count: Int { open.count }

    /// - Parameter then: is called once, on the loop; never after `abandon`.
    @discardableResult
    func publish(_ message: OutgoingMessage, then: @escaping (Outcome) -> Void) -> UInt64 {
        var number: UInt64 = 0
        // The handler goes with the reply, which is forgotten with the publication.
        let reply = connection.makeReply { [weak self] in self?.answered(number, $0) }
        number = reply.number
        var message = message
        message.reply = reply.subject
        open[number] = Publication(message, then)
        connection.send(message)
        startTimer()
        return number
    }

    /// Nobody wants to know any more.
    func abandon(_ number: UInt64) {
        open[number] = nil
        connection.forgetReply(number)
    }

    private func answered(_ number: UInt64, _ message: IncomingMessage) {
        guard let publication = open[number] else { return }
        let acknowledgement = message.status == nil ? Acknowledgement(message.bytes) : .notNow
        switch acknowledgement {
        case .stored(let sequence): finish(number, publication, .stored(sequence: sequence))
        case .failed(10071, _): finish(number, publication, .occupied)
        case .failed(let code, let reason):
            finish(
                number, publication,
                .refused(.refused(operation: "store \(publication.message.subject)", code: code, reason: reason)))
        case .notNow: publication.deadline = min(publication.deadline, .now + Self.rest)
        }
    }

    private func finish(_ number: UInt64, _ publication: Publication, _ outcome: Outcome) {
        abandon(number)
        publication.then(outcome)
    }

    // MARK: Again

    private func startTimer() {
        guard timer == nil, !open.isEmpty else { return }
        // Refused by a loop that is closed: then the connection ends, and this with it.
        timer = try? connection.loop.callLater(Self.rest) { [weak self] in
            self?.timer = nil
            self?.sendAgain(all: false)
            self?.startTimer()
        }
    }

    private func sendAgain(all: Bool) {
        let now = ContinuousClock.now
        for publication in open.values where all || publication.deadline <= now {
            publication.attempts += 1
            publication.deadline = now + min(Self.patience * publication.attempts, Self.longestPatience)
            connection.send(publication.message)
        }
    }

    private func end() {
        timer?.cancel()
        let publications = open
        open = [:]
        for (_, publication) in publications {
            publication.then(.refused(.connectionClosed(reason: "not all that was published has been acknowledged")))
        }
    }
}

/// What a stream answers to a message.
enum Acknowledgement: Equatable {
    case stored(sequence: Int)
    case failed(Int, String)
    /// It may be tried again.
    case notNow

    init(_ bytes: UnsafeRawBufferPointer) {
        if let sequence = Self.sequence(bytes) {
            self = .stored(sequence: sequence)
            return
        }
        guard let error = JSON(bytes)?["error"] else {
            self = .notNow
            return
        }
        let code = error["err_code"]?.integer ?? error["code"]?.integer ?? 0
        // No leader, a stream that is full or not there yet, resources that are short.
        if error["code"]?.integer == 503 || [10077, 10023, 10047].contains(code) {
            self = .notNow
        } else {
            self = .failed(code, error["description"]?.string ?? "no reason is given")
        }
    }

    /// The number in `"seq": 12` of an answer without an error, which is nearly each: found without taking the text apart.
    private static func sequence(_ bytes: UnsafeRawBufferPointer) -> Int? {
        let name: StaticString = "\"seq\":"
        let wanted = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        var start = 0
        while start + wanted.count < bytes.count {
            if UnsafeRawBufferPointer(rebasing: bytes[start..<start + wanted.count]).elementsEqual(wanted) {
                let digits = bytes[(start + wanted.count)...].drop { $0 == 32 }.prefix { (48...57).contains($0) }
                // 0 comes along with errors.
                return Int(String(decoding: digits, as: UTF8.self)).flatMap { $0 > 0 ? $0 : nil }
            }
            start += 1
        }
        return nil
    }
}
