import Foundation
import Glibc
import TestSupport
import Testing

/// `swiftlet serve`, asked by curl and by raw sockets.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ServeTests {
    /// Runs the body with a server and its URL.
    private func withServer(
        _ arguments: String..., body: @escaping @Sendable (String, RunningProgram) throws -> Void
    ) async throws {
        try await onThread {
            let program = try RunningProgram("swiftlet", ["serve", "--port", "0"] + arguments)
            let line = try #require(program.nextLine()?.text)
            let found = try #require(
                line.wholeMatch(of: /Running on (http:\/\/127\.0\.0\.1:\d+)\/ \(Press CTRL\+C to quit\)/))
            try body(String(found.1), program)
            program.signal(SIGTERM)
            #expect(try program.finish().exitCode == 128 + SIGTERM)
        }
    }

    @Test
    func `Hello, other methods, other paths`() async throws {
        try await withServer("--delay", "0s") { url, _ throws in
            #expect(try curl("\(url)/").hasPrefix("Hello! 200 "))
            #expect(try curl("-X", "POST", "\(url)/").contains(" 405 "))
            #expect(try curl("-X", "BREW", "\(url)/").contains(" 501 "))
            #expect(try curl("\(url)/none").contains(" 404 "))
        }
    }

    @Test
    func `Delay, jitter, size and a slow body`() async throws {
        try await withServer("--delay", "200ms", "--jitter", "10ms", "--body-size", "1000", "--slow-body", "300ms") {
            url, _ throws in
            let words = try curl("\(url)/").split(separator: " ")
            #expect(words[0].count == 1000 && words[1] == "200")
            let (head, all) = (try #require(Double(words[2])), try #require(Double(words[3])))
            #expect(head >= 0.2 && all - head >= 0.25, "\(words)")
        }
    }

    @Test
    func `At a Unix socket, whose file goes with the server`() async throws {
        let path = "/tmp/swiftlet-serve-\(getpid()).socket"
        try await onThread {
            for signal in [SIGINT, SIGTERM] {
                let program = try RunningProgram("swiftlet", ["serve", "--delay", "0s", "--unix", path])
                #expect(program.nextLine()?.text == "Running on unix:\(path) (Press CTRL+C to quit)")
                #expect(try curl("--unix-socket", path, "http://localhost/").hasPrefix("Hello! 200 "))
                program.signal(signal)
                let ended = try program.finish()
                #expect(ended.exitCode == 128 + signal)
                #expect(access(path, F_OK) != 0, "the file is left")
            }
        }
    }

    @Test
    func `A share of errors`() async throws {
        try await withServer("--delay", "0s", "--error-rate", "1") { url, _ throws in
            #expect(try curl("\(url)/").contains(" 500 "))
        }
    }

    @Test
    func `One at a time, while an idle kept connection stops nobody`() async throws {
        try await withServer("--delay", "200ms", "--no-threaded") { url, _ throws in
            let port = UInt16(url.split(separator: ":").last!)!
            let idle = try RawConnection(port: port)
            idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(idle.read(until: "Hello!").hasPrefix("HTTP/1.1 200"))
            let start = ContinuousClock.now
            let connections = try (0..<3).map { _ in try RawConnection(port: port) }
            for connection in connections { connection.send("GET / HTTP/1.0\r\n\r\n") }
            for connection in connections { #expect(connection.read(until: nil).hasSuffix("Hello!")) }
            #expect(ContinuousClock.now - start >= .milliseconds(600))
        }
    }

    @Test
    func `A client that ends its side gets its answer, and a bad one the right status`() async throws {
        try await withServer("--delay", "100ms", "--head-timeout", "200ms") { url, _ throws in
            let port = UInt16(url.split(separator: ":").last!)!
            for (text, status) in [
                ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
                ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
                ("GET / HTTP/1.1\nHost: a\n\n", "400"), ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
                ("GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", "400"),
                ("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\n", "414"),
                ("GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "A: b\r\n", count: 101))\r\n", "431"),
            ] {
                let connection = try RawConnection(port: port)
                connection.send(text)
                connection.endSending()
                #expect(connection.read(until: nil).hasPrefix("HTTP/1.1 \(status) "), "\(text.prefix(60))")
            }
            let slow = try RawConnection(port: port)
            slow.send("GET / HT")
            #expect(slow.read(until: nil).hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test
    func `A directory, and the access log`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("0123456789".utf8).write(to: folder.appendingPathComponent("a.txt"))
        let outcome = try await onThread { [folder] in
            let program = try RunningProgram("swiftlet", ["serve", folder.path, "--port", "0", "--access-log"])
            let url = try #require(program.nextLine()?.text.split(separator: " ")[2])
            #expect(try curl("\(url)a.txt").hasPrefix("0123456789 200 "))
            #expect(try curl("-r", "2-4", "\(url)a.txt").hasPrefix("234 206 "))
            #expect(try curl("\(url)").contains("a.txt</a>"))
            #expect(try curl("--path-as-is", "\(url)../etc/passwd").contains(" 404 "))
            let bad = try RawConnection(port: UInt16(url.split(separator: ":").last!.dropLast())!)
            bad.send("GET / HTTP/1.1\nHost: a\n\n")
            #expect(bad.read(until: nil).hasPrefix("HTTP/1.1 400 "))
            program.signal(SIGINT)
            return try program.finish()
        }
        #expect(outcome.exitCode == 128 + SIGINT)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[0].wholeMatch(of: /127\.0\.0\.1 - - \[.+\] "GET \/a\.txt HTTP\/1\.1" 200 10/) != nil, "\(lines)")
        #expect(try #require(lines.last).contains(/127\.0\.0\.1 - - \[.+\] "-" 400 \d+/), "\(lines)")
    }

    @Test
    func `Ctrl-C with a request under way is no error of its handler`() async throws {
        let outcome = try await onThread {
            let program = try RunningProgram("swiftlet", ["serve", "--port", "0", "--slow-body", "60s"])
            let url = try #require(program.nextLine()?.text.split(separator: " ")[2])
            let client = try RawConnection(port: UInt16(url.split(separator: ":").last!.dropLast())!)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
            program.signal(SIGINT)
            return try program.finish()
        }
        #expect(outcome.exitCode == 128 + SIGINT)
        #expect(outcome.errors.hasPrefix("swiftlet: cancelled requests: ") && !outcome.errors.contains("handler"))
    }

    @Test
    func `A directory has no bodies to make up: one line and exit code 64`() async throws {
        for option in [["--body-size", "5"], ["--slow-body", "1s"]] {
            let outcome = try await onThread { try RunningProgram("swiftlet", ["serve", "/tmp"] + option).finish() }
            #expect(outcome.exitCode == 64 && outcome.errors.split(separator: "\n").count == 1)
            #expect(outcome.errors.contains("--body-size and --slow-body are for the slow server"))
        }
    }

    #if TLS
        @Test
        func `Who forgets the s of https is told`() async throws {
            let (certificate, key) = (Certificates.file("alone.pem"), Certificates.file("alone.key"))
            let outcome = try await onThread {
                let program = try RunningProgram(
                    "swiftlet",
                    [
                        "serve", "--port", "0", "--delay", "0s", "--access-log", "--tls-cert", certificate, "--tls-key",
                        key,
                    ]
                )
                let url = try #require(program.nextLine()?.text.split(separator: " ")[2])
                #expect(url.hasPrefix("https://"))
                #expect(try curl("--insecure", String(url)).hasPrefix("Hello! 200 "))
                let port = UInt16(url.split(separator: ":").last!.dropLast())!
                for method in ["GET", "OPTIONS"] {
                    let answer = try RawConnection(port: port)
                    answer.send("\(method) / HTTP/1.1\r\nHost: a\r\n\r\n")
                    let text = answer.read(until: nil)
                    #expect(text.hasPrefix("HTTP/1.1 400 ") && text.contains("https://"), "\(text)")
                }
                // What is neither gets no answer in clear.
                let noise = try RawConnection(port: port)
                noise.send("\u{1}\u{2}\u{3}\u{4}\u{5}\r\n\r\n")
                #expect(!noise.read(until: nil).hasPrefix("HTTP"))
                #expect(try curl("--insecure", String(url)).hasPrefix("Hello! 200 "))
                program.signal(SIGTERM)
                return try program.finish()
            }
            #expect(outcome.errors.ranges(of: "\"-\" 400 ").count == 2, "\(outcome.errors)")
        }

        @Test(arguments: [
            ["--tls-cert", "/none/such"], ["--tls-cert", "/etc/passwd"],
            ["--tls-cert", "CERTIFICATE", "--tls-key", "/none/such"],
        ])
        func `A certificate that is none: one line and exit code 64`(arguments: [String]) async throws {
            let arguments = arguments.map { $0 == "CERTIFICATE" ? Certificates.file("alone.pem") : $0 }
            let outcome = try await onThread {
                try RunningProgram("swiftlet", ["serve", "--port", "0"] + arguments).finish()
            }
            #expect(outcome.exitCode == 64 && outcome.texts == [])
            #expect(outcome.errors.hasPrefix("swiftlet: --tls-cert, --tls-key: "), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
    #endif
}

/// A client by plain system calls.
private final class RawConnection {
    private let number: CInt

    init(port: UInt16) throws {
        number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status != 0 { throw POSIXError(.ECONNREFUSED) }
    }

    deinit { close(number) }

    func send(_ text: String) {
        _ = text.withCString { Glibc.send(number, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
    }

    func endSending() { shutdown(number, Int32(SHUT_WR)) }

    /// Reads until a text has come, or with `nil` to the end.
    func read(until text: String?) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(number, &buffer, buffer.count, 0)
            if count <= 0 { return String(decoding: all, as: UTF8.self) }
            all += buffer[..<count]
            if let text, String(decoding: all, as: UTF8.self).contains(text) {
                return String(decoding: all, as: UTF8.self)
            }
        }
    }
}
