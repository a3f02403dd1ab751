import SwiftletCoroutines
import TestSupport
import Testing

typealias Echo = BidirectionalGenerator<Int, Int, String>

/// Yields what it was sent, doubled, until a negative number comes.
func makeEcho() -> Echo {
    Echo { yield in
        var sent = try yield(0)
        while sent >= 0 { sent = try yield(2 * sent) }
        return "ended by \(sent)"
    }
}

@Suite struct GeneratorTests {
    /// C7: with generators somebody has to go round; twenty greenlets do it in `GreenletTests.roundRobinOfTwenty`.
    @Test func roundRobinOfTwenty() throws {
        var order: [Int] = []
        var live = (0..<20).map { number in
            Generator<Int> { yield in for round in 0..<50 { try yield(number + 100 * round) } }
        }
        while !live.isEmpty {
            var going: [Generator<Int>] = []
            for generator in live {
                guard let value = try generator.next() else { continue }
                order.append(value)
                going.append(generator)
            }
            live = going
        }
        #expect(order == (0..<50).flatMap { round in (0..<20).map { $0 + 100 * round } })
    }

    @Test func nothingRunsBeforeTheFirstElement() throws {
        var hasRun = false
        let generator = Generator<Int> { yield in
            hasRun = true
            try yield(1)
        }
        #expect(!hasRun)
        #expect(generator.state == .created)
        #expect(try generator.next() == 1)
        #expect(hasRun)
    }

    @Test func elementsComeInOrderAndThenNil() throws {
        let generator = Generator<Int> { yield in for n in 0..<5 { try yield(n) } }
        #expect(Array(generator) == [0, 1, 2, 3, 4])
        #expect(try generator.next() == nil)
        #expect(try generator.next() == nil)
    }

    @Test func statesAreTold() throws {
        final class Box {
            var generator: Generator<Int>?
            var seen: GeneratorState?
        }
        let box = Box()
        box.generator = Generator<Int> { yield in
            box.seen = box.generator?.state
            try yield(1)
        }
        let generator = box.generator!
        #expect(generator.state == .created)
        _ = try generator.next()
        #expect(box.seen == .running)
        #expect(generator.state == .suspended)
        _ = try generator.next()
        #expect(generator.state == .closed)
        box.generator = nil
    }

    @Test func sendIsWhatYieldReturns() throws {
        let echo = makeEcho()
        #expect(try echo.start() == 0)
        #expect(try echo.send(4) == 8)
        #expect(try echo.send(5) == 10)
        #expect(echo.outcome == nil)
        #expect(try echo.send(-1) == nil)
        #expect(try echo.outcome?.get() == "ended by -1")
        #expect(try echo.send(7) == nil)
    }

    @Test func misuseIsToldApart() throws {
        let echo = makeEcho()
        #expect(throws: GeneratorError.sendBeforeStart) { try echo.send(1) }
        _ = try echo.start()
        #expect(throws: GeneratorError.alreadyStarted) { try echo.start() }
        #expect(try echo.send(1) == 2)  // unharmed
    }

    @Test func reentryIsRefused() throws {
        final class Box {
            var generator: Generator<Int>?
            var errors: [any Error] = []
        }
        let box = Box()
        box.generator = Generator<Int> { yield in
            for attempt in [
                { _ = try box.generator!.next() }, { try box.generator!.close() },
                { _ = try box.generator!.throw(Failure()) },
            ] {
                do { try attempt() } catch { box.errors.append(error) }
            }
            try yield(1)
            try yield(2)
        }
        #expect(Array(box.generator!) == [1, 2])
        #expect(box.errors.map { $0 as? GeneratorError } == Array(repeating: .alreadyExecuting, count: 3))
        box.generator = nil
    }

    @Test func anErrorOfTheBodyComesOutOnce() throws {
        let generator = Generator<Int> { yield in
            try yield(1)
            throw Failure(3)
        }
        #expect(try generator.next() == 1)
        #expect(throws: Failure(3)) { try generator.next() }
        #expect(generator.state == .closed)
        #expect(throws: Failure(3)) { try generator.outcome?.get() }
        #expect(try generator.next() == nil)
    }

    @Test func forKeepsTheError() {
        let generator = Generator<Int> { yield in
            try yield(1)
            throw Failure(4)
        }
        #expect(Array(generator) == [1])
        #expect(generator.failure as? Failure == Failure(4))
    }

    @Test func breakLeavesTheRest() throws {
        let generator = Generator<Int> { yield in for n in 0... { try yield(n) } }
        for n in generator where n == 3 { break }
        #expect(generator.state == .suspended)
        #expect(try generator.next() == 4)
        #expect(Array(generator.prefix(3)) == [5, 6, 7])
    }

    @Test func yieldWorksAtAnyDepth() throws {
        func walk(_ depth: Int, _ yield: Yielder<Int, Void>) throws {
            if depth == 0 { return }
            try walk(depth - 1, yield)
            try yield(depth)
            try walk(depth - 1, yield)
        }
        let generator = Generator<Int> { yield in try walk(4, yield) }
        #expect(Array(generator) == [1, 2, 1, 3, 1, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1])
    }

    @Test func voidElementsNeedNoArgument() throws {
        let ticks = Generator<Void> { yield in
            try yield()
            try yield()
        }
        #expect(try ticks.next() != nil)
        #expect(try ticks.next() != nil)
        #expect(try ticks.next() == nil)
    }

    @Test func yieldOutsideTheBodyIsRefused() throws {
        final class Box { var yielder: Yielder<Int, Void>? }
        let box = Box()
        let generator = Generator<Int> { yield in
            box.yielder = yield
            try yield(1)
        }
        _ = try generator.next()
        #expect(throws: GeneratorError.yieldOutsideBody) { try box.yielder?(2) }
        let inner = Generator<Int> { _ in try box.yielder?(3) }
        #expect(throws: GeneratorError.yieldOutsideBody) { try inner.next() }
        #expect(try generator.next() == nil)
        #expect(throws: GeneratorError.yieldOutsideBody) { try box.yielder?(4) }
    }

    @Test func optionalElementsAreElements() throws {
        let generator = Generator<Int?> { yield in
            try yield(nil)
            try yield(2)
        }
        #expect(try generator.next() == .some(nil))
        #expect(try generator.next() == .some(2))
        #expect(try generator.next() == .none)
    }
}
