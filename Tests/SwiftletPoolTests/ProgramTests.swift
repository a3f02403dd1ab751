import Foundation
import PoolTestJobs
import TestSupport
import Testing

/// Whole programs with a pool: how they end, and what is left of them.
@Suite("Programs with a process pool", .serialized, .timeLimit(.minutes(1)))
struct ProgramTests {
    /// A program in a process group of its own, as a shell starts it.
    final class Program: @unchecked Sendable {
        let identifier: pid_t
        private let output: FileHandle
        private var unread = Data()

        init(_ arguments: String...) throws {
            let pipe = Pipe()
            output = pipe.fileHandleForReading
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForWriting.fileDescriptor, STDOUT_FILENO)
            posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForWriting.fileDescriptor, STDERR_FILENO)
            var attributes = posix_spawnattr_t()
            posix_spawnattr_init(&attributes)
            defer { posix_spawnattr_destroy(&attributes) }
            var nothing = sigset_t()
            sigemptyset(&nothing)
            posix_spawnattr_setsigmask(&attributes, &nothing)
            posix_spawnattr_setpgroup(&attributes, 0)
            posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
            let words = ([workerPath] + arguments).map { strdup($0) }
            defer { for word in words { free(word) } }
            var pid: pid_t = 0
            let status = posix_spawn(&pid, workerPath, &actions, &attributes, words + [nil], environ)
            identifier = pid
            try pipe.fileHandleForWriting.close()
            if status != 0 { throw POSIXError(POSIXErrorCode(rawValue: status) ?? .EIO) }
        }

        func line() -> String? {
            while true {
                if let end = unread.firstIndex(of: 10) {
                    defer { unread.removeSubrange(...end) }
                    return String(decoding: unread[..<end], as: UTF8.self)
                }
                let more = output.availableData
                if more.isEmpty { return nil }
                unread += more
            }
        }

        func wait() -> CInt {
            var status: CInt = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            return status
        }
    }

    private func startedWithWorkers(_ word: String) async throws -> (Program, [Int32]) {
        try await onFreshThread {
            let program = try Program(word)
            var workers: [Int32] = []
            while let line = program.line(), line != "waiting" { if let pid = Int32(line) { workers.append(pid) } }
            #expect(!workers.isEmpty)
            return (program, workers)
        }
    }

    @Test func aProgramIsItsOwnWorker() async throws {
        try await onFreshThread {
            let program = try Program("own-workers")
            #expect(program.line() == "[2, 4, 6, 8]")
            #expect(program.wait() == 0)
        }
    }

    /// A hundred times: `Scripts/pool-soak`.
    @Test func failuresAgainAndAgain() async throws {
        try await onFreshThread {
            let program = try Program("soak", "3")
            var lines: [String] = []
            while let line = program.line() { lines.append(line) }
            #expect(program.wait() == 0)
            #expect(
                lines.last == "11 failures, 3 times each: every job was answered once, and nothing is left", "\(lines)")
        }
    }

    @Test(arguments: ["waits-with-workers", "waits-with-busy-workers"])
    func controlCEndsEverything(_ word: String) async throws {
        let (program, workers) = try await startedWithWorkers(word)
        let start = ContinuousClock.now
        kill(-program.identifier, SIGINT)
        try await onFreshThread {
            #expect(program.line()?.hasPrefix("interrupted: 2 worker processes were ended") == true)
            #expect(program.line() == nil)  // one line, and nobody holds the pipe any more
            #expect(program.wait() == SIGINT)
        }
        #expect(ContinuousClock.now - start < .seconds(1))
        #expect(await eventually { !workers.contains(where: exists) })
    }

    @Test(arguments: ["waits-with-workers", "waits-with-busy-workers"])
    func workersEndWithAKilledParent(_ word: String) async throws {
        let (program, workers) = try await startedWithWorkers(word)
        kill(program.identifier, SIGKILL)
        try await onFreshThread { #expect(program.wait() == SIGKILL) }
        #expect(await eventually { !workers.contains(where: exists) })
    }
}
