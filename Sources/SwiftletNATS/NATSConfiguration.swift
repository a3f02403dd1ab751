/// Which servers, how to get in, and how a queue of jobs works.
///
/// ```swift
/// var configuration: NATSConfiguration = "tls://nats1.example:4222,tls://nats2.example:4222"
/// configuration.credentials = .file("/etc/swiftlet/worker.creds")
/// configuration.replicas = 3
/// ```
public struct NATSConfiguration: Sendable, Hashable, ExpressibleByStringLiteral {
    /// How to get in. What is in a server's address (`nats://user:password@host`) counts too.
    public enum Credentials: Sendable, Hashable {
        case none
        case user(String, password: String)
        case token(String)
        /// A file with a JWT and its seed, as `nsc` writes it.
        case file(String)
        /// An NKey: a file with the seed, and the public key that belongs to it.
        case key(seedFile: String, publicKey: String)
    }

    /// How the connection is encrypted. Paths name PEM files.
    public struct TLS: Sendable, Hashable {
        /// Who may have signed the server's certificate; the system's authorities if it is `nil`.
        public var authority: String?
        /// This side's certificate and its key, for servers that ask for one.
        public var certificate: String?
        public var privateKey: String?
        /// The name that the server's certificate must have, if it is not that of its address.
        public var host: String?
        /// False trusts any server: for experiments.
        public var verifiesServer = true

        public init() {}
    }

    /// Addresses such as `nats://host:4222`. One that answers is enough: it names the others of its cluster.
    public var servers: [String]
    public var credentials = Credentials.none
    /// Encryption; servers whose address begins with `tls://` are talked to with it anyway.
    public var tls: TLS?
    /// How long one server may take to answer at the beginning.
    public var connectTimeout = Duration.seconds(2)

    /// Which queue jobs go to and workers take them from.
    public var queue = "default"
    /// On how many servers of a cluster jobs and results are kept; for a queue that is not there yet.
    public var replicas = 1
    /// A job whose worker has not been heard of for so long goes to another one. Workers that live say so for as long as
    /// a job takes; that of the first worker that comes holds for the queue.
    public var acknowledgementWait = Duration.seconds(30)
    /// After so many workers that had a job and were lost, the last of them while it ran nothing else, the job is taken out as
    /// poison: it goes to the dead letters, and its caller gets `NATSError.poisoned`. With 1 the first worker is the last, whatever
    /// else it ran.
    public var deliveryLimit = 5
    /// How long results are kept whose caller has not asked for them.
    public var resultLifetime = Duration.seconds(7 * 24 * 60 * 60)
    /// How many calls of one caller may be at the servers at a time. Further ones wait in the caller.
    public var outstandingLimit = 4096

    /// - Parameter servers: one address, or several with commas between them.
    public init(_ servers: String) {
        self.servers = servers.split(separator: ",").map { part in
            let address = part.filter { !$0.isWhitespace }
            return address.contains("://") ? address : "nats://" + address
        }
    }

    public init(stringLiteral servers: String) { self.init(servers) }

    func check() throws(NATSError) {
        if servers.isEmpty { throw .invalidOption("no server is named; name one as in nats://localhost:4222") }
        if queue.isEmpty { throw .invalidOption("the queue has no name") }
        if !(1...5).contains(replicas) { throw .invalidOption("replicas must be from 1 to 5, not \(replicas)") }
        if acknowledgementWait < .milliseconds(100) {
            throw .invalidOption("acknowledgementWait must be at least 100 ms, not \(acknowledgementWait)")
        }
        if deliveryLimit < 1 { throw .invalidOption("deliveryLimit must be at least 1, not \(deliveryLimit)") }
        if outstandingLimit < 1 { throw .invalidOption("outstandingLimit must be at least 1, not \(outstandingLimit)") }
    }
}
