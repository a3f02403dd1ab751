import Foundation
import Swiftlet
import TestSupport
import Testing

/// Where results and bodies go, and what becomes of them at the end.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct FetchOutputTests {
    @Test func `On a terminal a result takes the bar's line, and the bar comes below it`() async throws {
        let server = try await ScriptedServer { path, _ in .later(.milliseconds(path == "/1" ? 600 : 200), "x") }
        defer { server.close() }
        let (text, code) = try await onThread {
            let command = "\(RunningProgram.path(of: "swiftlet")) fetch \(server.url("/0")) \(server.url("/1"))"
            let program = try SpawnedProgram(["script", "-qec", command, "/dev/null"])
            _ = program.waitFor(/longest/)
            return (program.text, program.end())
        }
        #expect(code == 0)
        let starts = text.ranges(of: "{\"url\"").map(\.lowerBound)
        #expect(starts.count == 2)
        for start in starts { #expect(text[..<start].hasSuffix("\r\u{1b}[K")) }
        #expect(text.contains("1/2 50 %"))
        // Into a pipe goes nothing but the results.
        let outcome = try await RunningProgram.run("swiftlet", "fetch", server.url("/0"))
        #expect(outcome.texts.count == 1 && outcome.texts[0].hasPrefix("{\"url\""))
    }

    @Test func `The last answer of a busy server is saved, those before are not`() async throws {
        let server = try await ScriptedServer { _, count in
            .answer(503, "busy \(count)", fields: ["Retry-After: 0"])
        }
        defer { server.close() }
        let directory = try TemporaryFile(nil)
        let outcome = try await RunningProgram.run(
            "swiftlet", "fetch", "-q", "--retries", "1", "--save", directory.path, server.url("/"))
        let result = try #require(try ResultLine.all(outcome.texts).first)
        #expect(result.status == 503 && result.attempts == 2)
        #expect(try String(contentsOfFile: #require(result.file), encoding: .utf8) == "busy 1")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 1)
    }

    @Test func `Bodies that a killed run left unfinished are removed by --resume, those of a living one are not`()
        async throws
    {
        let server = try await ScriptedServer { _, _ in .answer(200, "x") }
        defer { server.close() }
        let (directory, output) = (try TemporaryFile(nil), try TemporaryFile(nil))
        let files = FileManager.default
        try files.createDirectory(atPath: directory.path, withIntermediateDirectories: false)
        // No process has that number: pid_max is 4194304 at most (proc(5)).
        let dead = [".1-2147483647.partial", ".22-2147483646.partial"]
        let kept = [".1-\(getpid()).partial", ".partial", "other.partial", ".a-2147483647.partial"]
        for name in dead + kept { #expect(files.createFile(atPath: "\(directory.path)/\(name)", contents: nil)) }
        func run(_ arguments: String...) async throws -> [String] {
            let words = ["fetch", "-q", "-o", output.path, "--save", directory.path, server.url("/")] + arguments
            let outcome = try await onThread { try RunningProgram("swiftlet", words).finish() }
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            return try files.contentsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".partial") }.sorted()
        }
        #expect(try await run() == (dead + kept).sorted())
        #expect(try await run("--resume") == kept.sorted())
    }

    @Test func `Ctrl-C ends a run whose reader is stuck, and says what was lost`() async throws {
        let server = try await ScriptedServer { _, _ in .answer(200) }
        defer { server.close() }
        // A hundred results are more than a pipe holds.
        let path = "/" + String(repeating: "a", count: 4000)
        let list = try TemporaryFile(Array(repeating: server.url(path), count: 100).joined(separator: "\n"))
        let program = try RunningProgram("swiftlet", ["fetch", "-q", "--input", list.path, "-c", "10"])
        // As many as go into the pipe, and those that wait to.
        try await until { server.total >= 16 }
        program.signal(SIGINT)
        let start = ContinuousClock.now
        try await until { !isRunning(program.identifier) }
        // It gives the reader a while.
        #expect(ContinuousClock.now - start >= .seconds(2))
        let outcome = try await onThread { try program.finish() }
        #expect(outcome.exitCode == 130)
        #expect(outcome.errors.contains(/swiftlet: \d+ results were not written: nobody took them/))
    }

    @Test func `Ctrl-C waits for a reader that is slow`() async throws {
        let server = try await ScriptedServer { _, _ in .answer(200) }
        defer { server.close() }
        let path = "/" + String(repeating: "a", count: 4000)
        let list = try TemporaryFile(Array(repeating: server.url(path), count: 100).joined(separator: "\n"))
        let program = try RunningProgram("swiftlet", ["fetch", "-q", "--input", list.path, "-c", "10"])
        try await until { server.total >= 16 }
        program.signal(SIGINT)
        let outcome = try await onThread {
            usleep(1_200_000)  // before its patience is over
            return try program.finish()
        }
        #expect(outcome.exitCode == 130 && !outcome.errors.contains("not written"), "\(outcome.errors)")
        #expect(try ResultLine.all(outcome.texts).count == server.total)
    }

    #if TLS
        @Test func `A certificate that nobody vouches for: what helps at a prompt`() async throws {
            let (certificate, key) = (Certificates.file("alone.pem"), Certificates.file("alone.key"))
            let server = try RunningProgram(
                "swiftlet", ["serve", "--port", "0", "--delay", "0s", "--tls-cert", certificate, "--tls-key", key])
            let line = try #require(try await onThread { server.nextLine()?.text })
            let port = try #require(line.firstMatch(of: /:(\d+)\//)?.output.1)
            let url = "https://localhost:\(port)/"
            let outcome = try await RunningProgram.run("swiftlet", "fetch", "-q", url)
            let error = try #require(try ResultLine.all(outcome.texts).first?.error)
            #expect(error.kind == "tls" && error.message.contains("SSL_CERT_FILE"), "\(error)")
            #expect(!error.message.contains("configuration"))
            let trusted = try await RunningProgram.run(
                "swiftlet", "fetch", "-q", url, environment: ["SSL_CERT_FILE": certificate])
            #expect(try ResultLine.all(trusted.texts).first?.status == 200)
            server.signal(SIGTERM)
            _ = try await onThread { try server.finish() }
        }
    #endif
}
