import Foundation
import Swiftlet
import TestSupport
import Testing

private struct Line: Decodable {
    struct Failure: Decodable { let kind: String }

    let url: String
    let status: Int?
    let error: Failure?
}

/// Requests that are made by worker processes, here and over NATS.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct FetchWorkersTests {
    private func makeServer() async throws -> ScriptedServer {
        try await ScriptedServer { path, _ in
            switch path {
            case "/none": .answer(404, "nothing")
            case "/reset": .reset
            default: .answer(200, "body of \(path)")
            }
        }
    }

    private func check(_ outcome: RunningProgram.Outcome, _ server: ScriptedServer, saved folder: String) throws {
        #expect(outcome.exitCode == 1, "\(outcome.errors)")
        let results = Dictionary(
            grouping: try outcome.texts.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }, by: \.url)
        #expect(results.count == 22)
        for number in 0..<20 { #expect(results[server.url("/\(number)")]?.map(\.status) == [200]) }
        #expect(results[server.url("/none")]?[0].status == 404)
        #expect(results[server.url("/reset")]?[0].error?.kind == "protocol")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(files.count == 21)
        let first = try #require(files.first { $0.contains("_7-") })
        #expect(try String(contentsOfFile: "\(folder)/\(first)", encoding: .utf8) == "body of /7")
    }

    private func arguments(_ server: ScriptedServer, _ folder: String) -> [String] {
        (0..<20).map { server.url("/\($0)") } + [server.url("/none"), server.url("/reset")]
            + ["--retries", "0", "--save", folder, "--quiet"]
    }

    @Test func `Over processes`() async throws {
        let server = try await makeServer()
        defer { server.close() }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let words = ["fetch", "-p", "2"] + arguments(server, folder)
        let outcome = try await onThread { try RunningProgram("swiftlet", words).finish() }
        try check(outcome, server, saved: folder)
    }

    @Test func `What cannot be asked for`() async throws {
        for words in [["-p", "0"], ["-p", "2", "--nats", "nats://localhost"]] {
            let outcome = try await onThread {
                try RunningProgram("swiftlet", ["fetch", "http://localhost/"] + words).finish()
            }
            #expect(outcome.exitCode == 2 && outcome.errors.split(separator: "\n").count == 1)
        }
    }

    #if NATS
        /// A crawl over three "machines".
        @Test func `Over NATS`() async throws {
            let server = try await makeServer()
            defer { server.close() }
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID())").path
            let store = folder + "-store"
            defer { for path in [folder, store] { try? FileManager.default.removeItem(atPath: path) } }
            let listener = try TCPListener()
            let port = listener.port
            listener.close()
            let address = "nats://127.0.0.1:\(port)"
            let queue = try SpawnedProgram(["nats-server", "-a", "127.0.0.1", "-p", "\(port)", "-js", "-sd", store])
            defer {
                queue.terminate()
                _ = queue.end()
            }
            _ = try await onThread { queue.waitFor(/Server is ready/) }
            let workers = try (0..<3).map { _ in
                try SpawnedProgram([RunningProgram.path(of: "swiftlet"), "worker", "--nats", address])
            }
            for worker in workers { #expect(try await onThread { worker.waitFor(/ready/) != nil }) }
            let words = ["fetch", "--nats", address] + arguments(server, folder)
            let outcome = try await onThread { try RunningProgram("swiftlet", words).finish() }
            try check(outcome, server, saved: folder)
            for worker in workers { kill(worker.identifier, SIGTERM) }
            for worker in workers { #expect(try await onThread { worker.end() } == 0) }
            let refused = try await onThread {
                try RunningProgram("swiftlet", ["fetch", "http://localhost/", "--nats", "nats://127.0.0.1:1"]).finish()
            }
            #expect(refused.exitCode == 69 && refused.errors.contains("cannot connect to nats://127.0.0.1:1"))
        }
    #else
        @Test func `Without the trait: one line and the exit code of bad usage`() async throws {
            for (words, code) in [(["fetch", "http://localhost/"], 2), (["worker"], 64)] as [([String], CInt)] {
                let outcome = try await onThread {
                    try RunningProgram("swiftlet", words + ["--nats", "nats://localhost"]).finish()
                }
                #expect(outcome.exitCode == code)
                #expect(outcome.errors.contains("--nats: this program was built without NATS"))
                #expect(outcome.errors.split(separator: "\n").count == 1)
            }
        }
    #endif
}
