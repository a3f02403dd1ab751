#if TLS
    import COpenSSL
    import CSwiftletTLS

    /// TLS that failed: what was done, with whom, why, and what helps.
    ///
    /// What the connection below throws, such as a reset or a timeout, comes as it is: a `SocketError`.
    public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
        /// What was being done.
        public enum Phase: String, Sendable, Hashable {
            /// Reading certificates and keys and checking the settings.
            case configuration = "TLS configuration"
            case handshake = "TLS handshake"
            case read = "TLS read"
            case write = "TLS write"
            case closeWriting = "TLS end of writing"
        }

        /// Why it failed.
        public enum Reason: Sendable, Hashable {
            /// A certificate or key of this side cannot be read, or the two do not belong together.
            case identity(String)
            /// Another setting cannot be used.
            case unusable(String)
            /// The peer's certificate was refused.
            case certificate(TLSCertificateProblem)
            /// The peer broke off, with this alert.
            case alert(String)
            /// What the peer sends is not TLS.
            case notTLS
            /// The peer's stream ended without the goodbye that TLS asks for: the end may be missing.
            case truncated
            /// An earlier write was cut off, by a timeout or a cancellation, so nothing more can be written.
            case brokenOff
            /// Something else, in OpenSSL's words.
            case protocolFailure(String)
        }

        public let phase: Phase
        /// The other side, or for a configuration the file or setting.
        public let peer: String
        public let reason: Reason

        init(_ phase: Phase, _ peer: String, _ reason: Reason) {
            self.phase = phase
            self.peer = peer
            self.reason = reason
        }

        /// The peer has gone away or broken off: nothing that this side did wrong.
        public var isDisconnection: Bool { reason == .truncated }

        public var description: String {
            guard phase != .configuration else { return "\(phase.rawValue), \(peer): \(explanation)" }
            return "\(phase.rawValue) with \(peer): \(explanation)"
        }

        private var explanation: String {
            switch reason {
            case .identity(let text), .unusable(let text): text
            case .certificate(let problem): problem.description
            case .alert(let text): "the peer refused: \(text)\(Self.advice(alert: text))"
            case .notTLS: "the peer does not speak TLS there: check the port, and whether the scheme should be http"
            case .truncated where phase == .handshake: "the peer closed the connection in the middle of the handshake"
            case .truncated:
                "the connection ended without TLS's goodbye (close_notify): somebody may have cut it off, so what came may be incomplete"
            case .brokenOff:
                "an earlier write was cut off in the middle by a timeout or a cancellation, so nothing more can be written: close it"
            case .protocolFailure(let text): text
            }
        }

        private static func advice(alert text: String) -> String {
            switch text {
            case let text where text.contains("certificate required"):
                "; it wants a client certificate: set the configuration's identity"
            case let text where text.contains("unknown ca") || text.contains("bad certificate"):
                "; it does not accept this side's certificate"
            case let text where text.contains("protocol version"):
                "; no common version of TLS: look at minimumVersion and maximumVersion"
            case let text where text.contains("handshake failure"):
                "; no common cipher, or it wants a client certificate"
            case let text where text.contains("no application protocol"):
                "; no common application protocol: look at applicationProtocols"
            case let text where text.contains("unrecognized name"): "; it has no certificate for that host"
            default: ""
            }
        }

        /// What OpenSSL says about a machine that has failed.
        static func failure(
            _ phase: Phase, _ peer: String, host: String, _ failure: borrowing swiftlet_tls_failure
        ) -> TLSError {
            if failure.verify_code != X509_V_OK, phase == .handshake, failure.alert < 0 {
                let problem = TLSCertificateProblem(
                    code: failure.verify_code, certificate: failure.certificate, host: host)
                return TLSError(phase, peer, .certificate(problem))
            }
            if failure.is_truncation { return TLSError(phase, peer, .truncated) }
            if failure.reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE {
                return TLSError(phase, peer, .certificate(.missing))
            }
            let words = text(of: failure.text)
            if failure.alert >= 0 { return TLSError(phase, peer, .alert(words)) }
            let isForeign = [
                SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_PACKET_LENGTH_TOO_LONG,
                SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_BAD_PROTOCOL_VERSION_NUMBER,
            ].contains(failure.reason)
            return TLSError(phase, peer, isForeign && phase == .handshake ? .notTLS : .protocolFailure(words))
        }
    }
#endif
