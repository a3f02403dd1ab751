#if TLS
    import COpenSSL
    import CSwiftletTLS

    /// What a handshake came to.
    public struct TLSInfo: Sendable, Hashable {
        /// The version in use; `nil` for one that has no name here.
        public let version: TLSVersion?
        /// The cipher in use, as in `TLS_AES_256_GCM_SHA384`.
        public let cipher: String
        /// The protocol to be used inside of TLS (ALPN); `nil` if the two did not agree on one.
        public let applicationProtocol: String?
        /// The host that the client asked for (SNI); `nil` for an address in numbers.
        public let serverName: String?
        /// Whom the peer's certificate is for, as in `CN=example.com`; `nil` if it has shown none. It has been verified
        /// unless the configuration says otherwise.
        public let peerCertificateSubject: String?
        /// It goes on from an earlier session.
        public let isResumed: Bool

        /// Asks a machine whose handshake has just ended.
        init(of ssl: OpaquePointer) {
            let number = SSL_version(ssl)
            version = TLSVersion.allCases.first { $0.number == number }
            cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)).map { String(cString: $0) } ?? "none"
            var name: UnsafePointer<UInt8>?
            var count: CUnsignedInt = 0
            SSL_get0_alpn_selected(ssl, &name, &count)
            applicationProtocol =
                count == 0
                ? nil : String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
            serverName = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
            if let certificate = SSL_get1_peer_certificate(ssl) {
                peerCertificateSubject = writtenText { swiftlet_tls_subject(certificate, $0, $1) }
                X509_free(certificate)
            } else {
                peerCertificateSubject = nil
            }
            isResumed = SSL_session_reused(ssl) == 1
        }
    }
#endif
