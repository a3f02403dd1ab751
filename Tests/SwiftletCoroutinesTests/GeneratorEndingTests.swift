import CSwiftlet
import SwiftletCoroutines
import TestSupport
import Testing

/// close, throw, and generators that nobody wants any more.
@Suite struct GeneratorEndingTests {
    @Test func closeUnwindsOnce() throws {
        let tally = Tally()
        let journal = Journal<String>()
        let generator = Generator<Int> { yield in
            let witness = Witness(tally)
            defer { journal.note("defer") }
            do {
                try withExtendedLifetime(witness) { try yield(1) }
            } catch is GeneratorExit {
                journal.note("exit")
                throw GeneratorExit()
            }
        }
        _ = try generator.next()
        try generator.close()
        try generator.close()
        #expect(journal.entries == ["exit", "defer"])
        #expect(tally.count == 1)
        #expect(generator.state == .closed)
        #expect(try generator.next() == nil)
    }

    @Test func closeBeforeStartNeverRunsTheBodyAndReleasesIt() throws {
        let tally = Tally()
        var hasRun = false
        let generator: Generator<Int>
        do {
            let witness = Witness(tally)
            generator = Generator<Int> { _ in
                hasRun = true
                _ = witness
            }
        }
        try generator.close()
        #expect(!hasRun)
        #expect(tally.count == 1)
        #expect(try generator.next() == nil)
    }

    @Test func closingMayReturnInsteadOfThrowing() throws {
        let generator = BidirectionalGenerator<Int, Void, String> { yield in
            do { try yield(1) } catch is GeneratorExit { return "in order" }
            return "not closed"
        }
        _ = try generator.start()
        try generator.close()
        #expect(try generator.outcome?.get() == "in order")
    }

    @Test func anotherErrorWhileClosingComesOut() throws {
        let generator = Generator<Int> { yield in
            do { try yield(1) } catch { throw Failure(9) }
        }
        _ = try generator.next()
        #expect(throws: Failure(9)) { try generator.close() }
    }

    @Test func ignoringExitIsAnErrorAndTheGeneratorCanStillEnd() throws {
        var ignores = 2
        let generator = Generator<Int> { yield in
            while true {
                do {
                    try yield(1)
                } catch is GeneratorExit {
                    if ignores == 0 { return }
                    ignores -= 1
                }
            }
        }
        _ = try generator.next()
        #expect(throws: GeneratorError.ignoredExit) { try generator.close() }
        #expect(generator.state == .suspended)
        try generator.close()
        #expect(generator.state == .closed)
    }

    @Test func throwSurfacesAtTheYield() throws {
        let generator = Generator<Int> { yield in
            do { try yield(1) } catch let failure as Failure { try yield(failure.number) }
        }
        _ = try generator.next()
        #expect(try generator.throw(Failure(6)) == 6)
        #expect(throws: Failure(7)) { try generator.throw(Failure(7)) }
        #expect(generator.state == .closed)
        #expect(throws: Failure(8)) { try generator.throw(Failure(8)) }
    }

    @Test func throwBeforeStartNeverRunsTheBody() throws {
        var hasRun = false
        let generator = Generator<Int> { _ in hasRun = true }
        #expect(throws: Failure(1)) { try generator.throw(Failure(1)) }
        #expect(!hasRun)
        #expect(generator.state == .closed)
        #expect(throws: Failure(1)) { try generator.outcome?.get() }
    }

    @Test func droppingUnwinds() throws {
        let tally = Tally()
        let defers = Tally()
        for _ in 0..<100 {
            let generator = Generator<Int> { yield in
                let witness = Witness(tally)
                defer { defers.add() }
                try withExtendedLifetime(witness) { for n in 0... { try yield(n) } }
            }
            _ = try generator.next()
        }
        #expect(tally.count == 100)
        #expect(defers.count == 100)
    }

    @Test func droppingOneThatNeverStartedReleasesItsBody() {
        let tally = Tally()
        do {
            let witness = Witness(tally)
            _ = Generator<Int> { _ in _ = witness }
        }
        #expect(tally.count == 1)
    }

    @Test func elementsInFlightAreReleased() throws {
        let tally = Tally()
        let generator = BidirectionalGenerator<Witness, Witness, Void> { yield in
            for _ in 0..<3 { _ = try yield(Witness(tally)) }
        }
        _ = try generator.start()
        _ = try generator.send(Witness(tally))
        _ = try generator.send(Witness(tally))
        #expect(try generator.send(Witness(tally)) == nil)
        #expect(try generator.send(Witness(tally)) == nil)  // to an ended one: dropped
        #expect(tally.count == 7)
    }

    @Test func droppedElsewhereUnwindsOnItsOwner() async throws {
        try await onFreshThread { () throws -> Void in
            let tally = Tally()
            let threads = SharedJournal<CInt>()
            nonisolated(unsafe) var generator: Generator<Int>? = Generator<Int> { yield in
                let witness = Witness(tally)
                defer { threads.note(swiftlet_thread_id()) }
                try withExtendedLifetime(witness) { try yield(1) }
            }
            _ = try generator!.next()
            onThreadAndEnd { generator = nil }
            #expect(tally.count == 0)
            // The next coroutine operation of the owner.
            _ = Generator<Int> { _ in }
            #expect(tally.count == 1)
            #expect(threads.entries == [swiftlet_thread_id()])
        }
    }

    @Test func resumingElsewhereIsRefused() async throws {
        try await onFreshThread { () throws -> Void in
            nonisolated(unsafe) let generator = Generator<Int> { yield in for n in 0... { try yield(n) } }
            _ = try generator.next()
            let owner = swiftlet_thread_id()
            let errors = SharedJournal<GeneratorError>()
            onThreadAndEnd {
                do { _ = try generator.next() } catch { errors.note(error as! GeneratorError) }
            }
            guard case .wrongThread(let named)? = errors.entries.first else { return #expect(Bool(false)) }
            #expect(named.kernelID == Int(owner))
            #expect(try generator.next() == 1)
        }
    }

    @Test func theEndOfTheThreadUnwinds() async throws {
        let tally = Tally()
        try await onFreshThread { () throws -> Void in
            nonisolated(unsafe) var survivors: [Generator<Int>] = []
            onThreadAndEnd {
                for _ in 0..<10 {
                    let generator = Generator<Int> { yield in
                        let witness = Witness(tally)
                        try withExtendedLifetime(witness) { for n in 0... { try yield(n) } }
                    }
                    _ = try! generator.next()
                    survivors.append(generator)
                }
            }
            #expect(tally.count == 10)
            #expect(survivors.allSatisfy { $0.state == .closed })
            #expect(throws: (any Error).self) { if try survivors[0].next() == nil { throw Failure() } }
        }
    }
}
