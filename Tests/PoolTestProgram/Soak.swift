import Glibc
import PoolTestJobs
import SwiftletLoop
import SwiftletPool

/// The failures of the tests again and again, in one process. Counts the answers; at the end no process, no descriptor and
/// no memory may be left.
func soak(rounds: Int) throws {
    let path = "/tmp/swiftlet-pool-soak-\(getpid())"
    defer { unlink(path) }
    let failures: [(name: String, run: () throws -> Void)] = [
        ("worker killed while 10,000 jobs run", killedAtRandom),
        ("exit(3) in a job", { try dies(Leave(code: 3), as: .exited(code: 3)) }),
        ("crash in a job", { try dies(Crash(signal: SIGSEGV), as: .killed(signal: Int(SIGSEGV))) }),
        ("failing initializer", failingInitializer),
        ("undecodable argument or result", uncodable),
        ("cancelled", cancelled),
        ("timeout", timeout),
        ("worker stopped", stopped),
        ("socket full", socketFull),
        ("descriptor limit", descriptorLimit),
        ("caller killed", callerKilled),
    ]
    var descriptors = 0
    var memory = 0
    for round in 0..<rounds {
        for failure in failures {
            do {
                try EventLoop.run(takesOver: false, failure.run)
            } catch {
                say("FAILED in round \(round): \(failure.name): \(error)")
                exit(1)
            }
        }
        // What is kept for the next use is there after the first rounds.
        if round == min(10, rounds / 2) { (descriptors, memory) = (openDescriptorCount(), residentBytes()) }
        if round % 10 == 9 { say("\(round + 1) rounds") }
    }
    check(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "a child process is left")
    check(openDescriptorCount() <= descriptors, "descriptors are left")
    // Sanitizers keep memory of their own.
    let isSanitized = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
    let growth = residentBytes() - memory
    check(isSanitized || growth < 20 << 20, "memory grew by \(growth) bytes")
    say("\(failures.count) failures, \(rounds) times each: every job was answered once, and nothing is left")
}

private struct SoakFailure: Error {
    let reason: String
}

private func check(_ condition: Bool, _ reason: String) {
    if condition { return }
    say("FAILED: \(reason)")
    exit(1)
}

private func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws {
    if !condition { throw SoakFailure(reason: reason()) }
}

private func killedAtRandom() throws {
    try withProcessPool(processes: 2, childConcurrency: 4) { pool in
        let pids = try (0..<20).map { _ in try pool.apply(WhoAmI()) }
        let moment = Int.random(in: 0..<10_000)
        let results = pool.imap((0..<10_000).lazy.map { Doubled($0) }, chunks: .fixed(10), lookAhead: 1000)
        var answers = 0
        for number in 0..<10_000 {
            if number == moment { kill(pids.randomElement()!, SIGKILL) }
            do {
                try require(try results.next() == number * 2, "wrong result")
            } catch PoolError.workerDied {}
            answers += 1
        }
        try require(try results.next() == nil && answers == 10_000, "\(answers) answers")
    }
}

private func dies(_ job: some PoolJob, as exit: WorkerExit) throws {
    try withProcessPool(processes: 1) { pool in
        do {
            _ = try pool.apply(job)
            throw SoakFailure(reason: "it has a result")
        } catch let error as PoolError {
            try require(error == .workerDied(job: type(of: job).jobName, exit: exit, attempts: 1), "\(error)")
        }
        try require(try pool.apply(Doubled(1)) == 2, "the pool is dead")
    }
}

private func expect(_ what: String, _ body: () throws -> Void, is isRight: (any Error) -> Bool) throws {
    do {
        try body()
    } catch {
        return try require(isRight(error), "\(what): \(error)")
    }
    throw SoakFailure(reason: "\(what): no error")
}

private func failingInitializer() throws {
    let pool = try ProcessPool(processes: 2, initializer: BadInitializer())
    try expect("initializer") {
        _ = try pool.map((0..<10).map { Doubled($0) })
    } is: {
        if case PoolError.initializerFailed = $0 { true } else { false }
    }
    try pool.drain()
}

