import Swiftlet
import TestSupport
import Testing

/// The language rules of Python's coroutines, R1 to R17, each against the line that Python prints. What the compiler
/// refuses is in `CompileTests`.
@Suite struct RuleTests {
    struct Steps: AwaitIterable {
        var count = 0
        func makeAwaitIterator() -> Any { (0..<count).makeIterator() }
    }

    struct NoSteps: AwaitIterable {
        func makeAwaitIterator() -> Any { 7 }
    }

    /// What a call fails with.
    func error(_ body: () async throws -> Any) async -> String {
        do {
            return "no error, \(try await body())"
        } catch {
            return "\(error)"
        }
    }

    @Test func r1AnAsyncFunctionIsACoroutineFunction() {
        let isOne = isCoroutineFunction(asynchronous)
        #expect(PythonText.bool(isOne) == PythonText.line("R1"))
        let others = [isCoroutineFunction(native), isCoroutineFunction(synchronous), isCoroutineFunction(7)]
        #expect(others == [true, false, false])
        let closure = { (_: Int, _: String) async -> Void in }
        let isClosureOne = isCoroutineFunction(closure)
        #expect(isClosureOne)
        let erased: [Any] = [asynchronous, native, synchronous, 7, "async"]
        #expect(erased.map { isCoroutineFunction($0) } == [true, true, false, false, false])
    }

    @Test func r2YieldInAsyncCodeMakesAnAsyncGenerator() async throws {
        try await onTaskLoop(parks: false) { (_) async throws -> Void in
            var seen: [Int] = []
            for try await n in ticks(3) { seen.append(n) }
            #expect(seen == [0, 1, 2])
        }
    }

