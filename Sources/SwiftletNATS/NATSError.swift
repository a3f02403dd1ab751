/// Why a call over NATS has no result, besides what a pool of any kind may say (`PoolError`).
public enum NATSError: Error, Hashable, CustomStringConvertible {
    /// The package was built without its trait `NATS`.
    case notBuilt
    /// An option makes no sense.
    case invalidOption(String)
    /// None of the servers lets us in.
    case cannotConnect(servers: [String], reason: String)
    /// The servers answer, but refuse what is needed.
    case refused(operation: String, code: Int, reason: String)
    /// The servers did not answer in time.
    case unanswered(operation: String)
    /// The connection could not be used any more.
    case connectionClosed(reason: String)
    /// The arguments, or the result, are larger than the servers take.
    case tooLarge(what: String, job: String, bytes: Int, limit: Int)
    /// So many workers were lost while they ran the job. It lies among the dead letters, under this subject.
    case poisoned(job: String, deliveries: Int, deadLetter: String)

    public var description: String {
        switch self {
        case .notBuilt:
            "this program was built without NATS: enable the trait NATS of the package (swift build --traits default,NATS), "
                + "with Debian's libnats-dev"
        case .invalidOption(let reason): reason
        case .cannotConnect(let servers, let reason):
            "cannot connect to \(servers.joined(separator: ", ")): \(reason)"
        case .refused(let operation, let code, let reason):
            "the servers refuse to \(operation): \(reason) (\(code))" + Self.remedy(code)
        case .unanswered(let operation):
            "the servers did not answer when asked to \(operation); do they run with JetStream (nats-server -js), and is "
                + "the larger part of the cluster up?"
        case .connectionClosed(let reason): "the connection to the servers was closed: \(reason)"
        case .tooLarge(let what, let job, let bytes, let limit):
            "\(what) of \(job) is \(bytes) bytes long, and the servers take \(limit): raise max_payload there, or pass the "
                + "place where the bytes lie instead"
        case .poisoned(let job, let deliveries, let deadLetter):
            "\(deliveries) workers were lost while they ran \(job); it is kept as \(deadLetter)"
        }
    }

    private static func remedy(_ code: Int) -> String {
        switch code {
        case 10039, 10076: "; start the servers with JetStream: nats-server -js"
        case 10005, 10074: "; the cluster has too few servers for the replicas that are asked for"
        default: ""
        }
    }
}
