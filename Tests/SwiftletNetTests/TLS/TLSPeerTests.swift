import RegexBuilder
import Swiftlet
import SwiftletCoroutines
import TestSupport
import Testing

/// Against the `openssl` program, on both sides.
@Suite struct TLSPeerTests {
    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `openssl s_server answers our client`(version: String) async throws {
        let (server, port) = try await onFreshThread {
            let server = try SpawnedProgram([
                "openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", version, "-alpn", "http/1.1", "-cert",
                Certificates.file("server.pem"), "-key", Certificates.file("server.key"), "-Verify", "1", "-CAfile",
                Certificates.file("authority.pem"), "-verify_return_error",
            ])
            let announcement = try #require(server.waitFor(/ACCEPT 127\.0\.0\.1:(\d+)\n/))
            return (server, try #require(Int(announcement.1)))
        }
        try await onLoop {
            let identity = try identity("client")
            let configuration = clientConfiguration {
                $0.identity = identity
                $0.applicationProtocols = ["http/1.1"]
            }
            for round in 0..<3 {
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: port)
                let stream = try TLSStream.client(
                    over: connection, serverName: "localhost", configuration: configuration, until: limit())
                #expect(stream.info.version == (version == "-tls1_2" ? .tls12 : .tls13))
                #expect(stream.info.applicationProtocol == "http/1.1")
                #expect(stream.info.isResumed == (round > 0))
                for word in ["hello", "swiftlet"] {
                    try stream.write("\(word)\n")
                    let answer = try stream.readExactly(word.count + 1, until: limit())
                    #expect(answer == Array((String(word.reversed()) + "\n").utf8))
                }
                stream.close()
            }
        }
        server.terminate()
        _ = try await onFreshThread { server.end() }
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `openssl s_client talks to our server, changes keys, and says goodbye`(version: String) async throws {
        let port = Locked(0)
        let listening = Waiter<Void>()
        async let served: (TLSInfo, [UInt8]) = onLoop {
            let listener = try TCPListener()
            port.withLock { $0 = listener.port }
            listening.resume(returning: ())
            let configuration = try serverConfiguration { $0.applicationProtocols = ["http/1.1"] }
            let stream = try TLSStream.server(
                over: try listener.accept(until: limit()), configuration: configuration, until: limit())
            var all: [UInt8] = []
            while case let piece = try stream.read(upTo: 1000, until: limit()), !piece.isEmpty {
                all += piece
                try stream.write("got \(piece.count)\n")
            }
            try stream.shutDown(until: limit())
            return (stream.info, all)
        }
        try await listening.wait()
        let number = port.withLock { $0 }
        let code = try await onFreshThread {
            let client = try SpawnedProgram([
                "openssl", "s_client", "-connect", "127.0.0.1:\(number)", version, "-servername", "localhost", "-alpn",
                "http/1.1",
                "-CAfile", Certificates.file("authority.pem"), "-verify_hostname", "localhost", "-verify_return_error",
            ])
            #expect(client.waitFor("Verify return code: 0 (ok)") != nil)
            #expect(client.waitFor("ALPN protocol: http/1.1") != nil)
            client.write("hello\n")
            #expect(client.waitFor("got 6\n") != nil)
            if version == "-tls1_3" {
                // s_client's command for new keys on both sides (s_client(1), CONNECTED COMMANDS).
                client.write("K\n")
                #expect(client.waitFor("KEYUPDATE") != nil)
                client.write("again!!\n")
                #expect(client.waitFor("got 8\n") != nil)
            }
            client.write("Q\n")
            return client.end()
        }
        let (info, text) = try await served
        #expect(code == 0)
        #expect(info.applicationProtocol == "http/1.1" && info.serverName == "localhost")
        #expect(text == Array((version == "-tls1_3" ? "hello\nagain!!\n" : "hello\n").utf8))
    }
}
