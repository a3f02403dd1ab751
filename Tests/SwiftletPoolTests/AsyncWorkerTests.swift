import Glibc
import PoolTestJobs
import Swiftlet
import SwiftletPool
import TestSupport
import Testing

@Suite("A job in a process of its own")
struct AsyncWorkerTests {
    @Test func fromTasks() async throws {
        try await onTaskLoop { _ in
            let job = AsyncWorker(WhoAmI(), name: "asker", program: worker)
            #expect(job.name == "asker" && !job.isAlive && job.processIdentifier == nil && job.exit == nil)
            try await job.start()
            let pid = try await job.result.get()
            #expect(pid == job.processIdentifier && pid != getpid())
            #expect(try await job.join())
            #expect(!job.isAlive && job.exit == .exited(code: 0))
            #expect(await eventually { !exists(pid) })
        }
    }

    @Test func fromFibersAndThreads() async throws {
        try await onLoop {
            let job = AsyncWorker(Sleep(milliseconds: 60_000), program: worker)
            #expect(throws: PoolError.self) { try job.join() }
            try job.start()
            #expect(job.isAlive)
            #expect(throws: PoolError.self) { try job.start() }
            #expect(try !job.join(timeout: .milliseconds(10)))
            job.terminate()
            #expect(try job.join(timeout: .seconds(60)))
            #expect(job.exit == .killed(signal: Int(SIGTERM)))
        }
        try await onFreshThread {
            let job = AsyncProcess(Fail("on purpose"), program: worker)
            try job.start()
            #expect(job.processIdentifier != nil)
            #expect(throws: (any Error).self) { try job.result.get(timeout: .seconds(60)) }
            #expect(try job.join(timeout: .seconds(60)))
            #expect(job.exit == .exited(code: 0))
        }
    }

    @Test func whatGoesWrong() async throws {
        try await onLoop {
            let leaver = AsyncWorker(Leave(code: 3), program: worker)
            try leaver.start()
            #expect(throws: PoolError.workerDied(job: Leave.jobName, exit: .exited(code: 3), attempts: 1)) {
                try leaver.result.get(timeout: .seconds(60))
            }
            #expect(try leaver.join(timeout: .seconds(60)))
            #expect(leaver.exit == .exited(code: 3))
            let refused = AsyncWorker(Doubled(1), initializer: BadInitializer(), program: worker)
            try refused.start()
            let error = #expect(throws: PoolError.self) { try refused.result.get(timeout: .seconds(60)) }
            guard case .initializerFailed? = error else { throw error! }
            #expect(try refused.join(timeout: .seconds(60)))
        }
    }

    @Test func cancelledOrDropped() async throws {
        try await onLoop {
            let job = AsyncWorker(Sleep(milliseconds: 60_000), program: worker)
            try job.start()
            job.result.cancel()
            #expect(try job.join(timeout: .seconds(60)))
            #expect(job.exit == .killed(signal: Int(SIGKILL)))
            var dropped: AsyncWorker<Sleep>? = AsyncWorker(Sleep(milliseconds: 60_000), program: worker)
            try dropped!.start()
            let pid = dropped!.processIdentifier!
            dropped = nil
            let deadline = Deadline.after(.seconds(60))
            while exists(pid), deadline.remaining > .zero { try sleep(.milliseconds(5)) }
            #expect(!exists(pid))
        }
    }
}