private func uncodable() throws {
    try withProcessPool(processes: 1) { pool in
        for index in 0..<4 {
            try expect("coding \(index)") {
                switch index {
                case 0: _ = try pool.apply(FragileArgument(Fragile(breaksOnEncoding: true)))
                case 1: _ = try pool.apply(FragileArgument(Fragile(breaksOnDecoding: true)))
                case 2: _ = try pool.apply(FragileResult())
                default: _ = try pool.apply(StubbornResult())
                }
            } is: {
                $0 is PoolError
            }
        }
    }
}

private func cancelled() throws {
    try withProcessPool(processes: 1) { pool in
        try pool.waitUntilReady()
        let result = pool.applyAsync(Sleep(milliseconds: 60_000))
        try yield()
        result.cancel()
        try expect("cancelled") {
            _ = try result.get()
        } is: {
            $0 is CancellationError
        }
        try require(try pool.apply(Doubled(1)) == 2, "the pool is dead")
    }
}

private func timeout() throws {
    try withProcessPool(processes: 1) { pool in
        try pool.waitUntilReady()
        try expect("timeout") {
            _ = try pool.apply(Sleep(milliseconds: 60_000), timeout: .milliseconds(5))
        } is: {
            $0 is DeadlineExceeded
        }
        try require(try pool.apply(Doubled(1)) == 2, "the pool is dead")
    }
}

private func stopped() throws {
    try withProcessPool(processes: 1, responseLimit: .milliseconds(20)) { pool in
        try pool.waitUntilReady()
        try expect("stopped") {
            _ = try pool.apply(Stop(), timeout: .milliseconds(20))
        } is: {
            $0 is DeadlineExceeded
        }
        try require(try pool.apply(Doubled(1)) == 2, "the pool is dead")
    }
}

/// A worker that does not read, and much more than a socket holds.
private func socketFull() throws {
    let pool = try ProcessPool(processes: 1, childConcurrency: 64, sharedMemoryThreshold: .max)
    try pool.waitUntilReady()
    let busy = pool.applyAsync(Spin(milliseconds: 20))
    let results = (0..<40).map { _ in pool.applyAsync(HungryEcho([UInt8](repeating: 3, count: 200_000))) }
    _ = try busy.get()
    for result in results { try require(try result.get().count == 200_000, "bytes are missing") }
    try pool.drain()
}

/// No descriptor is left: for workers, and for shared memory.
private func descriptorLimit() throws {
    let pool = try ProcessPool(processes: 1, sharedMemoryThreshold: 1 << 18)
    try pool.waitUntilReady()
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    var low = limit
    low.rlim_cur = 3
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
    let bytes = [UInt8](repeating: 5, count: 1 << 20)
    // The memory cannot be made here: the bytes go through the socket. The answer's cannot be received here.
    try expect("answer in shared memory") {
        _ = try pool.apply(HungryEcho(bytes))
    } is: {
        if case PoolError.undecodableResult = $0 { true } else { false }
    }
    try require(try pool.apply(HungryEcho(bytes, answers: false)) == [0], "through the socket")
    let other = try ProcessPool(processes: 1)
    try expect("start") {
        _ = try other.apply(Doubled(1))
    } is: {
        if case PoolError.cannotStart = $0 { true } else { false }
    }
    try other.drain()
    try pool.drain()
}

/// It takes its workers with it, busy as they are: nobody holds the pipe any more that they had from it.
private func callerKilled() throws {
    let program = "/proc/\(getpid())/exe"
    let workers = try toThread { () -> Int in
        guard let output = popen("echo $$; exec \(program) waits-with-busy-workers", "r") else { return 0 }
        defer { pclose(output) }
        func line() -> String? {
            var line = [CChar](repeating: 0, count: 128)
            guard fgets(&line, 128, output) != nil else { return nil }
            return String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        guard let caller = line().flatMap({ pid_t($0) }) else { return 0 }
        var workers = 0
        while let next = line(), next != "waiting" { workers += 1 }
        kill(caller, SIGKILL)
        while line() != nil {}
        return workers
    }
    try require(workers > 0, "it had no workers")
}

private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (Int(text.split(separator: " ")[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
}

private func openDescriptorCount() -> Int {
    (0..<1024).count { fcntl(CInt($0), F_GETFD) >= 0 }
}
