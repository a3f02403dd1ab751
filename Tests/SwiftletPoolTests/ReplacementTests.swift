import Foundation
import PoolTestJobs
import Swiftlet
import SwiftletPool
import TestSupport
import Testing

/// Workers that are missing: while the pool is closing, in one of several queues, and when no new one can be started for a while.
@Suite("Replaced workers of process pools")
struct ReplacementTests {
    /// The one that dies is the only one of its queue, and the pool is closed by then.
    @Test(arguments: [0, 1]) func aRetryInOneOfSeveralQueuesOfAClosedPool(queue: Int) async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            let pool = try ProcessPool(processes: 2, queueCount: 2, scheduler: RoundRobin(), program: worker)
            try pool.waitUntilReady()
            for _ in 0..<queue { _ = try pool.apply(WhoAmI()) }
            let result = pool.applyAsync(Attempts(path: path, deaths: 2))
            pool.close()
            #expect(try result.get(timeout: .seconds(30)) == 3)
            try withTimeout(.seconds(30)) { try pool.join() }
        }
    }

    /// The worker has had its last job when it dies.
    @Test(arguments: [1, 2]) func aRetryAfterAWorkersLastTask(processes: Int) async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            let pool = try ProcessPool(processes: processes, maxTasksPerChild: 1, program: worker)
            try pool.waitUntilReady()
            let result = pool.applyAsync(Attempts(path: path, deaths: 2))
            pool.close()
            #expect(try result.get(timeout: .seconds(30)) == 3)
            try withTimeout(.seconds(30)) { try pool.join() }
        }
    }

    /// All workers are lost at once, and none can be started for a while: then the pool is as before.
    @Test func whatIsLackingMayBeThereLater() async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withProcessPool(processes: 4, initializer: FailWhile(path: path), program: worker) { pool in
                try pool.waitUntilReady()
                let pids = Set(try pool.map((0..<16).map { _ in Spin(milliseconds: 5) }, chunks: .one))
                #expect(pids.count == 4)
                try makeFile(path)
                for pid in pids { kill(pid, SIGKILL) }
                // Whoever asks meanwhile is told, sooner or later: nobody waits without hope.
                let error = try firstFailure(of: pool)
                guard case .initializerFailed("PoolTestJobs.Known", _) = error else { throw error }
                #expect(fileLength(path) > 4)
                unlink(path)
                #expect(try untilItWorks { try pool.apply(Doubled(1)) } == 2)
                try pool.waitUntilReady()
                #expect(Set(try pool.map((0..<16).map { _ in Spin(milliseconds: 5) }, chunks: .one)).count == 4)
            }
        }
    }

    /// The other queue is none the worse.
    @Test func aQueueThatHasNoWorkerForAWhile() async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withProcessPool(
                processes: 2, initializer: FailWhile(path: path), queueCount: 2, scheduler: RoundRobin(),
                program: worker
            ) { pool in
                try pool.waitUntilReady()
                let first = try pool.apply(WhoAmI())
                let second = try pool.apply(WhoAmI())
                try makeFile(path)
                kill(second, SIGKILL)
                var isTold = false
                while !isTold {
                    #expect(try pool.apply(WhoAmI()) == first)
                    do {
                        _ = try pool.apply(WhoAmI(), timeout: .seconds(30))
                    } catch PoolError.initializerFailed {
                        isTold = true
                    } catch PoolError.workerDied {}
                }
                unlink(path)
                let pids = try untilItWorks { [try pool.apply(WhoAmI()), try pool.apply(WhoAmI())] }
                #expect(pids[0] == first && pids[1] != first)
            }
        }
    }

    /// It ends, though it has no worker and was about to try again.
    @Test func aPoolWithoutWorkersCloses() async throws {
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            let pool = try ProcessPool(processes: 1, initializer: FailWhile(path: path), program: worker)
            let pid = try pool.apply(WhoAmI())
            try makeFile(path)
            kill(pid, SIGKILL)
            _ = try firstFailure(of: pool)
            let last = pool.applyAsync(Doubled(1))
            pool.close()
            #expect(throws: PoolError.self) { try last.get(timeout: .seconds(30)) }
            try withTimeout(.seconds(30)) { try pool.join() }
        }
    }

    private func makeFile(_ path: String) throws { try Data().write(to: URL(fileURLWithPath: path)) }

    private func fileLength(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Asks until workers that died are known to have, and the pool gives the reason why there are none.
    private func firstFailure(of pool: ProcessPool) throws -> PoolError {
        while true {
            do {
                _ = try pool.apply(Doubled(1), timeout: .seconds(30))
            } catch PoolError.workerDied {
                continue
            } catch let error as PoolError {
                return error
            }
        }
    }

    /// Tries again as long as the pool says that it has no workers.
    private func untilItWorks<Value>(_ body: () throws -> Value) throws -> Value {
        let limit = ContinuousClock.now + .seconds(60)
        while true {
            do {
                return try body()
            } catch let error as PoolError {
                guard ContinuousClock.now < limit else { throw error }
                try sleep(.milliseconds(20))
            }
        }
    }
}
