import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct TLSRefusalTests {
    @Test(arguments: [
        ("expired", "localhost", TLSCertificateProblem.Kind.expired, "expired on 2"),
        ("alone", "localhost", .selfSigned, "make it a trust root"),
        ("unknown", "localhost", .unknownIssuer, "add the issuer to the trust roots"),
        ("server", "example.com", .wrongHost, "for localhost, 127.0.0.1, ::1 and not for example.com"),
        ("server", "127.0.0.2", .wrongHost, "and not for 127.0.0.2"),
        ("other", "localhost", .wrongHost, "for sni.example and"),
    ])
    func `A bad certificate is refused, and said`(
        name: String, host: String, kind: TLSCertificateProblem.Kind, words: String
    ) async throws {
        try await onLoop {
            let refused = try Handshake(clientConfiguration(), try serverConfiguration(name), serverName: host)
            let error = try refused.clientFailure()
            #expect(error.phase == .handshake && problemKind(of: error) == kind)
            #expect("\(error)".hasPrefix("TLS handshake with \(host)") && "\(error)".contains(words), "\(error)")
            // The server is told by an alert, in its handshake or, when its part is done, by its first read.
            let told = try failure(TLSError.self) { _ = try refused.server.get().read(upTo: 1) }
            guard case .alert = told.reason else {
                Issue.record("\(told)")
                return
            }
        }
    }

    @Test func `Verification can be lowered by steps`() async throws {
        try await onLoop {
            for (name, host, verification, isAccepted) in [
                ("server", "example.com", TLSVerification.certificateOnly, true),
                ("expired", "localhost", .certificateOnly, false),
                ("alone", "example.com", .none, true), ("expired", "127.0.0.9", .none, true),
            ] {
                let handshake = try Handshake(
                    clientConfiguration { $0.verification = verification }, try serverConfiguration(name),
                    serverName: host)
                #expect((try? handshake.client.get()) != nil ? isAccepted : !isAccepted, "\(name) \(verification)")
            }
            // What is self-signed may be a root itself.
            let own = try Handshake(
                clientConfiguration { $0.trustRoots = .certificates(Certificates.bytes("alone.pem")) },
                try serverConfiguration("alone"))
            _ = try own.get()
            // The system trusts none of these.
            let system = try Handshake(
                clientConfiguration { $0.trustRoots = .system }, try serverConfiguration())
            #expect(problemKind(of: try system.clientFailure()) == .unknownIssuer)
        }
    }

    @Test func `Versions without overlap`() async throws {
        try await onLoop {
            let handshake = try Handshake(
                clientConfiguration { $0.maximumVersion = .tls12 },
                try serverConfiguration { $0.minimumVersion = .tls13 })
            #expect("\(try handshake.clientFailure())".contains("no common version of TLS"))
            #expect(try handshake.serverFailure().phase == .handshake)
            let twisted = clientConfiguration {
                $0.minimumVersion = .tls13
                $0.maximumVersion = .tls12
            }
            #expect(try failure(TLSError.self) { try twisted.prepare() }.phase == .configuration)
        }
    }

    @Test func `Identities that cannot be used`() throws {
        func problem(_ certificate: String, _ key: String, _ passphrase: String? = nil) throws -> String {
            let error = try failure(TLSError.self) {
                try TLSIdentity(
                    certificateFile: Certificates.file(certificate), privateKeyFile: Certificates.file(key),
                    passphrase: passphrase)
            }
            #expect(error.phase == .configuration && error.peer.contains(Certificates.file("")))
            return "\(error)"
        }
        #expect(try problem("server.pem", "other.key").contains("the private key does not belong to the certificate"))
        #expect(try problem("none.pem", "other.key").contains("none.pem: the file cannot be read: No such file"))
        #expect(try problem("server.pem", "none.key").contains("none.key: the file cannot be read"))
        #expect(try problem("server.key", "server.key").contains("holds no CERTIFICATE"))
        #expect(try problem("server.pem", "server.pem").contains("holds no PRIVATE KEY"))
        #expect(try problem("server.pem", "locked.key").contains("has it a passphrase?"))
        #expect(try problem("server.pem", "locked.key", "wrong").contains("is the passphrase right?"))
        let locked = try TLSIdentity(
            certificateFile: Certificates.file("server.pem"), privateKeyFile: Certificates.file("locked.key"),
            passphrase: "secret")
        #expect(locked.subject == "CN=server")
        let memory = Certificates.bytes("both.pem")
        #expect(try TLSIdentity(certificate: memory, privateKey: memory).subject == "CN=server")
        #expect(
            "\(try failure(TLSError.self) { try TLSIdentity(certificate: [1, 2], privateKey: memory) })".contains("PEM")
        )
        for roots in [TLSTrustRoots.file(Certificates.file("none.pem")), .certificates([]), .certificates([0, 1])] {
            let configuration = clientConfiguration { $0.trustRoots = roots }
            #expect(try failure(TLSError.self) { try configuration.prepare() }.phase == .configuration)
        }
    }

    @Test func `Something else than TLS`() async throws {
        try await onLoop {
            for (isClient, text) in [
                (true, "HTTP/1.1 400 Bad Request\r\n\r\n"), (true, "220 mail.example ESMTP\r\n"),
                (false, "GET / HTTP/1.1\r\n\r\n"),
            ] {
                let pair = try makePair()
                try (isClient ? pair.server : pair.client).write(text)
                let error = try failure(TLSError.self) {
                    isClient
                        ? try TLSStream.client(
                            over: pair.client, serverName: "localhost", configuration: clientConfiguration(),
                            until: limit())
                        : try TLSStream.server(
                            over: pair.server, configuration: try serverConfiguration(), until: limit())
                }
                #expect(error.reason == .notTLS, "\(error)")
                #expect((isClient ? pair.client : pair.server).isClosed)
            }
        }
    }

    @Test func `Random bytes never hang or crash a server`() async throws {
        try await onLoop {
            var random = SystemRandomNumberGenerator()
            let server = try serverConfiguration()
            for round in 0..<200 {
                let pair = try makePair()
                var bytes = (0..<Int.random(in: 1...400)).map { _ in UInt8.random(in: 0...255, using: &random) }
                // Half of them begin as a client's first record does.
                if round % 2 == 0 {
                    bytes.replaceSubrange(..<0, with: [0x16, 3, 1, 0, UInt8(min(bytes.count, 255))])
                }
                try pair.client.write(bytes)
                try pair.client.closeWriting()
                #expect(throws: TLSError.self) {
                    try TLSStream.server(over: pair.server, configuration: server, until: limit())
                }
                pair.client.close()
            }
        }
    }

    @Test func `A handshake that the peer does not answer ends by its deadline`() async throws {
        let sockets = try await onLoop {
            let pair = try makePair()
            let sockets = socketNames([pair.client.descriptor.number])
            let error = try failure(SocketError.self) {
                try TLSStream.client(
                    over: pair.client, serverName: "localhost", configuration: clientConfiguration(),
                    until: .after(.milliseconds(30)))
            }
            #expect(error.operation == .handshake && error.reason == .timedOut)
            #expect("\(error)".hasPrefix("TLS handshake with localhost"))
            return sockets
        }
        #expect(stillOpen(sockets).isEmpty)
    }

    @Test func `A handshake is cancelled, or the peer leaves in the middle`() async throws {
        try await onLoop {
            let pair = try makePair()
            let client = try spawnAndPark {
                try TLSStream.client(
                    over: pair.client, serverName: "localhost", configuration: clientConfiguration(), until: limit())
            }
            client.cancel()
            #expect(throws: CancellationError.self) { try client.get() }
            #expect(pair.client.isClosed)

            let second = try makePair()
            let server = try spawnAndPark {
                try TLSStream.server(over: second.server, configuration: try serverConfiguration(), until: limit())
            }
            second.client.close()
            let error = try failure(TLSError.self) { try server.get() }
            #expect(error.reason == .truncated)
            #expect("\(error)".contains("in the middle of the handshake"))
        }
    }
}
