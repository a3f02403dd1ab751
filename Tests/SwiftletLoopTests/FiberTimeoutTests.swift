import Swiftlet
import TestSupport
import Testing

/// Timeouts that stand free, and their silent form.
@Suite struct TimeoutTests {
    @Test func theInnerOneIsToldFromTheOuter() async throws {
        try await onLoop { () throws -> Void in
            let outer = try FiberTimeout.start(.seconds(50))
            defer { outer.cancel() }
            let inner = try FiberTimeout.start(.milliseconds(5))
            #expect(outer.isPending && inner.isPending)
            do {
                try sleep(.seconds(100))
                Issue.record("not interrupted")
            } catch let error as FiberTimeout {
                #expect(error === inner)
            }
            #expect(outer.isPending && !inner.isPending)
            inner.cancel()
            try yield()  // it throws once
        }
    }

    @Test func theOuterOnePassesThroughTheInner() async throws {
        try await onLoop { () throws -> Void in
            let outer = try FiberTimeout.start(.milliseconds(5))
            do {
                let inner = try FiberTimeout.start(.seconds(50))
                defer { inner.cancel() }
                do {
                    try sleep(.seconds(100))
                } catch let error as FiberTimeout where error === inner {
                    Issue.record("the wrong one")
                }
                Issue.record("swallowed")
            } catch let error as FiberTimeout {
                #expect(error === outer)
            }
            outer.cancel()
        }
    }

    @Test func aCancelledOneNeverFires() async throws {
        try await onLoop { () throws -> Void in
            for _ in 0..<1_000 {
                let timeout = try FiberTimeout.start(.milliseconds(2))
                timeout.cancel()
                timeout.cancel()
            }
            let fired = try FiberTimeout.start(.zero)
            // Its time has come, but nobody waits: what it would throw is withdrawn.
            let blocker = spawn { try sleep(.milliseconds(1)) }
            _ = try shielded { try blocker.join() }
            #expect(!fired.isPending)
            fired.cancel()
            try sleep(.milliseconds(5))
            #expect(try EventLoop.current.statistics.timers < 200)
        }
    }

    @Test func itCanBeStartedAgainAndThrowsWhatItIsTold() async throws {
        try await onLoop { () throws -> Void in
            let timeout = FiberTimeout(.milliseconds(2), throwing: Failure(8))
            for _ in 0..<3 {
                try timeout.start()
                #expect(throws: FiberTimeoutError.alreadyStarted) { try timeout.start() }
                #expect(throws: Failure(8)) { try sleep(.seconds(100)) }
                timeout.cancel()
            }
            let never = try FiberTimeout.start(nil)
            #expect(!never.isPending)
            try yield()
            never.cancel()
        }
        #expect(throws: FiberTimeoutError.outsideFiber) { try FiberTimeout.start(.seconds(1)) }
    }

    @Test func aLoopThatOnlyYieldsIsInterrupted() async throws {
        try await onLoop { () throws -> Void in
            let (own, other) = (Tally(), Tally())
            let sibling = spawn {
                while true {
                    other.add()
                    try sleep(.zero)
                }
            }
            let timeout = try FiberTimeout.start(.milliseconds(10))
            #expect(throws: FiberTimeout.self) {
                while true {
                    own.add()
                    try sleep(.zero)
                }
            }
            timeout.cancel()
            #expect(own.count > 0 && abs(own.count - other.count) <= 1)  // they took turns, however many
            #expect(throws: DeadlineExceeded.self) { try withTimeout(.milliseconds(10)) { while true { try yield() } } }
            try sibling.kill()
        }
    }

    @Test func sleepOfZeroAlternates() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fibers = (1...2).map { n in
                spawn {
                    journal.note("\(n)A")
                    try sleep(.zero)
                    journal.note("\(n)B")
                }
            }
            try joinAll(fibers)
            #expect(journal.entries == ["1A", "2A", "1B", "2B"])
        }
    }

    @Test func aDefaultInsteadOfAnError() async throws {
        try await onLoop { () throws -> Void in
            #expect(
                try withTimeout(.milliseconds(2), default: "late") {
                    try sleep(.seconds(100))
                    return "done"
                } == "late")
            #expect(
                try withTimeout(.seconds(50), default: "late") {
                    try yield()
                    return "done"
                } == "done")
            try withTimeout(.milliseconds(2), default: ()) { try sleep(.seconds(100)) }
            // The error of a timeout inside is not this one's.
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.seconds(50), default: ()) {
                    try withTimeout(.milliseconds(2)) { try sleep(.seconds(100)) }
                }
            }
            #expect(throws: Failure(1)) { try withTimeout(.seconds(50), default: ()) { throw Failure(1) } }
        }
    }

    @Test func aDefaultInsteadOfAnErrorInATask() async throws {
        try await onTaskLoop(parks: false) { _ in
            let late = try await withTimeout(.milliseconds(2), default: 1) { () async throws -> Int in
                try await sleep(.seconds(100))
                return 2
            }
            #expect(late == 1)
            await #expect(throws: DeadlineExceeded.self) {
                try await withTimeout(.seconds(50), default: 1) { () async throws -> Int in
                    try await withTimeout(.milliseconds(2)) { try await sleep(.seconds(100)) }
                    return 2
                }
            }
        }
    }
}
