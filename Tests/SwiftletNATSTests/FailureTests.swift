import Foundation
import PoolTestJobs
import Swiftlet
import SwiftletNATS
import SwiftletPool
import TestSupport
import Testing

/// Workers, servers and connections that are lost: each job is answered once.
@Suite("Failures over NATS", .serialized, .enabled(if: isBuilt))
struct FailureTests {
    @Test func aDeadWorkersJobGoesToAnother() async throws {
        let server = try Server()
        let first = try Worker(for: server, concurrency: 1, wait: .milliseconds(500))
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let result = pool.applyAsync(Attempts(path: path, deaths: 1))
                let exit = try first.end()
                #expect(exit == SIGKILL)
                let second = try Worker(for: server, concurrency: 1, wait: .milliseconds(500))
                #expect(try result.get(timeout: .seconds(30)) == 2)
                _ = second
            }
        }
    }

    @Test func aPoisonousJobIsBuried() async throws {
        let server = try Server()
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let result = pool.applyAsync(Attempts(path: path, deaths: 100))
                for _ in 0..<2 {
                    let victim = try Worker(for: server, wait: .milliseconds(300), limit: 2)
                    let exit = try victim.end()
                    #expect(exit == SIGKILL)
                }
                let last = try Worker(for: server, wait: .milliseconds(300), limit: 2)
                let error = try failure(NATSError.self) { try result.get(timeout: .seconds(30)) }
                guard case .poisoned("PoolTestJobs.Attempts", deliveries: 2, let letter) = error else {
                    throw error
                }
                #expect(letter.hasPrefix("swiftlet.default.dead."))
                #expect(fileLength(path) == 2)
                // The others are none the worse for it.
                #expect(try pool.apply(Doubled(1), timeout: .seconds(60)) == 2)
                _ = last
            }
        }
    }

    /// A job that kills its workers is not the only one that they have; the others have begun, or wait behind it.
    @Test(arguments: [true, false]) func othersDoNotPayForAPoisonousJob(isFirst: Bool) async throws {
        let server = try Server()
        let paths = (0..<9).map { _ in scratchFile() }
        defer { for path in paths { unlink(path) } }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let submitPoison = { pool.applyAsync(Attempts(path: paths[8], deaths: 100)) }
                var poison = isFirst ? submitPoison() : nil
                let others = paths.prefix(8).map { pool.applyAsync(Counted(path: $0, milliseconds: 30)) }
                if poison == nil { poison = submitPoison() }
                for _ in 0..<2 {
                    let victim = try Worker(for: server, wait: .milliseconds(300), limit: 2)
                    let exit = try victim.end()
                    #expect(exit == SIGKILL)
                }
                let last = try Worker(for: server, wait: .milliseconds(300), limit: 2)
                let error = try failure(NATSError.self) { try poison!.get(timeout: .seconds(60)) }
                guard case .poisoned("PoolTestJobs.Attempts", deliveries: 2, _) = error else { throw error }
                #expect(fileLength(paths[8]) == 2)
                for other in others { #expect(try other.get(timeout: .seconds(60)) >= 1) }
                #expect(try pool.apply(Doubled(1), timeout: .seconds(60)) == 2)
                _ = last
            }
        }
    }

    /// What is taken back before the servers have said that they have it is not done.
    @Test func cancelledBeforeItIsStored() async throws {
        let server = try Server()
        let worker = try Worker(for: server, concurrency: 1)
        let paths = (scratchFile(), scratchFile())
        defer { for path in [paths.0, paths.1] { unlink(path) } }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let busy = pool.applyAsync(Counted(path: paths.0, milliseconds: 60_000))
                while fileLength(paths.0) == 0 { try sleep(.milliseconds(2)) }
                server.signal(SIGSTOP)
                let taken = pool.applyAsync(Counted(path: paths.1))
                try sleep(.milliseconds(50))
                taken.cancel()
                #expect(throws: CancellationError.self) { try taken.get() }
                server.signal(SIGCONT)
                try waitForJobs(server, stored: 2, left: 1)
                busy.cancel()
                #expect(try pool.apply(Doubled(1), timeout: .seconds(60)) == 2)
                #expect(fileLength(paths.1) == 0)
                _ = worker
            }
        }
    }

    /// Computing for much longer than a worker may be silent.
    @Test func longJobsAreNotTakenAway() async throws {
        let server = try Server()
        let path = scratchFile()
        defer { unlink(path) }
        let workers = try (0..<2).map { _ in try Worker(for: server, concurrency: 1, wait: .milliseconds(600)) }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let count = try pool.apply(Counted(path: path, milliseconds: 2500, computes: true))
                #expect(count == 1)
                #expect(fileLength(path) == 1)
                _ = workers
            }
        }
    }

    @Test func workersDrain() async throws {
        let server = try Server()
        let path = scratchFile()
        defer { unlink(path) }
        let first = try Worker(for: server, concurrency: 1)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let running = pool.applyAsync(Counted(path: path, milliseconds: 400))
                while fileLength(path) == 0 { try sleep(.milliseconds(2)) }
                first.signal(SIGTERM)
                let next = pool.applyAsync(WhoAmI())
                #expect(try running.get(timeout: .seconds(60)) == 1)
                let exit = try first.end()
                #expect(exit == 0 && first.program.text.contains("drained"))
                let second = try Worker(for: server, concurrency: 1)
                #expect(try next.get(timeout: .seconds(60)) == second.program.identifier)
                #expect(fileLength(path) == 1)
            }
        }
    }

    /// The connection hangs, the loop does not. What was asked for meanwhile is answered when the server goes on.
    @Test func aStoppedServerStopsNoLoop() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                #expect(try pool.apply(Doubled(1)) == 2)
                server.signal(SIGSTOP)
                let fibers = (0..<2000).map { number in spawn { try pool.apply(Doubled(number)) } }
                let absence = try longestAbsence { try sleep(.seconds(1)) }
                #expect(absence < .milliseconds(500))
                server.signal(SIGCONT)
                for (number, fiber) in fibers.enumerated() { #expect(try fiber.get() == number * 2) }
                _ = worker
            }
        }
    }

    @Test func aKilledServerLosesNothing() async throws {
        let server = try Server()
        let worker = try Worker(for: server, wait: .seconds(1))
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let results = pool.imap((0..<3000).map { Doubled($0) }, lookAhead: 500)
                for number in 0..<3000 {
                    if number == 700 || number == 2000 {
                        server.kill()
                        try server.start()
                    }
                    #expect(try results.next(timeout: .seconds(60)) == number * 2)
                }
                #expect(try results.next() == nil)
                _ = worker
            }
        }
    }

    @Test func noServer() async throws {
        try await onLoop {
            try withNATSPool("nats://127.0.0.1:1") { pool in
                let error = try failure(NATSError.self) { try pool.apply(Doubled(1)) }
                guard case .cannotConnect(["nats://127.0.0.1:1"], _) = error else { throw error }
                #expect(throws: error) { try pool.waitUntilReady() }
            }
        }
    }

    @Test func noJetStream() async throws {
        let server = try Server(jetStream: false)
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let error = try failure(NATSError.self) { try pool.apply(Doubled(1)) }
                #expect("\(error)".contains("nats-server -js"), "\(error)")
            }
        }
    }

    /// As it is when a cluster has no leader yet: a worker says so and goes on asking, until it is told to end.
    @Test func workersWaitForServersThatDoNotAnswer() async throws {
        let server = try Server(jetStream: false)
        let (patient, ended) = (try Worker(for: server, waits: false), try Worker(for: server, waits: false))
        try await onLoop {
            for worker in [patient, ended] {
                let program = worker.program
                let says = try toThread { program.waitFor(/unavailable: .*The worker goes on asking/) != nil }
                #expect(says, "\(program.text)")
            }
            ended.signal(SIGTERM)
            let exit = try ended.end()
            #expect(exit == 0 && ended.program.text.contains("drained"), "\(ended.program.text)")
            server.kill()
            server.hasJetStream = true
            try server.start()
            try patient.waitUntilReady()
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let result = try pool.apply(Doubled(1), timeout: .seconds(60))
                #expect(result == 2)
            }
        }
    }

    @Test func passwords() async throws {
        let server = try Server(["--user", "me", "--pass", "secret"])
        try await onLoop {
            var configuration = NATSConfiguration(server.address)
            try withNATSPool(configuration) { pool in
                let error = try failure(NATSError.self) { try pool.waitUntilReady() }
                guard case .cannotConnect = error else { throw error }
            }
            configuration.credentials = .user("me", password: "secret")
            try withNATSPool(configuration) { try $0.waitUntilReady() }
            try withNATSPool(NATSConfiguration("nats://me:secret@127.0.0.1:\(server.port)")) {
                try $0.waitUntilReady()
            }
        }
    }

    @Test func credentialsFiles() async throws {
        let folder = scratchFile()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func file(_ name: String, _ text: String) throws -> String {
            try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
            return "\(folder)/\(name)"
        }
        let server = try Server(["-c", file("server.conf", CredentialFixtures.serverConfiguration)])
        let user = try file("user.creds", CredentialFixtures.user)
        let thief = try file("thief.creds", CredentialFixtures.thief)
        try await onLoop {
            var configuration = NATSConfiguration(server.address)
            for refused in [.none, .file(thief), .file("\(folder)/missing")] as [NATSConfiguration.Credentials] {
                configuration.credentials = refused
                try withNATSPool(configuration) { pool in
                    let error = try failure(NATSError.self) { try pool.waitUntilReady() }
                    guard case .cannotConnect = error else { throw error }
                }
            }
            configuration.credentials = .file(user)
            try withNATSPool(configuration) { try $0.waitUntilReady() }
        }
    }

    @Test func keys() async throws {
        let folder = scratchFile()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (settings, seed) = ("\(folder)/server.conf", "\(folder)/key.seed")
        try "authorization { users: [{ nkey: \(CredentialFixtures.publicKey) }] }"
            .write(toFile: settings, atomically: true, encoding: .utf8)
        try CredentialFixtures.seed.write(toFile: seed, atomically: true, encoding: .utf8)
        let server = try Server(["-c", settings])
        try await onLoop {
            var configuration = NATSConfiguration(server.address)
            configuration.credentials = .key(seedFile: seed, publicKey: CredentialFixtures.publicKey)
            try withNATSPool(configuration) { try $0.waitUntilReady() }
        }
    }

    @Test func encryptedConnections() async throws {
        let server = try Server([
            "--tls", "--tlscert", Certificates.file("server.pem"), "--tlskey", Certificates.file("server.key"),
            "--tlsverify", "--tlscacert", Certificates.file("authority.pem"),
        ])
        try await onLoop {
            var configuration = NATSConfiguration("tls://localhost:\(server.port)")
            var tls = NATSConfiguration.TLS()
            tls.authority = Certificates.file("authority.pem")
            configuration.tls = tls
            try withNATSPool(configuration) { pool in
                // The server wants to know who asks.
                let error = try failure(NATSError.self) { try pool.waitUntilReady() }
                guard case .cannotConnect = error else { throw error }
            }
            tls.certificate = Certificates.file("client.pem")
            tls.privateKey = Certificates.file("client.key")
            configuration.tls = tls
            try withNATSPool(configuration) { try $0.waitUntilReady() }
            tls.host = "elsewhere.example"
            configuration.tls = tls
            try withNATSPool(configuration) { pool in
                let error = try failure(NATSError.self) { try pool.waitUntilReady() }
                guard case .cannotConnect = error else { throw error }
            }
        }
    }
}
