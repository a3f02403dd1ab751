import Foundation
import PoolTestJobs
import Swiftlet
import SwiftletPool
import TestSupport
import Testing

/// What hangs or loses jobs in the Python pools: each job is answered once, with its result or the right error.
@Suite("Failures in process pools")
struct FailureTests {
    @Test func exitInAJob() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                let error = try failure(PoolError.self) { try pool.apply(Leave(code: 3)) }
                #expect(error == .workerDied(job: "PoolTestJobs.Leave", exit: .exited(code: 3), attempts: 1))
                #expect(try pool.apply(Doubled(1)) == 2)
            }
        }
    }

    @Test(arguments: [SIGKILL, SIGSEGV, SIGABRT])
    func deathInAJob(of signal: Int32) async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                let error = try failure(PoolError.self) { try pool.apply(Crash(signal: signal)) }
                #expect(
                    error == .workerDied(job: "PoolTestJobs.Crash", exit: .killed(signal: Int(signal)), attempts: 1))
                #expect(try pool.apply(Doubled(1)) == 2)
            }
        }
    }

    /// cpython #66587, aiomultiprocess #185: the call hangs for ever.
    @Test func killedWhileManyJobsRun() async throws {
        try await onLoop {
            try withProcessPool(processes: 2, childConcurrency: 4, program: worker) { pool in
                try pool.waitUntilReady()
                let results = pool.imap((0..<10_000).map { Doubled($0) }, chunks: .fixed(10), lookAhead: 400)
                var values = 0
                var deaths = 0
                for number in 0..<10_000 {
                    if number % 3000 == 1000 { kill(try pool.apply(WhoAmI()), SIGKILL) }
                    do {
                        #expect(try results.next() == number * 2)
                        values += 1
                    } catch let error as PoolError {
                        guard case .workerDied(_, .killed(signal: Int(SIGKILL)), 1) = error else { throw error }
                        deaths += 1
                    }
                }
                #expect(try results.next() == nil)
                #expect(values + deaths == 10_000 && deaths <= 3 * 40)
            }
        }
    }

    @Test func idempotentJobsAreRetried() async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                #expect(try pool.apply(Attempts(path: path, deaths: 2)) == 3)
                unlink(path)
                let error = try failure(PoolError.self) { try pool.apply(Attempts(path: path, deaths: 100)) }
                #expect(
                    error == .workerDied(job: "PoolTestJobs.Attempts", exit: .killed(signal: Int(SIGKILL)), attempts: 4)
                )
            }
        }
    }

    /// aiomultiprocess restarts for ever; the caller hears nothing.
    @Test func failingInitializer() async throws {
        try await onLoop {
            try withProcessPool(processes: 2, initializer: BadInitializer(), program: worker) { pool in
                let error = try failure(PoolError.self) { try pool.apply(Doubled(1)) }
                guard case .initializerFailed(let type, let text) = error else { throw error }
                #expect(type == "PoolTestJobs.Known" && text.contains("no session"))
                #expect(throws: error) { try pool.map([Doubled(1), Doubled(2)]) }
            }
        }
    }

    @Test func initializerAndFinalizer() async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withProcessPool(
                processes: 2, initializer: Session("mine"), finalizer: CloseSession(path: path), program: worker
            ) { pool in
                try pool.waitUntilReady()
                #expect(try pool.map((0..<4).map { _ in UseSession() }) == ["mine", "mine", "mine", "mine"])
            }
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine\nmine\n")
    }

    @Test(arguments: [
        ("forgets-and-ends", "ended with exit code 0"), ("forgets-and-makes-a-pool", "made a pool of its own"),
        ("forgets-and-waits", "within"), ("speaks-nonsense", "does not speak"),
    ])
    func forgottenLine(_ word: String, says part: String) async throws {
        try await onLoop {
            let limit = word == "forgets-and-waits" ? Duration.milliseconds(300) : .seconds(30)
            let pool = try ProcessPool(processes: 1, startLimit: limit, program: program(word))
            let error = try failure(PoolError.self) { try pool.apply(Doubled(1)) }
            #expect(error.description.contains(part))
            if word != "speaks-nonsense" { #expect(error.description.contains("WorkerProcess.runIfWorker")) }
            pool.terminate()
            try pool.join()
        }
    }

    @Test func noSuchProgram() async throws {
        try await onLoop(parks: false) {
            let pool = try ProcessPool(processes: 1, program: .at(path: "/nonexistent"))
            let error = try failure(PoolError.self) { try pool.apply(Doubled(1)) }
            #expect(error.description.contains("No such file"))
            try pool.drain()
        }
    }

    /// aiomultiprocess leaves the job running.
    @Test func cancelledCalls() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, program: worker) { pool in
                try pool.waitUntilReady()
                let before = try pool.apply(WhoAmI())
                let fiber = try spawnAndPark { try pool.apply(Sleep(milliseconds: 60_000)) }
                fiber.cancel()
                #expect(throws: CancellationError.self) { try fiber.get() }
                // The same worker goes on, so the job has ended.
                #expect(try pool.apply(WhoAmI()) == before)
                #expect(throws: DeadlineExceeded.self) {
                    try pool.apply(Sleep(milliseconds: 60_000), timeout: .milliseconds(20))
                }
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(20)) { try pool.map([Sleep(milliseconds: 60_000)]) }
                }
                #expect(try pool.apply(WhoAmI()) == before)
            }
        }
    }

    /// What is under way, in part or not at all, when nobody wants it any more: it must not run, and not harm what comes after it.
    @Test func cancelledCallsWithMuchToCarry() async throws {
        try await onLoop {
            let pool = try ProcessPool(
                processes: 1, childConcurrency: 2, sharedMemoryThreshold: .max, program: worker)
            try pool.waitUntilReady()
            let before = try pool.apply(WhoAmI())
            for bytes in [20_000, 300_000, 8_000_000] {
                // Given and taken back in one turn; then while a worker that is busy takes no more of it.
                let unsent = try spawnAndPark { try pool.apply(LongSleep(milliseconds: 60_000, bytes: bytes)) }
                unsent.cancel()
                #expect(throws: CancellationError.self) { try unsent.get() }
                let busy = pool.applyAsync(Spin(milliseconds: 50))
                #expect(throws: DeadlineExceeded.self) {
                    try pool.apply(LongSleep(milliseconds: 60_000, bytes: bytes), timeout: .milliseconds(25))
                }
                #expect(try busy.get() == before)
                // Both places are free, and the calls behind it are whole.
                let others = (0..<4).map { _ in pool.applyAsync(LongSleep(milliseconds: 1, bytes: bytes)) }
                for other in others { #expect(try other.get(timeout: .seconds(30)) == bytes) }
            }
            #expect(try pool.apply(WhoAmI()) == before)
            pool.close()
            try withTimeout(.seconds(30)) { try pool.join() }
        }
    }

    @Test func stoppedOrBusyWorkersAreKilled() async throws {
        try await onLoop {
            try withProcessPool(processes: 1, responseLimit: .milliseconds(50), program: worker) { pool in
                try pool.waitUntilReady()
                let first = try pool.apply(WhoAmI())
                #expect(throws: DeadlineExceeded.self) { try pool.apply(Stop(), timeout: .milliseconds(50)) }
                let second = try pool.apply(WhoAmI())
                #expect(first != second)
                #expect(throws: DeadlineExceeded.self) {
                    try pool.apply(Spin(milliseconds: 60_000), timeout: .milliseconds(50))
                }
                #expect(try pool.apply(WhoAmI()) != second)
            }
        }
    }

    @Test func freshWorkersAfterSoManyTasks() async throws {
        try await onLoop {
            try withProcessPool(processes: 2, maxTasksPerChild: 10, program: worker) { pool in
                let pids = try pool.map((0..<100).map { _ in WhoAmI() }, chunks: .one)
                var counts: [Int32: Int] = [:]
                for pid in pids { counts[pid, default: 0] += 1 }
                #expect(counts.count >= 10 && counts.values.allSatisfy { $0 <= 10 })
            }
        }
    }

    @Test func closedPools() async throws {
        try await onLoop {
            let pool = try ProcessPool(processes: 1, program: worker)
            #expect(throws: PoolError.stillOpen) { try pool.join() }
            let result = pool.applyAsync(Doubled(5))
            pool.close()
            #expect(throws: PoolError.closed) { try pool.apply(Doubled(1)) }
            #expect(throws: PoolError.closed) { try pool.map([Doubled(1)]) }
            try pool.join()
            #expect(try result.get() == 10)
        }
    }

    /// #78178: terminate hangs.
    @Test func terminatedPools() async throws {
        let pid = try await onLoop {
            let pool = try ProcessPool(processes: 2, childConcurrency: 4, program: worker)
            let pid = try pool.apply(WhoAmI())
            try pool.waitUntilReady()
            let running = pool.applyAsync(Spin(milliseconds: 60_000))
            let waiting = pool.mapAsync((0..<1000).map { _ in Sleep(milliseconds: 60_000) })
            try yield()
            pool.terminate()
            try pool.join()
            #expect(throws: PoolError.terminated) { try running.get() }
            #expect(throws: PoolError.terminated) { try waiting.get() }
            #expect(throws: PoolError.terminated) { try pool.apply(Doubled(1)) }
            return pid
        }
        #expect(!exists(pid))
    }

    @Test func bodyThatThrows() async throws {
        try await onLoop {
            _ = #expect(throws: Failure(1)) {
                try withProcessPool(processes: 1, program: worker) { pool in
                    pool.applyAsync(Sleep(milliseconds: 60_000))
                    try pool.waitUntilReady()
                    throw Failure(1)
                }
            }
        }
    }

    @Test func droppedPools() async throws {
        let pid = try await onLoop { try ProcessPool(processes: 1, program: worker).apply(WhoAmI()) }
        #expect(!exists(pid))
    }
}
