#if TLS
    /// How a server uses TLS. Copies share what was prepared from the settings.
    public struct TLSServerConfiguration: Sendable {
        /// The certificate of clients that name no host or an unknown one.
        public var identity: TLSIdentity { didSet { context = TLSContextSlot() } }
        /// Further certificates by the host that a client names (SNI): `example.com`, or `*.example.com` for all that are
        /// one label longer.
        public var identities: [String: TLSIdentity] = [:] { didSet { context = TLSContextSlot() } }
        /// The protocols that may be used inside of TLS (ALPN), such as `http/1.1`; the preferred one first. A client that
        /// offers only others is refused; one that offers none is served.
        public var applicationProtocols: [String] = [] { didSet { context = TLSContextSlot() } }
        /// Whether clients show certificates.
        public var clientCertificates = TLSClientCertificates.none { didSet { context = TLSContextSlot() } }
        /// The lowest version that is accepted.
        public var minimumVersion = TLSVersion.tls12 { didSet { context = TLSContextSlot() } }
        /// The highest version that is accepted.
        public var maximumVersion = TLSVersion.tls13 { didSet { context = TLSContextSlot() } }

        private var context = TLSContextSlot()

        /// Makes a server's configuration.
        public init(identity: TLSIdentity) { self.identity = identity }

        /// Makes a server's configuration from PEM files.
        ///
        /// - Parameters:
        ///   - certificateFile: the server's certificate, and behind it those of its issuers.
        ///   - privateKeyFile: the certificate's key; it may be the same file.
        /// - Throws: `TLSError`, which says what is wrong with which file.
        public init(certificateFile: String, privateKeyFile: String) throws {
            try self.init(identity: TLSIdentity(certificateFile: certificateFile, privateKeyFile: privateKeyFile))
        }

        /// Does now what the first connection would: reads the trust roots and checks the settings.
        ///
        /// - Throws: `TLSError`.
        public func prepare() throws { _ = try preparedContext() }

        func preparedContext() throws -> TLSContext { try context.context { try TLSContext(server: self) } }
    }

    /// Whether a server wants to know who its clients are.
    public enum TLSClientCertificates: Sendable, Hashable {
        /// It does not ask.
        case none
        /// It asks; a client without a certificate is served, one with a bad certificate is refused.
        case optional(trusting: TLSTrustRoots)
        /// It serves only clients with a certificate from one of these issuers.
        case required(trusting: TLSTrustRoots)
    }
#endif
