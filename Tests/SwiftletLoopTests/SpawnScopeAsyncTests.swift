import Swiftlet
import TestSupport
import Testing

/// The same scope from async code, and the handshake of a child that has to become ready.
@Suite struct SpawnScopeAsyncTests {
    @Test func endsAfterFibersAndTasks() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let journal = SharedJournal<String>()
            let value = try await withSpawnScope { (scope) async throws -> Int in
                scope.spawn {
                    try nap()
                    journal.note("fiber")
                }
                let task = scope.spawn { () async throws -> Int in
                    #expect(loop.isCurrent)
                    return 2
                }
                journal.note("body")
                return try await task.value
            }
            #expect(value == 2)
            #expect(journal.entries == ["body", "fiber"])
        }
    }

    // runtime-peers 39
    @Test func theFirstFailureCancelsSiblingsAndBody() async throws {
        try await onTaskLoop { (_) async throws -> Void in
            let cancelled = Tally()
            do {
                try await withSpawnScope { (scope) async throws -> Void in
                    scope.spawn {
                        defer { cancelled.add() }
                        try sleep(.seconds(100))
                    }
                    scope.spawn { () async throws -> Void in
                        defer { cancelled.add() }
                        try await sleep(.seconds(100))
                    }
                    scope.spawn { () async throws -> Void in
                        try await withSpawnScope { (inner) async throws -> Void in
                            inner.spawn {
                                try yield()
                                throw Failure(1)
                            }
                        }
                    }
                    defer { cancelled.add() }
                    try await sleep(.seconds(100))
                }
                Issue.record("no error")
            } catch let group as ErrorGroup {
                #expect(group.errors.count == 1 && group.errors[0] is ErrorGroup)
                #expect(group.leaves.map { $0 as? Failure } == [Failure(1)])
            }
            #expect(cancelled.count == 3)
        }
    }

    @Test func aCancelledChildDoesNotFailTheScope() async throws {
        try await onTaskLoop { (_) async throws -> Void in
            let value = try await withSpawnScope { (scope) async throws -> Int in
                let fiber = scope.spawn { try sleep(.seconds(100)) }
                let task = scope.spawn { () async throws -> Void in try await sleep(.seconds(100)) }
                try await sleep(.milliseconds(1))
                fiber.cancel()
                task.cancel()
                return 4
            }
            #expect(value == 4)
        }
    }

    @Test func cancellationAndDeadlines() async throws {
        try await onTaskLoop { (loop) async throws -> Void in
            let ended = Tally()
            let begun = Waiter<Void>()
            let outer = Task(executorPreference: loop.taskExecutor) {
                try await withSpawnScope { (scope) async throws -> Int in
                    scope.spawn {
                        defer { ended.add() }
                        begun.resume(returning: ())
                        do { try sleep(.seconds(100)) } catch { try shielded { try nap(5) } }
                    }
                    return 1
                }
            }
            _ = try await begun.wait()
            outer.cancel()
            await #expect(throws: CancellationError.self) { try await outer.value }
            #expect(ended.count == 1)

            await #expect(throws: DeadlineExceeded.self) {
                try await withSpawnScope(deadline: .after(.milliseconds(5))) { (scope) async throws -> Void in
                    scope.spawn { try sleep(.seconds(100)) }
                    try await sleep(.seconds(100))
                }
            }
            let value = try await withSpawnScope { (scope) async throws -> Int in
                scope.spawn { try sleep(.seconds(100)) }
                scope.cancel()
                return 9
            }
            #expect(value == 9)
            await #expect(throws: CancellationError.self) {
                try await withSpawnScope { (scope) async throws -> Void in
                    scope.cancel()
                    try await sleep(.seconds(100))
                }
            }
        }
    }

    /// In Swift's own pool: body and children go to a loop.
    @Test func outsideALoop() async throws {
        let sum = try await withSpawnScope { (scope) async throws -> Int in
            #expect(EventLoop.currentIfAny != nil)
            let fiber = scope.spawn { () throws -> Int in
                try nap()
                return 1
            }
            let task = scope.spawn { () async throws -> Int in 2 }
            return try await fiber.get() + task.value
        }
        #expect(sum == 3)
    }

    // MARK: start

    // runtime-peers 42
    @Test func aChildSignalsThatItIsReady() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            try withSpawnScope { scope in
                let (port, server) = try scope.start { (ready: ReadySignal<Int>) throws -> String in
                    try yield()
                    journal.note("ready")
                    try ready(8080)
                    try sleep(.milliseconds(5))
                    journal.note("served")
                    return "done"
                }
                #expect(port == 8080)
                journal.note("started")
                #expect(!server.isFinished)
                #expect(try server.get() == "done")
            }
            #expect(journal.entries == ["ready", "started", "served"])
        }
        try await onTaskLoop { (_) async throws -> Void in
            let value = try await withSpawnScope { (scope) async throws -> Int in
                let (ready, child) = try await scope.start { (ready: ReadySignal<Int>) async throws -> Int in
                    try await sleep(.milliseconds(1))
                    try ready(1)
                    return 2
                }
                return try await 10 * ready + child.value
            }
            #expect(value == 12)
        }
    }

    // runtime-peers 42
    @Test func aStarterThatIsKilledWaitsForTheChildItBegan() async throws {
        try await onLoop {
            let childEnded = Tally()
            let starter = try spawnAndPark { () throws -> Void in
                try withSpawnScope { scope in
                    _ = try scope.start { (_: ReadySignal<Int>) in
                        defer { childEnded.add() }
                        try sleep(.seconds(100))
                    }
                }
            }
            try starter.kill(timeout: .seconds(50))
            #expect(childEnded.count == 1 && starter.wasKilled)

            // Its failure is not lost.
            let other = try spawnAndPark { () throws -> Void in
                try withSpawnScope { scope in
                    _ = try scope.start { (_: ReadySignal<Int>) in
                        do { try sleep(.seconds(100)) } catch { throw Failure(7) }
                    }
                }
            }
            try other.kill(timeout: .seconds(50))
            #expect(other.error is Failure || other.error is ErrorGroup, "\(String(describing: other.error))")
        }
    }

    @Test func aChildThatFailsBeforeIsTheStartersBusiness() async throws {
        try await onLoop { () throws -> Void in
            let value = try withSpawnScope { scope in
                let sibling = scope.spawn { () throws -> Int in
                    try nap(3)
                    return 1
                }
                #expect(throws: Failure(1)) {
                    try scope.start { (_: ReadySignal<Int>) in
                        try yield()
                        throw Failure(1)
                    }
                }
                #expect(throws: SpawnScopeError.endedBeforeReady) { try scope.start { (_: ReadySignal<Int>) in } }
                #expect(!scope.isCancelled)
                return try sibling.get()  // nobody cancelled it
            }
            #expect(value == 1)
            // Afterwards it is a child like any other.
            let group = try #require(throws: ErrorGroup.self) {
                try withSpawnScope { scope in
                    try scope.start { (ready: ReadySignal<Void>) in
                        try ready()
                        #expect(throws: SpawnScopeError.alreadyReady) { try ready() }
                        throw Failure(2)
                    }
                    try sleep(.seconds(100))
                }
            }
            #expect(group.errors.map { $0 as? Failure } == [Failure(2)])
        }
    }

    @Test func aCancelledStarterTakesTheChildAlong() async throws {
        try await onLoop { () throws -> Void in
            let ended = Tally()
            try withSpawnScope { scope in
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(5)) {
                        try scope.start { (ready: ReadySignal<Int>) in
                            defer { ended.add() }
                            do { try sleep(.seconds(100)) } catch {
                                do { try ready(1) } catch is CancellationError { ended.add() }
                                throw error
                            }
                        }
                    }
                }
                #expect(ended.count == 2)
                // What goes wrong in its clean-up is not lost.
                #expect(throws: Failure(7)) {
                    try withTimeout(.milliseconds(5)) {
                        try scope.start { (_: ReadySignal<Int>) in
                            do { try sleep(.seconds(100)) } catch { throw Failure(7) }
                        }
                    }
                }
                #expect(!scope.isCancelled)
            }
            // The scope's cancellation reaches a child on its way.
            #expect(throws: CancellationError.self) {
                try withSpawnScope { scope in
                    spawn { scope.cancel() }
                    try scope.start { (_: ReadySignal<Int>) in try sleep(.seconds(100)) }
                }
            }
        }
    }
}
