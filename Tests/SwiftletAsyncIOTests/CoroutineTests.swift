import Swiftlet
import TestSupport
import Testing

@Suite struct CoroutineTests {
    @Test func itIsColdAndRunsOnce() async throws {
        try await onLoop { (_) async throws -> Void in
            let runs = Tally()
            func execute(_ x: Int) -> Coroutine<Int> {
                Coroutine {
                    runs.add()
                    return x
                }
            }
            let coroutine = execute(3)
            #expect(coroutine.name == "execute" && coroutine.state == .created && runs.count == 0)
            #expect(coroutine.description.hasPrefix("<coroutine object execute at 0x"))
            #expect(try await coroutine.value == 3)
            #expect(coroutine.state == .closed)
            let error = await #expect(throws: CoroutineError.self) { try await coroutine.value }
            #expect(error == .alreadyAwaited(coroutine: "execute"))
            #expect(error?.description.hasPrefix("cannot reuse already awaited coroutine") == true)
            #expect(runs.count == 1)
        }
    }

    @Test func statesAndLocals() async throws {
        try await onLoop { (loop) async throws -> Void in
            let go = try loop.createFuture(of: Void.self)
            let coroutine = Coroutine("native", arguments: ["a": 1]) { me in
                #expect(me.state == .running && me.state.description == "CORO_RUNNING")
                me.locals["b"] = 2
                try await go.value
                return 3
            }
            #expect(coroutine.locals as? [String: Int] == ["a": 1])
            let task = try loop.createTask(coroutine)
            await turns()
            #expect(coroutine.state == .suspended && coroutine.state.description == "CORO_SUSPENDED")
            #expect(coroutine.locals as? [String: Int] == ["a": 1, "b": 2])
            #expect(throws: CoroutineError.closedWhileRunning(coroutine: "native")) { try coroutine.close() }
            await #expect(throws: CoroutineError.beingAwaited(coroutine: "native")) { try await coroutine.value }
            try go.setResult(())
            #expect(try await task.value == 3)
            #expect(coroutine.state == .closed && coroutine.locals.isEmpty)
        }
    }

    @Test func oneThatNeverRanIsReportedWithItsPlace() {
        ReportLog.begin()
        _ = Coroutine("forgotten-and-lost") { 1 }
        let reports = ReportLog.reports(containing: "'forgotten-and-lost' was never awaited")
        #expect(reports.count == 1 && reports[0].kind == .neverAwaited)
        #expect(reports[0].message.contains("CoroutineTests.swift:"))
        let witnesses = Tally()
        func make() -> Coroutine<Void> {
            let witness = Box(Witness(witnesses))
            nonisolated(unsafe) let kept = witness
            return Coroutine("closed-in-time") { _ = kept }
        }
        let closed = make()
        #expect(throws: Never.self) { try closed.close() }
        #expect(throws: Never.self) { try closed.close() }
        #expect(closed.state == .closed && witnesses.count == 1)
        #expect(ReportLog.reports(containing: "closed-in-time").isEmpty)
    }

    @Test func awaitingAnything() async throws {
        try await onLoop { (_) async throws -> Void in
            let error = await #expect(throws: CoroutineError.self) { try await awaitAny(7) }
            #expect(error?.description == "object Int can't be used in 'await' expression")
            #expect(try await awaitAny(Coroutine { 4 }) as? Int == 4)
            #expect(try await awaitAny(Task { "t" }) as? String == "t")
        }
    }

    @Test func functionsAndObjectsAreTold() {
        func plain(_ x: Int) -> Int { x }
        func native(_ x: Int, _ y: String) async -> Int { x }
        func returning(_ x: Int) -> Coroutine<Int> { Coroutine { x } }
        #expect(isCoroutineFunction(native) && isCoroutineFunction(returning))
        #expect(!isCoroutineFunction(plain) && !isCoroutineFunction(3))
        #expect(!isCoroutine(3))
    }

    @Test func fromSynchronousCode() async throws {
        try await onLoop { (_) async throws -> Void in
            let fiber = spawn {
                try Coroutine { () async throws -> Int in
                    try await sleep(.milliseconds(2))
                    return 5
                }.wait()
            }
            #expect(try await fiber.get() == 5)
        }
    }
}
