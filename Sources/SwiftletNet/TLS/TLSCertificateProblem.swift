#if TLS
    import COpenSSL
    import CSwiftletTLS

    /// What is wrong with a certificate.
    public struct TLSCertificateProblem: Sendable, Hashable, CustomStringConvertible {
        /// The kinds of problems.
        public enum Kind: Sendable, Hashable {
            case expired
            case notYetValid
            /// It vouches for itself, and is not among the trust roots.
            case selfSigned
            /// Nobody who is trusted vouches for it, or a certificate between is missing.
            case unknownIssuer
            /// It is for other hosts.
            case wrongHost
            case revoked
            /// It is not meant for this use, such as a client's certificate shown by a server.
            case wrongPurpose
            /// Its key or signature is too weak.
            case tooWeak
            /// The peer has shown none.
            case missing
            case other
        }

        public let kind: Kind
        /// Whom the certificate in question is for, which may be an issuer's.
        public let subject: String
        public let description: String

        static let missing = TLSCertificateProblem(
            kind: .missing, description: "the peer has shown no certificate, and the configuration requires one")

        private init(kind: Kind, description: String) {
            self.kind = kind
            subject = ""
            self.description = description
        }

        init(code: CLong, certificate: OpaquePointer?, host: String) {
            kind = Self.kind(code)
            subject = certificate.map { certificate in writtenText { swiftlet_tls_subject(certificate, $0, $1) } } ?? ""
            let words = String(cString: X509_verify_cert_error_string(code))
            let advice =
                switch kind {
                case .expired:
                    "expired on \(Self.day(certificate, isEnd: true)): the peer needs a new one; is this machine's clock right?"
                case .notYetValid:
                    "valid from \(Self.day(certificate, isEnd: false)) only: is this machine's clock right?"
                case .selfSigned:
                    "self-signed, and not trusted: if it is the right one, make it a trust root of the configuration"
                case .unknownIssuer:
                    "its issuer is not trusted (\(words)): add the issuer to the trust roots, or have the peer send the certificates between"
                case .wrongHost:
                    "for \(Self.names(certificate)) and not for \(host): connect by one of these names"
                case .revoked: "revoked: do not trust the peer"
                case .wrongPurpose: "not meant for this use (\(words))"
                case .tooWeak: "too weak (\(words)): the peer needs a stronger one"
                case .missing, .other: words
                }
            description =
                subject.isEmpty ? "the certificate is \(advice)" : "the certificate of \(subject) is \(advice)"
        }

        /// x509_vfy.h has the codes; X509_STORE_CTX_get_error(3) explains them.
        private static func kind(_ code: CLong) -> Kind {
            switch CInt(code) {
            case X509_V_ERR_CERT_HAS_EXPIRED: .expired
            case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
            case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: .selfSigned
            case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
                X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
                X509_V_ERR_CERT_UNTRUSTED:
                .unknownIssuer
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .wrongHost
            case X509_V_ERR_CERT_REVOKED: .revoked
            case X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_CA: .wrongPurpose
            case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK: .tooWeak
            default: .other
            }
        }

        private static func day(_ certificate: OpaquePointer?, isEnd: Bool) -> String {
            certificate.map { certificate in writtenText { swiftlet_tls_day(certificate, isEnd, $0, $1) } }
                ?? "an unknown day"
        }

        private static func names(_ certificate: OpaquePointer?) -> String {
            let names = certificate.map { certificate in writtenText { swiftlet_tls_names(certificate, $0, $1) } } ?? ""
            return names.isEmpty ? "no host" : names
        }
    }
#endif
