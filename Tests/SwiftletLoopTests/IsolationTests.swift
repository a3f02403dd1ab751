import Swiftlet
import TestSupport
import Testing

/// Actors stay what Swift promises while one of their jobs is parked.
@Suite struct IsolationTests {
    actor Account {
        let journal = SharedJournal<String>()
        private var balance = 0

        func add(_ amount: Int, until gate: Waiter<Bool>) throws -> Int {
            journal.note("begin \(amount)")
            let before = balance
            _ = try waitSynchronously(gate)
            balance = before + amount
            journal.note("end \(amount)")
            return balance
        }
    }

    @Test func aDefaultActorStaysLocked() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let account = Account()
            let others = Tally()
            let gates = (0...5).map { _ in Waiter<Bool>() }
            // Each gate opens ten turns of another fiber after its job has begun: nobody else could end the wait.
            let other = loop.spawn {
                for begun in 1...6 {
                    while account.journal.entries.count < 2 * begun - 1 { try yield() }
                    for _ in 0..<10 {
                        others.add()
                        try yield()
                    }
                    for entry in account.journal.entries where entry.hasPrefix("begin") {
                        gates[Int(entry.dropFirst(6))!].resume(returning: true)
                    }
                }
            }
            try await withThrowingTaskGroup { group in
                for n in 1...5 { group.addTask { _ = try await account.add(n, until: gates[n]) } }
                try await group.waitForAll()
            }
            #expect(try await account.add(0, until: gates[0]) == 15)
            let entries = account.journal.entries
            for n in stride(from: 0, to: entries.count, by: 2) {
                #expect(entries[n].dropFirst(6) == entries[n + 1].dropFirst(4))  // never interleaved
            }
            #expect(others.count == 60)
            try await other.join()
        }
    }

    actor OnLoop {
        let loop: EventLoop
        let journal = SharedJournal<String>()
        init(_ loop: EventLoop) { self.loop = loop }
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.serialExecutor }

        func work(_ name: String, parking milliseconds: Int = 1) throws {
            journal.note("begin \(name)")
            #expect(loop.isCurrent)
            assertIsolated()
            try sleepSynchronously(milliseconds)
            assertIsolated()
            journal.note("end \(name)")
        }

        func work(_ name: String, until gate: Waiter<Bool>) throws {
            journal.note("begin \(name)")
            _ = try waitSynchronously(gate)
            assertIsolated()
            journal.note("end \(name)")
        }

        /// The same through a generator, whose stack is not the job's own.
        func workInAGenerator(_ name: String) throws {
            journal.note("begin \(name)")
            let generator = Generator<Int> { yield in
                try sleepSynchronously(5)
                try yield(1)
            }
            _ = try generator.next()
            journal.note("end \(name)")
        }
    }

    @Test func isolatedJobsWaitWhileOneIsParked() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let (first, second) = (OnLoop(loop), OnLoop(loop))  // two actors on one executor
            let free = SharedJournal<String>()
            let gate = Waiter<Bool>()
            async let a: Void = first.work("a", until: gate)
            async let b: Void = first.work("b")
            async let c: Void = second.work("c")
            let fiber = loop.spawn {
                while first.journal.entries.isEmpty { try yield() }
                for _ in 0..<100 { try yield() }  // in each of them the others could have begun
                free.note("fiber")
            }
            try await fiber.get()
            // Everything else went on meanwhile.
            #expect(first.journal.entries == ["begin a"] && second.journal.entries.isEmpty)
            gate.resume(returning: true)
            _ = try await (a, b, c)
            #expect(first.journal.entries == ["begin a", "end a", "begin b", "end b"])
            #expect(second.journal.entries == ["begin c", "end c"])
        }
    }

    @Test func aParkInAGeneratorHoldsIsolatedJobsToo() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let actor = OnLoop(loop)
            async let a: Void = actor.workInAGenerator("a")
            async let b: Void = actor.workInAGenerator("b")
            _ = try await (a, b)
            #expect(actor.journal.entries == ["begin a", "end a", "begin b", "end b"])
        }
    }

    @Test func interleavingIsAnOption() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            loop.configuration.interleavesIsolatedJobs = true
            let actor = OnLoop(loop)
            let gate = Waiter<Bool>()
            async let a: Void = actor.work("a", until: gate)
            async let b: Void = actor.work("b")
            try await b
            gate.resume(returning: true)
            try await a
            #expect(actor.journal.entries == ["begin a", "begin b", "end b", "end a"])
        }
    }

    @Test func callsFromElsewhereReachTheLoop() async throws {
        let group = try EventLoopGroup(count: 2)
        defer { group.stop() }
        let actors = group.loops.map { OnLoop($0) }
        try await withThrowingTaskGroup { tasks in
            for n in 0..<20 { tasks.addTask { try await actors[n % 2].work("\(n)", parking: 1) } }
            try await tasks.waitForAll()
        }
        for actor in actors { #expect(actor.journal.entries.count == 20) }
    }
}

// In async code the overload that suspends would be chosen; this parks.
func waitSynchronously(_ waiter: Waiter<Bool>) throws -> Bool? { try waiter.wait() }
