import Foundation
import PoolTestJobs
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNATS

/// The package has its trait `NATS`.
#if NATS
    let isBuilt = true
#else
    let isBuilt = false
#endif

/// A nats-server with JetStream on a free port, with a store of its own. It can be stopped, killed and started again.
final class Server: @unchecked Sendable {
    let port: Int
    let store: String
    /// Holds from the next start on.
    var hasJetStream: Bool
    private let options: [String]
    private var program: SpawnedProgram!

    init(_ options: [String] = [], jetStream: Bool = true) throws {
        port = try freePort()
        store = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-nats-\(UUID())").path
        self.options = options
        hasJetStream = jetStream
        try start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(atPath: store)
    }

    var address: String { "nats://127.0.0.1:\(port)" }

    func start() throws {
        let program = try spawnForThisProcess(
            ["nats-server", "-a", "127.0.0.1", "-p", "\(port)"] + options + (hasJetStream ? ["-js", "-sd", store] : []))
        self.program = program
        let isReady = try toThread { program.waitFor(/Server is ready/) != nil }
        guard isReady else {
            kill()
            throw ServerFailure(text: program.text)
        }
    }

    func kill() {
        program.terminate()
        _ = program.end()
    }

    func signal(_ signal: CInt) { Glibc.kill(program.identifier, signal) }
}

/// Starts a program that ends with this process, however that ends: the kernel kills it by its own id.
///
/// It does when the thread ends that has started the program, so that must be one that stays.
private func spawnForThisProcess(_ words: [String]) throws -> SpawnedProgram {
    let spawned = Waiter<SpawnedProgram>()
    try EventLoop.sharedLoop().perform {
        do {
            spawned.resume(returning: try SpawnedProgram(["setpriv", "--pdeathsig", "KILL"] + words))
        } catch {
            spawned.resume(throwing: error)
        }
    }
    return try spawned.wait()!
}

struct ServerFailure: Error {
    let text: String
}

private func freePort() throws -> Int {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    defer { listener.close() }
    return listener.port
}

/// The worker program, built beside the tests.
private let programPath: String = {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    let folder = bundle?.bundleURL.deletingLastPathComponent() ?? Bundle.main.bundleURL
    return folder.appendingPathComponent("NATSTestProgram").path
}()

/// A worker process that is ready.
final class Worker: @unchecked Sendable {
    let program: SpawnedProgram
    private var hasEnded = false

    init(
        for server: Server, address: String? = nil, concurrency: Int = 16, wait: Duration = .seconds(30),
        limit: Int = 5,
        waits: Bool = true
    ) throws {
        program = try spawnForThisProcess([
            programPath, "worker", address ?? server.address, "default", "\(concurrency)",
            "\(Int(wait / .milliseconds(1)))", "\(limit)",
        ])
        if waits { try waitUntilReady() }
    }

    deinit {
        guard !hasEnded else { return }
        program.terminate()
        _ = program.end()
    }

    func waitUntilReady() throws {
        let program = program
        let isReady = try toThread { program.waitFor(/ready/) != nil }
        #expect(isReady, "the worker said: \(program.text)")
    }

    /// Waits for its end; the exit code, or a signal's number.
    func end() throws -> CInt {
        let program = program
        hasEnded = true
        return try toThread {
            _ = program.waitFor(/never said/)
            return program.end()
        }
    }

    func signal(_ signal: CInt) { Glibc.kill(program.identifier, signal) }
}

func scratchFile() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-nats-\(UUID())").path
}

func fileLength(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// How long the loop was away from its timers at worst, while the body runs; not by the fault of others who had the processor.
func longestAbsence(during body: () throws -> Void) throws -> Duration {
    var longest = Duration.zero
    let ticker = spawn {
        while true {
            let watch = Stopwatch()
            try sleep(.milliseconds(1))
            longest = max(longest, watch.elapsed)
        }
    }
    defer { ticker.cancel() }
    try body()
    return longest
}

/// Waits until the queue has got so many jobs in all, and so many are still in it.
func waitForJobs(_ server: Server, stored: Int, left: Int) throws {
    let client = try Client(NATSConfiguration(server.address), name: "looks", on: EventLoop.current)
    defer { client.connection.close() }
    try withTimeout(.seconds(20)) {
        while true {
            let state = try client.stream.request("$JS.API.STREAM.INFO.\(client.names.jobs)", to: "look")["state"]
            if state?["last_seq"]?.integer == stored, state?["messages"]?.integer == left { return }
            try sleep(.milliseconds(2))
        }
    }
}
