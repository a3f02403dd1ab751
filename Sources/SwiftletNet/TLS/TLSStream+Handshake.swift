#if TLS
    import COpenSSL
    import CSwiftletTLS
    public import SwiftletLoop

    extension TLSStream {
        /// Begins TLS as a client. If that fails, the stream below is closed.
        ///
        /// Cancellation: ends the handshake.
        /// - Parameters:
        ///   - transport: a connected stream; it may have been used in clear before.
        ///   - serverName: the name or address that the server's certificate must be for. A name is told to the server (SNI).
        ///   - configuration: keep and share one, so that connections can go on from earlier sessions.
        ///   - deadline: for the whole handshake; the stream's timeouts count as well.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public static func client(
            over transport: any ByteStream, serverName: String,
            configuration: TLSClientConfiguration = TLSClientConfiguration(), until deadline: Deadline? = nil
        ) throws -> TLSStream {
            try connect(over: transport, serverName, configuration, until: deadline)
        }

        /// Begins TLS as a server. If that fails, the stream below is closed.
        ///
        /// Cancellation: ends the handshake.
        /// - Parameters:
        ///   - transport: an accepted stream; it may have been used in clear before.
        ///   - configuration: keep and share one, so that clients can go on from earlier sessions.
        ///   - deadline: for the whole handshake; the stream's timeouts count as well.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public static func server(
            over transport: any ByteStream, configuration: TLSServerConfiguration, until deadline: Deadline? = nil
        ) throws -> TLSStream {
            try accept(over: transport, configuration, until: deadline)
        }

        static func connect(
            over transport: any ByteStream, _ serverName: String, _ configuration: TLSClientConfiguration,
            until deadline: Deadline?
        ) throws -> TLSStream {
            try closingOnFailure(transport) {
                let context = try configuration.preparedContext()
                let stream = try TLSStream(over: transport, context: context, host: serverName)
                try stream.expectServer(named: serverName)
                stream.resumeSession()
                try stream.handshake(until: deadline)
                return stream
            }
        }

        static func accept(
            over transport: any ByteStream, _ configuration: TLSServerConfiguration, until deadline: Deadline?
        ) throws -> TLSStream {
            try closingOnFailure(transport) {
                let stream = try TLSStream(over: transport, context: try configuration.preparedContext(), host: nil)
                try stream.handshake(until: deadline)
                return stream
            }
        }

        private static func closingOnFailure(
            _ transport: any ByteStream, _ body: () throws -> TLSStream
        ) throws -> TLSStream {
            do {
                return try body()
            } catch {
                transport.close()
                throw error
            }
        }

        /// Says whom the certificate must be for, and tells a name to the server: an address is not told (RFC 6066, 3).
        private func expectServer(named name: String) throws {
            let ssl = swiftlet_tls_ssl(machine)
            // Brackets and zones belong to URLs and to this machine, a last dot to DNS: none is part of certificates.
            var name = name.hasPrefix("[") && name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : name
            if let address = SocketAddress(numericHost: String(name.prefix { $0 != "%" }), port: 0) {
                guard context.verification == .full else { return }
                X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address.host)
                return
            }
            if name.hasSuffix(".") { name.removeLast() }
            guard !name.isEmpty, name.utf8.count <= 255, !name.utf8.contains(0) else {
                throw TLSError(.handshake, peerName, .unusable("\"\(name)\" is no host name"))
            }
            swiftlet_tls_set_server_name(ssl, name)
            guard context.verification == .full else { return }
            SSL_set_hostflags(ssl, CUnsignedInt(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            SSL_set1_host(ssl, name)
        }

        private func handshake(until deadline: Deadline?) throws {
            do {
                while true {
                    let step = swiftlet_tls_handshake(machine)
                    if step.status == SWIFTLET_TLS_FAILED { throw tellAndDescribeFailure(until: deadline) }
                    try flush(until: deadline)
                    switch step.status {
                    case SWIFTLET_TLS_DONE: return conclude()
                    case SWIFTLET_TLS_WANTS_INPUT: try fill(until: deadline)
                    default: break
                    }
                }
            } catch let error as SocketError {
                throw SocketError(.handshake, peerName, error.reason)
            }
        }

        /// The peer is told why, if it still listens.
        private func tellAndDescribeFailure(until deadline: Deadline?) -> TLSError {
            do {
                try flush(until: deadline)
            } catch {
                // What counts is the failure itself.
            }
            return failure(.handshake)
        }

        // MARK: Sessions

        /// Servers at other ports are others.
        private var sessionKey: String { "\(host ?? "") \(remoteAddress.port)" }

        private func resumeSession() {
            guard let session = context.sessions?.take(of: sessionKey) else { return }
            SSL_set_session(swiftlet_tls_ssl(machine), session)
            SSL_SESSION_free(session)
        }

        /// Keeps the sessions that the server has offered since the last look.
        func keepSessions() {
            guard let sessions = context.sessions else { return }
            while let session = swiftlet_tls_take_session(machine) { sessions.keep(session, of: sessionKey) }
        }
    }
#endif
