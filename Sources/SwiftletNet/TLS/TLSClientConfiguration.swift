#if TLS
    /// How a client uses TLS. As it is made, the server must have a valid certificate for its name, issued by somebody
    /// whom the system trusts.
    ///
    /// Copies share what was prepared from the settings and the sessions that servers have offered, so that later
    /// connections begin faster; who changes a setting of a copy starts afresh.
    public struct TLSClientConfiguration: Sendable {
        /// How a server proves who it is. Anything but `full` lets others listen in.
        public var verification = TLSVerification.full { didSet { context = TLSContextSlot() } }
        /// Whose certificates count.
        public var trustRoots = TLSTrustRoots.system { didSet { context = TLSContextSlot() } }
        /// What this client shows to a server that asks who it is.
        public var identity: TLSIdentity? { didSet { context = TLSContextSlot() } }
        /// The protocols to offer for use inside of TLS (ALPN), such as `http/1.1`; the preferred one first.
        public var applicationProtocols: [String] = [] { didSet { context = TLSContextSlot() } }
        /// The lowest version that is accepted.
        public var minimumVersion = TLSVersion.tls12 { didSet { context = TLSContextSlot() } }
        /// The highest version that is offered.
        public var maximumVersion = TLSVersion.tls13 { didSet { context = TLSContextSlot() } }
        /// Whether a later connection to the same server may go on from an earlier one's session, which spares both sides
        /// most of the work of a handshake.
        public var resumesSessions = true { didSet { context = TLSContextSlot() } }

        private var context = TLSContextSlot()

        /// Makes the safe default.
        public init() {}

        /// Does now what the first connection would: reads the trust roots and checks the settings.
        ///
        /// - Throws: `TLSError`.
        public func prepare() throws { _ = try preparedContext() }

        func preparedContext() throws -> TLSContext { try context.context { try TLSContext(client: self) } }
    }

    /// How much a server has to prove.
    public enum TLSVerification: Sendable, Hashable {
        /// A valid certificate for the name or address that was connected to.
        case full
        /// A valid certificate for any name: whoever has one from a trusted issuer can pose as the server.
        case certificateOnly
        /// Nothing: anybody on the way can pose as the server. For tests.
        case none
    }

    /// Whose certificates are trusted.
    public enum TLSTrustRoots: Sendable, Hashable {
        /// The issuers that the system trusts; the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
        case system
        /// The certificates of a PEM file.
        case file(String)
        /// Certificates as PEM text.
        case certificates([UInt8])
    }
#endif
