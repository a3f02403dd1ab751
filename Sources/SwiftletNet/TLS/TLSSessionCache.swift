#if TLS
    import COpenSSL
    import SwiftletCoroutines

    /// The sessions that servers have offered to a client, by server.
    final class TLSSessionCache: Sendable {
        private static let serverLimit = 1000
        private static let sessionLimit = 4

        // OpenSSL's sessions count their references by atomic steps, and are not changed here.
        private let sessions = Locked<[String: [OpaquePointer]]>([:])

        deinit {
            sessions.withLock { for session in $0.values.joined() { SSL_SESSION_free(session) } }
        }

        /// Takes over a session.
        func keep(_ session: OpaquePointer, of server: String) {
            let dropped: [OpaquePointer] = sessions.withLock { sessions in
                var dropped: [OpaquePointer] = []
                if sessions[server] == nil, sessions.count == Self.serverLimit, let other = sessions.keys.first {
                    dropped = sessions.removeValue(forKey: other) ?? []
                }
                sessions[server, default: []].append(session)
                if sessions[server]!.count > Self.sessionLimit { dropped.append(sessions[server]!.removeFirst()) }
                return dropped
            }
            for session in dropped { SSL_SESSION_free(session) }
        }

        /// The newest session of a server; the caller owns it. A ticket of TLS 1.3 is given once, or those who look on could
        /// tell that two connections belong together (RFC 8446, C.4).
        func take(of server: String) -> OpaquePointer? {
            sessions.withLock { sessions in
                guard let session = sessions[server]?.last else { return nil }
                if SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION {
                    sessions[server]!.removeLast()
                } else {
                    SSL_SESSION_up_ref(session)
                }
                return session
            }
        }
    }
#endif
