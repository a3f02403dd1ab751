import Swiftlet
import TestSupport
import Testing

private enum Context { @TaskLocal static var number = 0 }

@Suite struct LoopTaskTests {
    @Test func cancelledWhileItBeginsAtOnce() async throws {
        try await onLoop { (loop) async throws -> Void in
            let task = try loop.createTask(
                Coroutine { () async throws -> Int in
                    LoopTask<Void>.current!.cancel()
                    try await sleep(.seconds(100))
                    return 1
                }, eager: true)
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test func itsStackIsTheChainOfWhatIsAwaited() async throws {
        try await onLoop { (loop) async throws -> Void in
            let go = try loop.createFuture(of: Int.self)
            let inner = try loop.createTask(Coroutine { try await go.value }, name: "inner")
            let outer = try loop.createTask(Coroutine { try await inner.value }, name: "outer")
            await turns()
            #expect(outer.stack.dropFirst() == [inner.description, go.description])
            #expect(outer.stack[0].hasSuffix("running at \(outer.coroutine.origin)>"))
            #expect(inner.stack.dropFirst() == [go.description])
            try go.setResult(1)
            #expect(try await outer.value == 1)
            #expect(outer.stack.isEmpty)
        }
    }

    @Test func itBeginsInTheNextTurnAndDescribesItself() async throws {
        try await onLoop { (loop) async throws -> Void in
            let go = try loop.createFuture(of: Void.self)
            func execute() -> Coroutine<Int> {
                Coroutine {
                    try await go.value
                    return 1
                }
            }
            let task = try loop.createTask(execute(), name: "worker")
            let place = task.coroutine.origin
            #expect(task.description == "<Task pending name='worker' coro=<execute() running at \(place)>>")
            try task.addDoneCallback("callback", file: "demo/a.swift", line: 11) { _ in }
            await turns()
            #expect(
                task.description == "<Task pending name='worker' coro=<execute() running at \(place)> "
                    + "wait_for=<Future pending cb=[Task.wakeUp()]> cb=[callback() at demo/a.swift:11]>")
            try go.setResult(())
            #expect(try await task.value == 1)
            #expect(
                task.description
                    == "<Task finished name='worker' coro=<execute() done, defined at \(place)> result=1>")
            #expect(throws: InvalidStateError.taskDecidesItself) { try task.setResult(2) }

            let named = try loop.createTask(Coroutine { "x" })
            #expect(named.name.wholeMatch(of: /Task-\d+/) != nil)
            named.name = "mine"
            #expect(try await named.value == "x")
            #expect(named.description.contains("name='mine'") && named.description.hasSuffix("result=\"x\">"))

            let failed = try loop.createTask(Coroutine { () async throws -> Int in throw Failure(3) })
            await #expect(throws: Failure(3)) { try await failed.value }
            #expect(failed.description.contains("exception=") && failed.description.contains("Failure"))
        }
    }

    @Test func cancelling() async throws {
        try await onLoop { (loop) async throws -> Void in
            let cleanedUp = Tally()
            let task = try loop.createTask(
                Coroutine {
                    defer { cleanedUp.add() }
                    try await sleep(.seconds(100))
                })
            await turns()
            #expect(task.cancel("enough") && task.cancelRequests == 1)
            #expect(task.description.hasPrefix("<Task cancelling name="))
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(task.isCancelled && task.cancelMessage == "enough" && cleanedUp.count == 1)
            #expect(task.description.hasPrefix("<Task cancelled name="))
            #expect(!task.cancel())

            let unstarted = try loop.createTask(Coroutine { () async -> Void in cleanedUp.add() })
            unstarted.cancel()
            #expect(unstarted.cancelRequests == 1 && unstarted.uncancel() == 0 && unstarted.uncancel() == 0)
            unstarted.cancel()
            await #expect(throws: CancellationError.self) { try await unstarted.value }
            #expect(cleanedUp.count == 1 && unstarted.coroutine.state == .closed)

            // Cancelling who awaits cancels what is awaited; one that swallows it ends with its value.
            let stubborn = try loop.createTask(
                Coroutine { () async throws -> Int in
                    do { try await sleep(.seconds(100)) } catch is CancellationError { return 5 }
                    return 0
                })
            let outer = try loop.createTask(Coroutine { try await stubborn.value })
            await turns()
            outer.cancel()
            #expect(try await outer.value == 5)
            #expect(stubborn.cancelRequests == 1 && !stubborn.isCancelled)
        }
    }

