import SwiftletPool

/// What a worker says about a call.
enum Answer {
    case output(FrameFlags)
    case refused(Refusal)
    case unknown

    init(_ message: IncomingMessage) {
        if let refusal = message.header(Header.refusal).flatMap({ Refusal($0) }) {
            self = .refused(refusal)
        } else if let flags = message.header(Header.flags).flatMap({ UInt8($0) }) {
            // Nobody on the network may have raw memory read into types: a worker over NATS encodes its results.
            self = .output(FrameFlags(rawValue: flags).subtracting(.plain))
        } else {
            self = .unknown
        }
    }

    /// All jobs of the call have results.
    var isSuccess: Bool {
        guard case .output(let flags) = self else { return false }
        return flags.isDisjoint(with: [.mixed, .failed])
    }
}
