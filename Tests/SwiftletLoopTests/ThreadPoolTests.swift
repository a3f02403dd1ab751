import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

/// Threads for what blocks, and fibers that pass for threads; waiting for an idle loop.
@Suite struct ThreadPoolTests {
    @Test func theBoundHoldsAndAPlaceIsFreeWhenTheJobEnds() async throws {
        try await onLoop { () throws -> Void in
            let pool = ThreadPool(size: 2)
            let running = Tally()
            let counts = SharedJournal<Int>()
            let started = Tally()
            let gate = Waiter<Void>()
            let work: @Sendable () throws -> Int = {
                started.add()
                let count = running.add()
                counts.note(count)
                _ = try gate.wait()
                running.add(-1)
                return count
            }
            let waiters = (0..<6).map { _ in spawn { try pool.apply(work) } }
            while started.count < 2 { try sleep(.milliseconds(1)) }
            // Whoever waited goes; the job and its place stay.
            try killAll(waiters, throwing: Failure(9))
            #expect(waiters.allSatisfy { $0.error as? Failure == Failure(9) })
            let last = pool.spawn { 77 }
            try sleep(.milliseconds(10))
            #expect(!last.isReady && running.count == 2)
            gate.resume(returning: ())
            #expect(try last.get(timeout: .seconds(50)) == 77)
            #expect(counts.entries.max() == 2 && started.count == 6)
        }
    }

    @Test func errorsAndMapping() async throws {
        try await onLoop { () throws -> Void in
            let pool = ThreadPool(size: 3)
            let home = swiftlet_thread_id()
            #expect(try pool.apply { swiftlet_thread_id() } != home)
            #expect(throws: Failure(1)) { try pool.apply { throw Failure(1) } }
            #expect(throws: Failure(2)) { try pool.spawn { throw Failure(2) }.get() }
            #expect(try pool.map(0..<20) { $0 * 2 } == (0..<20).map { $0 * 2 })
            #expect(try blockOn { try await pool.apply { 5 } } == 5)
        }
    }

    /// gevent's `idle_task_timeout`.
    @Test func idleThreadsEndAndNewOnesStart() async throws {
        await #expect(processExitsWith: .success) {
            try await onFreshThread { () throws -> Void in
                func threads() -> Int { countThreads(named: "swiftlet-offload") }
                func waitUntil(_ isSo: () -> Bool, or code: CInt) throws {
                    let limit = Deadline.after(.seconds(60))
                    while !isSo() {
                        if limit < .now { exit(code) }
                        try sleep(.milliseconds(5))
                    }
                }
                let pool = ThreadPool(size: 3, idleLimit: .milliseconds(20))
                let gate = Waiter<Void>()
                let begun = Tally()
                let held = (0..<3).map { _ in
                    pool.spawn {
                        begun.add()
                        try gate.wait()
                    }
                }
                try waitUntil({ begun.count == 3 }, or: 2)
                // Busy for longer than the limit: that is not idle.
                try sleep(.milliseconds(60))
                if threads() != 3 { exit(3) }
                gate.resume(returning: ())
                for result in held { _ = try result.get() }
                try waitUntil({ threads() == 0 }, or: 4)
                if try pool.apply({ 7 }) != 7 { exit(5) }
                // With a long limit they stay.
                let patient = ThreadPool(size: 1, idleLimit: .seconds(3_600))
                _ = try patient.apply { 1 }
                try waitUntil({ threads() == 1 }, or: 6)
                try sleep(.milliseconds(60))
                if threads() != 1 { exit(7) }
                withExtendedLifetime(patient) {}
            }
        }
    }

    @Test func threadsOfADroppedPoolEnd() async throws {
        await #expect(processExitsWith: .success) {
            try await onFreshThread { () throws -> Void in
                func threads() -> Int { countThreads(named: "swiftlet-offload") }
                func use() throws {
                    let pool = ThreadPool(size: 4, idleLimit: .seconds(3_600))
                    _ = try pool.map(0..<8) { $0 }
                    if threads() == 0 { exit(2) }
                }
                try use()
                let limit = Deadline.after(.seconds(60))
                while threads() > 0 {
                    if limit < .now { exit(3) }
                    try sleep(.milliseconds(5))
                }
            }
        }
    }

    @Test func fibersPassForThreads() async throws {
        await #expect(processExitsWith: .success) {
            try await onFreshThread { () throws -> Void in
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    let fibers = (0..<3).map { n in
                        spawn { () throws -> [String] in
                            for _ in 0..<(3 - n) { try yield() }
                            let name = AnyFiber.currentThreadName
                            try yield()
                            return [name, AnyFiber.currentThreadName]
                        }
                    }
                    let names = try fibers.map { try $0.get() }
                    // In the order of asking: the last asked first.
                    if names != [3, 2, 1].map({ ["DummyThread-\($0)", "DummyThread-\($0)"] }) { exit(2) }
                    AnyFiber.dummyThreadPrefix = "Dummy-"
                    if try spawn({ AnyFiber.currentThreadName }).get() != "Dummy-4" { exit(3) }
                    if AnyFiber.currentThreadName.hasPrefix("Dummy") { exit(4) }
                }
            }
        }
    }

    @Test func idleComesAfterEverybodyElse() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let (reading, writing) = makePipe()
            let descriptor = Descriptor(owning: reading)
            let reader = spawn {
                while !readByte(descriptor.number) {
                    try descriptor.drained(.reading)
                    try descriptor.waitUnlessReady(.reading)
                }
                journal.note("read")
            }
            try yield()
            let idlers = (0..<2).map { _ in
                spawn {
                    try idle()
                    journal.note("idle")
                }
            }
            let worker = spawn {
                for _ in 0..<10 { try yield() }
                journal.note("worked")
                writeByte(writing)
            }
            try joinAll([reader, worker] + idlers as [AnyFiber])
            #expect(journal.entries == ["worked", "read", "idle", "idle"])
            close(writing)
        }
    }
}

/// How many threads of this process have the name.
private func countThreads(named name: String) -> Int {
    guard let directory = opendir("/proc/self/task") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
        let number = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard let file = fopen("/proc/self/task/\(number)/comm", "r") else { continue }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 32)
        guard fgets(&text, 32, file) != nil else { continue }
        // The kernel keeps 15 bytes.
        let line = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if line == "\(name.prefix(15))\n" { count += 1 }
    }
    return count
}
