#if TLS
    import COpenSSL
    import CSwiftletTLS
    import Glibc

    /// A certificate, those of its issuers, and its private key: what one side shows to the other.
    public final class TLSIdentity: Sendable {
        // Not changed after the initializer; OpenSSL counts its references by atomic steps.
        nonisolated(unsafe) let parts: swiftlet_tls_identity
        /// Whom the certificate is for, as in `CN=example.com`.
        public let subject: String

        /// Reads PEM files.
        ///
        /// - Parameters:
        ///   - certificateFile: the certificate, and behind it those of its issuers.
        ///   - privateKeyFile: the certificate's key; it may be the same file.
        ///   - passphrase: opens an encrypted key.
        /// - Throws: `TLSError`, which says what is wrong with which file.
        public convenience init(certificateFile: String, privateKeyFile: String, passphrase: String? = nil) throws {
            let names = certificateFile == privateKeyFile ? certificateFile : "\(certificateFile) and \(privateKeyFile)"
            try self.init(
                Self.open(certificateFile), { try Self.open(privateKeyFile) }, passphrase: passphrase, from: names)
        }

        /// Takes PEM text.
        ///
        /// - Parameters:
        ///   - certificate: the certificate, and behind it those of its issuers.
        ///   - privateKey: the certificate's key.
        ///   - passphrase: opens an encrypted key.
        /// - Throws: `TLSError`, which says what is wrong.
        public convenience init(certificate: [UInt8], privateKey: [UInt8], passphrase: String? = nil) throws {
            try self.init(
                Self.source(certificate), { Self.source(privateKey) }, passphrase: passphrase,
                from: "the given PEM text")
        }

        private init(
            _ certificates: OpaquePointer?, _ key: () throws -> OpaquePointer?, passphrase: String?, from names: String
        ) throws {
            let keySource: OpaquePointer?
            do {
                keySource = try key()
            } catch {
                BIO_free(certificates)
                throw error
            }
            parts = swiftlet_tls_identity_read(certificates, keySource, passphrase)
            guard let certificate = parts.certificate else {
                throw TLSError(.configuration, names, .identity(text(of: parts.text)))
            }
            subject = writtenText { swiftlet_tls_subject(certificate, $0, $1) }
        }

        deinit { swiftlet_tls_identity_free(parts) }

        static func open(_ path: String) throws -> OpaquePointer? {
            guard let file = BIO_new_file(path, "r") else {
                let reason = String(cString: strerror(errno))
                ERR_clear_error()
                throw TLSError(.configuration, path, .identity("the file cannot be read: \(reason)"))
            }
            return file
        }

        /// PEM text in memory that belongs to OpenSSL.
        static func source(_ bytes: [UInt8]) -> OpaquePointer? {
            let memory = BIO_new(BIO_s_mem())
            _ = bytes.withUnsafeBytes { BIO_write(memory, $0.baseAddress, CInt($0.count)) }
            return memory
        }
    }

    /// A text that C writes into memory of ours. What a peer can choose may hold anything: only what can be printed stays.
    func writtenText(_ write: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
            write(buffer.baseAddress!, buffer.count)
            let text = String(cString: buffer.baseAddress!)
            return String(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) })
        }
    }

    /// A text in an array of C's.
    func text<Characters>(of characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
#endif
