/// What the streams of a queue, and the subjects in them, are called.
///
/// A job has the subject `swiftlet.QUEUE.job.SET.ID`, its result `swiftlet.QUEUE.result.SET.ID`, and as a dead letter it is
/// `swiftlet.QUEUE.dead.SET.ID`. `SET.ID` is its key.
struct QueueNames: Sendable {
    let queue: String

    init(_ queue: String) { self.queue = Self.token(queue) }

    static let consumer = "workers"

    var jobs: String { "SWIFTLET_\(queue)_JOBS" }
    var results: String { "SWIFTLET_\(queue)_RESULTS" }
    var deadLetters: String { "SWIFTLET_\(queue)_DEAD" }

    func job(_ key: String) -> String { "swiftlet.\(queue).job.\(key)" }
    func result(_ key: String) -> String { "swiftlet.\(queue).result.\(key)" }
    func deadLetter(_ key: String) -> String { "swiftlet.\(queue).dead.\(key)" }
    /// A note that a job is running alone. In the stream of results, though none of its readers asks for it.
    func trial(_ key: String) -> String { "\(result(key)).trial" }
    /// Workers are told there, by its key, that nobody waits for a job any more.
    var cancellations: String { "swiftlet.\(queue).cancel" }

    /// A text as one part of a subject or of a stream's name: letters, digits and hyphens stay, other bytes become `=XX`.
    static func token(_ text: String) -> String {
        var token = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                token.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                token += "=" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return token
    }
}

/// The headers of our messages.
enum Header {
    /// JetStream: a message with an identity that the stream has seen lately is not stored again.
    static let identity = "Nats-Msg-Id"
    /// JetStream: the message is refused unless the last one of its subject has this number; 0: unless there is none.
    static let expectedLast = "Nats-Expected-Last-Subject-Sequence"
    static let job = "Swiftlet-Job"
    static let version = "Swiftlet-Version"
    /// `FrameFlags` of a call, or of an answer.
    static let flags = "Swiftlet-Flags"
    /// Instead of an answer: why there is none (`Refusal`).
    static let refusal = "Swiftlet-Refusal"
}
