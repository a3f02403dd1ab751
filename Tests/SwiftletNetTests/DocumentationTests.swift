import Glibc
import Swiftlet
import TestSupport
import Testing

/// The code of the article on streams, files and processes: it compiles, and does what the article says.
@Suite struct DocumentationTests {
    private func ask(_ question: String, at path: String) throws -> [String] {
        let stream = BufferedStream(try UnixConnection.connect(to: path))
        defer { stream.close() }
        try stream.write(question + "\n")
        try stream.closeWriting()  // writes out, and ends this direction only
        return Array(stream.lines())
    }

    @Test func aUnixServerAnswers() async throws {
        try await onLoop { () throws -> Void in
            let path = "@swiftlet-article-\(getpid())"
            let listener = try UnixListener(path: path, permissions: 0o600)
            let server = spawn {
                try listener.serve(limit: 100) { connection in
                    #expect(try connection.peerCredentials.processID == getpid())
                    try connection.write(try connection.readToEnd(limit: 1_000_000))
                }
            }
            #expect(try ask("hello", at: path) == ["hello"])
            listener.close()
            try server.get(timeout: .seconds(50))
        }
    }

    @Test func aResolverOfOnesOwn() async throws {
        try await onLoop {
            var configuration = Resolver.Configuration()
            configuration.timeToLive = .seconds(300)
            let resolver = Resolver(configuration) { host in
                host == "service.test"
                    ? [SocketAddress(numericHost: "127.0.0.1", port: 0)!] : try Resolver.systemLookUp(host)
            }
            let listener = try TCPListener()
            let connection = try TCPConnection.connect(to: "service.test", port: listener.port, resolver: resolver)
            #expect(connection.remoteAddress == listener.localAddress)
            #expect(connection.peerName.hasPrefix("service.test (127.0.0.1:"))
        }
    }

    @Test func aShellCalculates() async throws {
        try await onLoop {
            let year = try Subprocess.run(Command("date", ["+%Y"]), timeout: .seconds(50)).requireSuccess().outputText
            #expect(Int(year.dropLast()) != nil)
            var command = Command("sh")
            command.standardInput = .pipe
            let (sum, status) = try withSubprocess(command) { shell -> String? in
                let answers = BufferedReader(shell.standardOutput!)
                try shell.standardInput!.write("expr 1 + 2\n")
                return try answers.readLine(until: .after(.seconds(50)))
            }
            #expect(sum == "3" && status.isSuccess)
        }
    }
}
