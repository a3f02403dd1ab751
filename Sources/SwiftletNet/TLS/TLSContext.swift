#if TLS
    import COpenSSL
    import CSwiftletTLS
    import SwiftletCoroutines

    /// What a configuration comes to: OpenSSL's context, and what its callbacks need.
    final class TLSContext: Sendable {
        // OpenSSL's contexts may be used from all threads once they are set up, which the initializer does.
        nonisolated(unsafe) let pointer: OpaquePointer
        let sessions: TLSSessionCache?
        let verification: TLSVerification
        private let identity: TLSIdentity?
        private let identities: [String: TLSIdentity]
        /// A server's ALPN names as they stand in messages. OpenSSL is handed parts of this memory.
        nonisolated(unsafe) private let protocols: UnsafeMutableBufferPointer<UInt8>

        init(client configuration: TLSClientConfiguration) throws {
            pointer = try Self.make(TLS_client_method(), configuration.minimumVersion, configuration.maximumVersion)
            sessions = configuration.resumesSessions ? TLSSessionCache() : nil
            verification = configuration.verification
            identity = configuration.identity
            identities = [:]
            protocols = UnsafeMutableBufferPointer(start: nil, count: 0)
            if let identity { try use(identity) }
            if verification != .none {
                try trust(configuration.trustRoots, namesToClients: false)
                SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
            }
            if sessions != nil { swiftlet_tls_collect_sessions(pointer) }
            let names = try Self.wireForm(of: configuration.applicationProtocols)
            if !names.isEmpty { SSL_CTX_set_alpn_protos(pointer, names, CUnsignedInt(names.count)) }
        }

        init(server configuration: TLSServerConfiguration) throws {
            let names = try Self.wireForm(of: configuration.applicationProtocols)
            pointer = try Self.make(TLS_server_method(), configuration.minimumVersion, configuration.maximumVersion)
            sessions = nil
            verification = .none
            identity = configuration.identity
            identities = Dictionary(
                configuration.identities.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { _, last in last })
            protocols = .allocate(capacity: names.count)
            _ = protocols.initialize(from: names)
            try use(configuration.identity)
            // Tickets carry sessions: nothing is kept here. They are good for servers of this context only.
            swiftlet_tls_set_session_cache(pointer, CLong(SSL_SESS_CACHE_OFF))
            SSL_CTX_set_session_id_context(pointer, Array("swiftlet".utf8), 8)
            switch configuration.clientCertificates {
            case .none: break
            case .optional(let roots):
                try trust(roots, namesToClients: true)
                SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
            case .required(let roots):
                try trust(roots, namesToClients: true)
                SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            }
            // Safe: whoever uses OpenSSL's context holds this object, see TLSStream.
            let me = Unmanaged.passUnretained(self).toOpaque()
            if !names.isEmpty { SSL_CTX_set_alpn_select_cb(pointer, Self.selectProtocol, me) }
            if !identities.isEmpty { SSL_CTX_set_cert_cb(pointer, Self.selectIdentity, me) }
        }

        deinit {
            SSL_CTX_free(pointer)
            protocols.deallocate()
        }

        private static func make(
            _ method: OpaquePointer?, _ minimum: TLSVersion, _ maximum: TLSVersion
        ) throws -> OpaquePointer {
            guard minimum <= maximum else {
                throw TLSError(
                    .configuration, "the versions", .unusable("the minimum \(minimum) is above the maximum \(maximum)"))
            }
            guard let pointer = SSL_CTX_new(method) else {
                throw TLSError(.configuration, "OpenSSL", .unusable(writtenText(swiftlet_tls_last_error)))
            }
            swiftlet_tls_set_up(pointer, minimum.number, maximum.number)
            return pointer
        }

        private func use(_ identity: TLSIdentity) throws {
            let isUsed = withUnsafePointer(to: identity.parts) { swiftlet_tls_use_identity_for_all(pointer, $0) == 1 }
            guard isUsed else {
                throw TLSError(.configuration, identity.subject, .identity(writtenText(swiftlet_tls_last_error)))
            }
        }

        private func trust(_ roots: TLSTrustRoots, namesToClients: Bool) throws {
            let (name, source): (String, OpaquePointer?)
            switch roots {
            case .system:
                guard SSL_CTX_set_default_verify_paths(pointer) == 1 else {
                    throw TLSError(
                        .configuration, "the system's trust roots", .unusable(writtenText(swiftlet_tls_last_error)))
                }
                return
            case .file(let path): (name, source) = (path, try TLSIdentity.open(path))
            case .certificates(let bytes): (name, source) = ("the given trust roots", TLSIdentity.source(bytes))
            }
            switch swiftlet_tls_trust(pointer, source, namesToClients) {
            case 0: throw TLSError(.configuration, name, .unusable("there is no CERTIFICATE block in it"))
            case ..<0: throw TLSError(.configuration, name, .unusable(writtenText(swiftlet_tls_last_error)))
            default: return
            }
        }

        /// Each name behind its length (RFC 7301, 3.1).
        private static func wireForm(of names: [String]) throws -> [UInt8] {
            try names.flatMap { name in
                guard (1...255).contains(name.utf8.count) else {
                    throw TLSError(
                        .configuration, "the application protocol \"\(name)\"", .unusable("a name has 1 to 255 bytes"))
                }
                return [UInt8(name.utf8.count)] + name.utf8
            }
        }

        // MARK: OpenSSL's questions to a server

        private static let selectProtocol: SSL_CTX_alpn_select_cb_func = { _, selected, count, offers, size, context in
            let context = Unmanaged<TLSContext>.fromOpaque(context!).takeUnretainedValue()
            var choice: UnsafeMutablePointer<UInt8>?
            let status = SSL_select_next_proto(
                &choice, count, context.protocols.baseAddress, CUnsignedInt(context.protocols.count), offers, size)
            guard status == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            selected?.pointee = UnsafePointer(choice)
            return SSL_TLSEXT_ERR_OK
        }

        private static let selectIdentity: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> CInt = {
            ssl, context in
            let context = Unmanaged<TLSContext>.fromOpaque(context!).takeUnretainedValue()
            guard let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map({ String(cString: $0) }),
                let identity = context.identity(for: name)
            else { return 1 }
            return withUnsafePointer(to: identity.parts) { swiftlet_tls_use_identity(ssl, $0) }
        }

        private func identity(for name: String) -> TLSIdentity? {
            let name = name.lowercased()
            if let exact = identities[name] { return exact }
            guard let dot = name.firstIndex(of: ".") else { return nil }
            return identities["*" + name[dot...]]
        }
    }

    /// Where the copies of a configuration share their context, which the first connection makes.
    final class TLSContextSlot: Sendable {
        private let slot = Locked<TLSContext?>(nil)

        func context(_ make: () throws -> TLSContext) throws -> TLSContext {
            try slot.withLock { context in
                if let context { return context }
                let made = try make()
                context = made
                return made
            }
        }
    }
#endif