    @Test func aFailureThatNobodyLooksAt() async throws {
        try await onLoop { (loop) async throws -> Void in
            let failures = collectFailures(loop)
            for number in 0..<3 {
                let task = try loop.createTask(Coroutine("lost") { () async throws -> Void in throw Failure(number) })
                await turns()
                if number == 1 { _ = try task.exception() }
                #expect(failures.entries.count == (number == 2 ? 1 : number))
                withExtendedLifetime(task) {}
            }
            #expect(
                failures.entries.map(\.message) == [
                    "Task exception was never retrieved", "Task exception was never retrieved",
                ])
            #expect(failures.entries[0].subject?.hasPrefix("future: <Task finished name='Task-") == true)
            #expect(failures.entries[0].subject?.contains("coro=<lost() done, defined at ") == true)
        }
    }

    @Test func theLoopKeepsItsTasks() async throws {
        try await onLoop { (loop) async throws -> Void in
            let done = Tally()
            try loop.createTask(
                Coroutine {
                    try await sleep(.milliseconds(2))
                    done.add()
                })
            try loop.createTask(Coroutine { () async -> Void in done.add() })
            #expect(loop.allTasks.map(\.cancelRequests) == [0, 0])
            while !loop.allTasks.isEmpty { try await sleep(.milliseconds(1)) }
            #expect(done.count == 2)
        }
    }

    @Test func whoRuns() async throws {
        try await onLoop { (loop) async throws -> Void in
            #expect(LoopTask<Int>.current == nil)
            #expect(try EventLoop.running === loop)
            let task = try loop.createTask(Coroutine { LoopTask<Int>.current?.name })
            #expect(try await task.value == task.name)
            let names = try loop.createTask(
                Coroutine { () async throws -> [String?] in
                    async let child = LoopTask<Int>.current?.name
                    return try await [child] + gather([Coroutine { LoopTask<Int>.current?.name }])
                })
            #expect(try await names.value == [names.name, nil])
        }
        #expect(throws: LoopError.notRunning) { try EventLoop.running }
    }

    @Test func eagerStart() async throws {
        try await onLoop { (loop) async throws -> Void in
            let journal = SharedJournal<String>()
            let task = try loop.createTask(
                Coroutine {
                    journal.note("begins in \(LoopTask<Int>.current == nil ? "nothing" : "a task")")
                    await Task.yield()
                    journal.note("ends")
                }, eager: true)
            journal.note("made")
            try await task.value
            let immediate = try loop.createTask(Coroutine { 3 }, eager: true)
            #expect(immediate.isDone)
            #expect(try immediate.result() == 3)
            #expect(journal.entries == ["begins in a task", "made", "ends"])
        }
    }

    /// Begun on its maker's stack, it may not set that aside together with its own wait.
    @Test func anEagerTaskThatWaitsLetsItsMakerGoOn() async throws {
        try await onLoop { (loop) async throws -> Void in
            func makeAndWait() throws {
                let result = Waiter<Int>()
                let task = try loop.createTask(Coroutine { try await result.wait()! }, eager: true)
                #expect(!task.isDone)
                result.resume(returning: 4)
                #expect(try waitHere(task) == 4)
            }
            try makeAndWait()
            try waitHere(spawn { try makeAndWait() })
        }
    }

    @Test func itCannotAwaitItself() async throws {
        try await onLoop { (loop) async throws -> Void in
            let mine = Box<LoopTask<Int>?>(nil)
            nonisolated(unsafe) let box = mine
            box.value = try loop.createTask(Coroutine { try await box.value!.value }, name: "snake")
            await #expect(throws: CoroutineError.awaitsItself(task: "snake")) { try await box.value!.value }
            box.value = try loop.createTask(Coroutine { try waitHere(box.value!) }, name: "snake")
            await #expect(throws: CoroutineError.awaitsItself(task: "snake")) { try await box.value!.value }
            box.value = nil
        }
    }

    @Test func ensuringAFuture() async throws {
        try await onLoop { (loop) async throws -> Void in
            let task = try loop.createTask(Coroutine { 1 })
            #expect(ensureFuture(task) === task)
            let future = try loop.createFuture(of: Int.self)
            #expect(try ensureFuture(future) === future)
            #expect(try await ensureFuture(Coroutine { 2 }).value == 2)
            #expect(try await ensureFuture(Task { 3 }).value == 3)
            try future.setResult(0)
            _ = try await task.value
        }
    }

    @Test func fromOtherThreads() async throws {
        try await onLoop { (loop) async throws -> Void in
            let task = try await toThread { () throws -> LoopTask<Int> in
                #expect(throws: LoopError.wrongThread) { try loop.createTask(Coroutine("refused") { 1 }) }
                let remedy = LoopError.wrongThread.description
                #expect(remedy.contains("createTaskThreadSafe") && remedy.contains("callSoonThreadSafe"))
                #expect(throws: LoopError.wrongThread) { try loop.createFuture(of: Int.self) }
                let task = try loop.createTaskThreadSafe(Coroutine { loop.isCurrent ? 4 : 0 })
                #expect(try task.wait() == 4)
                return task
            }
            #expect(task.isDone && ReportLog.reports(containing: "'refused'").isEmpty)
            let endless = try loop.createTask(Coroutine { try await sleep(.seconds(100)) })
            #expect(try await toThread { endless.cancel() })
            await #expect(throws: CancellationError.self) { try await endless.value }
        }
    }

    @Test func taskLocalValuesComeAlong() async throws {
        try await onLoop { (loop) async throws -> Void in
            try await Context.$number.withValue(7) {
                let task = try loop.createTask(
                    Coroutine { () async throws -> [Int] in
                        let before = Context.number
                        let inside = Context.$number.withValue(8) { Context.number }
                        let pooled = try await toThread { Context.number }
                        async let child = Context.number
                        let many = try await gather([Coroutine { Context.number }])
                        return await [before, inside, pooled, child] + many
                    })
                #expect(try await task.value == [7, 8, 7, 7, 7])
                #expect(try await toThread { Context.$number.withValue(9) { Context.number } } == 9)
                #expect(Context.number == 7)
                let generator = Generator<Int> { yield in try yield(Context.number) }
                #expect(try generator.next() == 7)
            }
            #expect(Context.number == 0)
        }
    }

    @Test(.disabled(if: Sanitizer.isAddress, "the task that stays suspended is what it calls a leak"))
    func oneThatIsLeftWhenItsLoopCloses() async throws {
        let failures = SharedJournal<LoopFailure>()
        try await onOwnStack { (loop) throws -> Void in
            loop.exceptionHandler = { failures.note($0) }
            let task = try loop.createTask(Coroutine("left") { 1 })
            withExtendedLifetime(task) {}
        }
        #expect(failures.entries.map(\.message) == ["Task was destroyed but it is pending!"])
        #expect(failures.entries.map(\.kind) == [.pendingTask])
    }
}
