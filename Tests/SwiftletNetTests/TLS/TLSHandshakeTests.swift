import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct TLSHandshakeTests {
    @Test(arguments: TLSVersion.allCases)
    func `The two sides agree on a version, and exchange bytes`(version: TLSVersion) async throws {
        try await onLoop {
            let (client, server) = try Handshake(
                clientConfiguration { $0.maximumVersion = version }, try serverConfiguration()
            ).get()
            #expect(client.info.version == version && server.info.version == version)
            #expect(client.info.cipher == server.info.cipher && client.info.cipher.contains("AES"))
            #expect(client.info.peerCertificateSubject == "CN=server" && server.info.peerCertificateSubject == nil)
            #expect(server.info.serverName == "localhost")
            #expect(!client.info.isResumed && !server.info.isResumed)
            try client.write("ping")
            #expect(try server.readExactly(4) == Array("ping".utf8))
            try server.write(Array("po".utf8), Array("ng".utf8))
            #expect(try client.readExactly(4) == Array("pong".utf8))
            let ending = spawn { try server.shutDown(until: limit()) }
            try client.shutDown(until: limit())
            try ending.get()
            #expect(client.isClosed && server.isClosed)
        }
    }

    @Test func `The async spelling`() async throws {
        try await onTaskLoop { _ in
            let listener = try TCPListener()
            let configuration = try serverConfiguration()
            async let echo: Void = {
                let stream = try await TLSStream.server(over: try await listener.accept(), configuration: configuration)
                try await stream.write(try await stream.readExactly(5))
                #expect(try await stream.readToEnd().isEmpty)
                try await stream.write("bye")
                try await stream.shutDown()
            }()
            let connection = try await TCPConnection.connect(to: "127.0.0.1", port: listener.port)
            let stream = try await TLSStream.client(
                over: connection, serverName: "localhost", configuration: clientConfiguration())
            try await stream.write("hello")
            #expect(try await stream.readExactly(5) == Array("hello".utf8))
            try stream.closeWriting()
            #expect(try await stream.read(upTo: 3) == Array("bye".utf8))
            #expect(try await stream.readToEnd().isEmpty)
            try await echo
            stream.close()
        }
    }

    @Test func `Plain threads block`() async throws {
        let (client, server) = try await onFreshThread { try makePair() }
        let configuration = try serverConfiguration()
        async let echo: Void = onFreshThread {
            let stream = try TLSStream.server(over: server, configuration: configuration, until: limit())
            try stream.write(try stream.readExactly(100_000))
            try stream.shutDown(until: limit())
        }
        let answer = try await onFreshThread {
            let stream = try TLSStream.client(
                over: client, serverName: "127.0.0.1", configuration: clientConfiguration(), until: limit())
            try stream.write([UInt8](repeating: 7, count: 100_000))
            let answer = try stream.readExactly(100_000)
            try stream.shutDown(until: limit())
            return answer
        }
        try await echo
        #expect(answer == [UInt8](repeating: 7, count: 100_000))
    }

    @Test func `ALPN: the server's preference among what the client offers`() async throws {
        try await onLoop {
            let server = try serverConfiguration { $0.applicationProtocols = ["h2", "http/1.1"] }
            let both = try Handshake(
                clientConfiguration { $0.applicationProtocols = ["http/1.1", "h2"] }, server
            ).get()
            #expect(both.client.info.applicationProtocol == "h2" && both.server.info.applicationProtocol == "h2")
            let none = try Handshake(clientConfiguration(), server).get()
            #expect(none.client.info.applicationProtocol == nil && none.server.info.applicationProtocol == nil)
            let other = try Handshake(clientConfiguration { $0.applicationProtocols = ["spdy"] }, server)
            #expect("\(try other.clientFailure())".contains("no common application protocol"))
            #expect(try other.serverFailure().phase == .handshake)
            let long = try Handshake(
                clientConfiguration { $0.applicationProtocols = [String(repeating: "x", count: 256)] }, server)
            #expect(try long.clientFailure().phase == .configuration)
        }
    }

    @Test func `SNI: the certificate of the host that the client names`() async throws {
        try await onLoop {
            let server = try serverConfiguration {
                $0.identities = ["SNI.example": try identity("other"), "*.wild.example": try identity("wild")]
            }
            for (name, subject) in [
                ("sni.example", "CN=other"), ("a.wild.example", "CN=wild"), ("A.Wild.Example.", "CN=wild"),
                ("localhost", "CN=server"), ("127.0.0.1", "CN=server"), ("[::1]", "CN=server"),
            ] {
                let (client, _) = try Handshake(clientConfiguration(), server, serverName: name).get()
                #expect(client.info.peerCertificateSubject == subject, "\(name)")
            }
            // A wildcard stands for one label.
            let deep = try Handshake(clientConfiguration(), server, serverName: "a.b.wild.example")
            #expect(problemKind(of: try deep.clientFailure()) == .wrongHost)
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `Client certificates`(version: TLSVersion) async throws {
        try await onLoop {
            let roots = TLSTrustRoots.certificates(Certificates.bytes("authority.pem"))
            let required = try serverConfiguration { $0.clientCertificates = .required(trusting: roots) }
            let optional = try serverConfiguration { $0.clientCertificates = .optional(trusting: roots) }
            func client(_ name: String?) throws -> TLSClientConfiguration {
                let identity = try name.map { name in try SwiftletNetTests.identity(name) }
                return clientConfiguration {
                    $0.identity = identity
                    $0.maximumVersion = version
                }
            }
            for server in [required, optional] {
                let (_, accepted) = try Handshake(client("client"), server).get()
                #expect(accepted.info.peerCertificateSubject == "CN=client")
                let bad = try Handshake(client("badclient"), server)
                #expect(problemKind(of: try bad.serverFailure()) == .unknownIssuer)
            }
            #expect(try Handshake(client(nil), optional).get().server.info.peerCertificateSubject == nil)
            let missing = try Handshake(client(nil), required)
            #expect(problemKind(of: try missing.serverFailure()) == .missing)
            // With TLS 1.3 the client is through before the server looks; it hears it when it reads.
            let told = try failure(TLSError.self) { _ = try missing.client.get().read(upTo: 1) }
            #expect(told.phase == (version == .tls13 ? .read : .handshake))
            #expect("\(told)".contains(version == .tls13 ? "set the configuration's identity" : "handshake failure"))
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `Later connections resume the session`(version: TLSVersion) async throws {
        try await onLoop {
            let server = try serverConfiguration()
            let client = clientConfiguration { $0.maximumVersion = version }
            let listener = try TCPListener()
            func connect(_ client: TLSClientConfiguration) throws -> Bool {
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
                let pair = try Handshake(client, server, over: (connection, try listener.accept())).get()
                try pair.server.write("x")  // what comes with it are the offers of sessions
                _ = try pair.client.readExactly(1)
                #expect(pair.client.info.isResumed == pair.server.info.isResumed)
                #expect(pair.client.info.peerCertificateSubject == "CN=server")
                let ending = spawn { try pair.server.shutDown(until: limit()) }
                try pair.client.shutDown(until: limit())
                try ending.get()
                return pair.client.info.isResumed
            }
            #expect(try !connect(client))
            for _ in 0..<3 { #expect(try connect(client)) }
            let copy = client
            #expect(try connect(copy))
            var changed = client
            changed.applicationProtocols = ["http/1.1"]
            #expect(try !connect(changed))
            changed.resumesSessions = false
            #expect(try !connect(changed))
            #expect(try !connect(changed))
        }
    }

    @Test func `Two hundred handshakes at once park, on one thread`() async throws {
        let (parks, sockets) = try await onLoop {
            let loop = try EventLoop.current
            let before = loop.statistics.parks
            let listener = try TCPListener()
            let server = try serverConfiguration()
            let serving = spawn {
                try listener.serve { connection in
                    let stream = try TLSStream.server(over: connection, configuration: server, until: limit())
                    try stream.write(try stream.readExactly(5))
                    try stream.shutDown(until: limit())
                }
            }
            let client = clientConfiguration()
            let opened = Box<Set<String>>([])
            let connections = (0..<200).map { number in
                spawn {
                    let connection = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
                    opened.value.formUnion(socketNames([connection.descriptor.number]))
                    let stream = try TLSStream.client(
                        over: connection, serverName: "localhost", configuration: client, until: limit())
                    try stream.write("hello")
                    #expect(try stream.readExactly(5) == Array("hello".utf8))
                    try stream.shutDown(until: limit())
                }
            }
            for connection in connections { try connection.get() }
            listener.close()
            try serving.get()
            return (loop.statistics.parks - before, opened.value)
        }
        // Each side of each waits for the other at least once.
        #expect(parks >= 400)
        #expect(sockets.count == 200 && stillOpen(sockets).isEmpty)
    }
}