    @Test func r3Flags() throws {
        let coroutine = native()
        let isNative = coroutine.flags.contains(.native)
        let isIterable = generatorBased().flags.contains(.iterable)
        #expect(
            "CO_COROUTINE \(PythonText.bool(isNative)), CO_ITERABLE_COROUTINE \(PythonText.bool(isIterable))"
                == PythonText.line("R3"))
        #expect(!coroutine.flags.contains(.iterable))
        try coroutine.close()
    }

    @Test func r4StopIterationLeavingACoroutineIsAnError() async throws {
        let text = await error { try await Coroutine { () async throws -> Int in throw StopIteration(5) }.value }
        #expect(text.hasPrefix(PythonText.message("R4")))
        await #expect(throws: CoroutineError.raisedStopIteration) {
            try await Coroutine { () async throws -> Int in throw StopIteration(5) }.value
        }
        #expect(throws: GeneratorError.raisedStopIteration) {
            try Generator<Int> { _ in throw StopIteration() }.next()
        }
        #expect("\(GeneratorError.raisedStopIteration)".hasPrefix("generator raised StopIteration"))
        await #expect(throws: AsyncGeneratorError.raisedStopIteration) {
            try await AsyncGenerator<Int> { _ in throw StopIteration() }.next()
        }
        #expect("\(AsyncGeneratorError.raisedStopIteration)".hasPrefix("async generator raised StopIteration"))
        try await onTaskLoop(parks: false) { (_) async throws -> Void in
            await #expect(throws: GeneratorError.raisedStopIteration) {
                try await GeneratorCoroutine<Int> { _ in throw StopIteration(5) }.value
            }
        }
    }

    @Test func r5ACoroutineThatWasNeverAwaitedIsReported() {
        ReportLog.begin()
        _ = Coroutine("neverAwaitedInR5") { 1 }
        let reports = ReportLog.reports(containing: "neverAwaitedInR5")
        #expect(reports.count == 1)
        let expected = PythonText.message("R5").split(separator: "'native'").joined(separator: "'neverAwaitedInR5'")
        #expect(reports.first?.message.hasPrefix(expected) == true)
        #expect(reports.first?.message.contains("RuleTests.swift:") == true)
    }

    @Test func r6WhatIsAwaitable() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            #expect("native coroutine -> \(try await awaitAny(native()))" == PythonText.line("R6a"))
            #expect(
                "types.coroutine generator -> \(try await awaitAny(generatorBased()))" == PythonText.line("R6b"))
            #expect(try await awaitAny(Steps()) is Void)  // Python's None
            await #expect(throws: CoroutineError.notAwaitIterator(type: "Int")) { try await awaitAny(NoSteps()) }
            #expect("\(CoroutineError.notAwaitIterator(type: "Int"))" == PythonText.message("R6d"))
            #expect(try await awaitAny(Task { 3 }) as? Int == 3)
            // Each step lets the others run.
            let journal = SharedJournal<Int>()
            let other = Task(executorPreference: loop.taskExecutor) { () async throws -> Void in
                for n in 0..<3 {
                    journal.note(n)
                    try turn()
                }
            }
            try turn()
            try await Steps(count: 3).value
            journal.note(100)
            try await other.value
            #expect(journal.entries == [0, 1, 2, 100])
        }
    }

    @Test func r8AwaitingSomethingElse() async throws {
        await #expect(throws: CoroutineError.notAwaitable(type: "Int")) { try await awaitAny(7) }
        #expect(await error { try await awaitAny(7) } == PythonText.message("R8"))
    }

    @Test func r9ACoroutineIsNotIterable() async throws {
        let coroutine = native()
        let texts = [
            await error { try iterAny(coroutine) }, await error { try Array(iterAny(coroutine)) },
            await error { try nextAny(coroutine) as Any },
        ]
        #expect(texts.map { "TypeError: \($0)" }.joined(separator: "; ") == PythonText.line("R9"))
        try coroutine.close()
        #expect(try Array(iterAny([1, 2])).count == 2)
        let squares = squares(3)
        #expect(try nextAny(squares) as? Int == 0)
        #expect(try iterAny(squares).map { $0 as? Int } == [1, 4])
    }

    @Test func r10APlainGeneratorDoesNotYieldFromACoroutine() async throws {
        let coroutine = native()
        let plain = Generator<Any> { yield in try yield.fromAny(coroutine) }
        #expect(await error { try plain.next() as Any }.hasPrefix(PythonText.message("R10")))
        try coroutine.close()
        let elements = Generator<Any> { yield in try yield.fromAny([1, 2]) }
        #expect(elements.compactMap { $0 as? Int } == [1, 2])
    }

    @Test func r11AGeneratorBasedCoroutineMay() async throws {
        try await onTaskLoop(parks: false) { (_) async throws -> Void in
            let delegating = GeneratorCoroutine { yield in try yield.from(native()) }
            let value = try await delegating.value
            #expect(
                "types.coroutine generator may yield from a native coroutine -> \(value); asyncio.coroutine there: False"
                    == PythonText.line("R11"))
        }
    }

    @Test func r12ACoroutineIsNoGenerator() throws {
        let coroutine = native()
        let (isOne, makesOne) = (isGenerator(coroutine), isGeneratorFunction(asynchronous))
        #expect(
            "isgenerator \(PythonText.bool(isOne)), isgeneratorfunction \(PythonText.bool(makesOne))"
                == PythonText.line("R12"))
        try coroutine.close()
        let functions = [
            isGeneratorFunction(native), isGeneratorFunction(squares),
            isGeneratorFunction(generatorBased), isGeneratorFunction(ticks),
        ]
        #expect(functions == [false, true, true, false])
        let asyncFunctions = [isAsyncGeneratorFunction(ticks), isAsyncGeneratorFunction(squares)]
        #expect(asyncFunctions == [true, false])
        #expect(isGenerator(squares(1)) && isGenerator(generatorBased()) && !isGenerator(ticks(1)))
        #expect(isAsyncGenerator(ticks(1)) && !isAsyncGenerator(squares(1)))
        let erased: [Any] = [squares, ticks, synchronous, 7]
        #expect(erased.map { isGeneratorFunction($0) } == [true, false, false, false])
        #expect(erased.map { isAsyncGeneratorFunction($0) } == [false, true, false, false])
    }

    @Test func r13TheMatrix() throws {
        let coroutine = native()
        let generator = generatorBased()
        func row(_ values: Bool...) -> String { values.map(PythonText.bool).joined(separator: "/") }
        let line =
            "iscoroutine \(row(isCoroutine(coroutine), isCoroutine(generator))), "
            + "iscoroutinefunction \(row(isCoroutineFunction(native), isCoroutineFunction(generatorBased))), "
            + "isawaitable \(row(isAwaitable(coroutine), isAwaitable(generator), isAwaitable(Steps()), isAwaitable(7))) "
            + "(native/generator-based/__await__/int)"
        #expect(line == PythonText.line("R13"))
        try coroutine.close()
    }

    @Test func r14StatesAndLocals() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let journal = SharedJournal<String>()
            let sum = Coroutine("states", arguments: ["a": 1]) { (this) async throws -> Int in
                this.locals["b"] = 2
                journal.note("\(this.state)")
                _ = try await generatorBased().value
                return 1 + 2
            }
            #expect("\(sum.state) \(PythonText.dictionary(sum.locals))" == PythonText.line("R14 created"))
            let task = try loop.createTask(sum)
            while journal.entries.isEmpty { try turn() }
            #expect(journal.entries == [PythonText.line("R14 running")])
            #expect("\(sum.state) \(PythonText.dictionary(sum.locals))" == PythonText.line("R14 suspended"))
            #expect("\(try await task.value)" == PythonText.line("R14 value"))
            #expect("\(sum.state) \(PythonText.dictionary(sum.locals))" == PythonText.line("R14 closed"))
        }
    }

    @Test func r14OfTheOtherKinds() async throws {
        let squares = Generator<Int>(arguments: ["a": 1]) { yield in
            yield.locals["b"] = 2
            try yield(3)
        }
        #expect("\(squares.state) \(squares.locals.keys.sorted())" == #"GEN_CREATED ["a"]"#)
        _ = try squares.next()
        #expect("\(squares.state) \(squares.locals.keys.sorted())" == #"GEN_SUSPENDED ["a", "b"]"#)
        try squares.close()
        #expect("\(squares.state) \(squares.locals.keys.sorted())" == "GEN_CLOSED []")

        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let ticks = AsyncGenerator<Int>(arguments: ["a": 1]) { yield in
                yield.locals["b"] = 2
                try await yield(3)
            }
            #expect("\(ticks.state) \(PythonText.dictionary(ticks.locals))" == "AGEN_CREATED {'a': 1}")
            _ = try await ticks.next()
            #expect("\(ticks.state) \(PythonText.dictionary(ticks.locals))" == "AGEN_SUSPENDED {'a': 1, 'b': 2}")
            try await ticks.close()
            #expect("\(ticks.state) \(PythonText.dictionary(ticks.locals))" == "AGEN_CLOSED {}")

            let journal = SharedJournal<String>()
            let based = GeneratorCoroutine(arguments: ["a": 1]) { (yield) throws -> Int in
                yield.locals["b"] = 2
                journal.note("begun")
                try yield()
                return 3
            }
            #expect("\(based.state) \(PythonText.dictionary(based.locals))" == "GEN_CREATED {'a': 1}")
            let task = Task(executorPreference: loop.taskExecutor) { try await based.value }
            while journal.entries.isEmpty { try turn() }
            #expect("\(based.state) \(PythonText.dictionary(based.locals))" == "GEN_SUSPENDED {'a': 1, 'b': 2}")
            await #expect(throws: CoroutineError.beingAwaited(coroutine: based.name)) { try await based.value }
            #expect(try await task.value == 3)
            #expect("\(based.state) \(PythonText.dictionary(based.locals))" == "GEN_CLOSED {}")
        }
    }

    @Test func r15ACoroutineRunsOnce() async throws {
        let coroutine = native()
        #expect(try await coroutine.value == 1)
        #expect(await error { try await coroutine.value }.hasPrefix(PythonText.message("R15")))
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let gate = try Future<Int>()
            let slow = Coroutine("slow") { try await gate.value }
            let task = try loop.createTask(slow)
            while slow.state == .created { try turn() }
            await #expect(throws: CoroutineError.beingAwaited(coroutine: "slow")) { try await slow.value }
            try gate.setResult(4)
            #expect(try await task.value == 4)
            let based = generatorBased()
            #expect(try await based.value == 2)
            await #expect(throws: CoroutineError.alreadyAwaited(coroutine: based.name)) { try await based.value }
        }
    }

    struct ValueError: Error {}

    @Test func r16ALostFailureGoesToTheExceptionHandler() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let told = SharedJournal<String>()
            loop.exceptionHandler = { told.note("\($0.message) \($0.error.map { "\($0)" } ?? "")") }
            try loop.createTask(Coroutine("fails") { () async throws -> Int in throw ValueError() })
            while told.entries.isEmpty { try turn() }
            let expected = PythonText.line("R16").split(separator: "ValueError")[0] + "ValueError()"
            #expect(told.entries == [String(expected)])
        }
    }

    @Test func r17Futures() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            let future = try loop.createFuture(of: Int.self)
            let early = await error { try future.result() }
            try future.setResult(1)
            let second = await error { try future.setResult(2) }
            let (one, two) = (try await future.value, try await future.value)
            let messages = PythonText.line("R17").split(separator: "; ").map(String.init)
            #expect(second.hasPrefix(messages[0].split(separator: "Error: ")[1]))
            #expect(early.hasPrefix(messages[1].split(separator: "Error: ")[1]))
            #expect("await a future twice -> \(one), \(two)" == messages[2])
        }
    }
}

// Not static methods: the compiler does not survive references to async ones.
private func asynchronous(_ number: Int) async throws -> Int { number }
private func synchronous(_ number: Int) -> Int { number }
private func squares(_ count: Int) -> Generator<Int> {
    Generator { yield in for n in 0..<count { try yield(n * n) } }
}
private func ticks(_ count: Int) -> AsyncGenerator<Int> {
    AsyncGenerator { yield in for n in 0..<count { try await yield(n) } }
}

private func native() -> Coroutine<Int> { Coroutine { 1 } }

private func generatorBased() -> GeneratorCoroutine<Int> {
    GeneratorCoroutine { yield in
        try yield()
        return 2
    }
}
