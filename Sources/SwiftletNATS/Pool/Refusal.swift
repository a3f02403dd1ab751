import SwiftletPool

/// What a worker answers to a call that it cannot do at all. As text it goes in a header.
enum Refusal: Equatable {
    case notRegistered([String])
    case otherVersion(Int)
    /// The result is so long, and the servers take so much.
    case tooLarge(bytes: Int, limit: Int)
    case poisoned(deliveries: Int)
    case undecodable(String)

    init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let kind = parts.first else { return nil }
        let rest = parts.count > 1 ? parts[1] : ""
        let numbers = rest.split(separator: " ").compactMap { Int($0) }
        switch (kind, numbers.count) {
        case ("not-registered", _): self = .notRegistered(rest.split(separator: ",").map(String.init))
        case ("version", 1): self = .otherVersion(numbers[0])
        case ("too-large", 2): self = .tooLarge(bytes: numbers[0], limit: numbers[1])
        case ("poisoned", 1): self = .poisoned(deliveries: numbers[0])
        case ("undecodable", _): self = .undecodable(rest)
        default: return nil
        }
    }

    var text: String {
        switch self {
        case .notRegistered(let names): "not-registered \(names.joined(separator: ","))"
        case .otherVersion(let version): "version \(version)"
        case .tooLarge(let bytes, let limit): "too-large \(bytes) \(limit)"
        case .poisoned(let deliveries): "poisoned \(deliveries)"
        case .undecodable(let reason):
            // A header ends with its line.
            "undecodable \(reason.map { $0.isNewline ? " " : String($0) }.joined().prefix(1000))"
        }
    }

    /// As the caller gets it.
    func error(of job: any PoolJob.Type, deadLetter: String) -> any Error {
        let name = job.jobName
        switch self {
        case .notRegistered(let names): return PoolError.notRegistered(job: name, registered: names)
        case .otherVersion(let version):
            return PoolError.versionMismatch(job: name, ours: job.jobVersion, theirs: version)
        case .tooLarge(let bytes, let limit):
            return NATSError.tooLarge(what: "the result", job: name, bytes: bytes, limit: limit)
        case .poisoned(let deliveries):
            return NATSError.poisoned(job: name, deliveries: deliveries, deadLetter: deadLetter)
        case .undecodable(let reason): return PoolError.undecodableArgument(job: name, reason: reason)
        }
    }
}
