import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

@Suite struct TimeoutTests {
    @Test func withoutAnyTime() async throws {
        try await onLoop { (loop) async throws -> Void in
            let future = try loop.createFuture(of: Int.self)
            try future.setResult(1)
            #expect(try await waitFor(future, timeout: .zero) == 1)
            let begun = Tally()
            await #expect(throws: DeadlineExceeded.self) {
                try await waitFor(Coroutine { () async -> Void in begun.add() }, timeout: .zero)
            }
            #expect(begun.count == 0)
            #expect(try await waitFor(Coroutine { 2 }, timeout: nil) == 2)
            #expect(try await waitFor(Coroutine { 3 }, timeout: .seconds(100)) == 3)
        }
    }

    @Test func aCancellationIsNotSwallowed() async throws {
        try await onLoop { (loop) async throws -> Void in
            for completesFirst in [true, false] {
                let inner = try loop.createFuture(of: Int.self)
                let outer = try loop.createTask(Coroutine { try await waitFor(inner, timeout: .seconds(100)) })
                await turns()
                if completesFirst { try inner.setResult(1) }
                outer.cancel()
                if !completesFirst, !inner.isDone { try inner.setResult(1) }
                await #expect(throws: CancellationError.self) { try await outer.value }
                #expect(outer.isCancelled)
                // The result is not lost: it is where it was put.
                if completesFirst { #expect(try inner.result() == 1) } else { #expect(inner.isCancelled) }
            }
        }
    }

    @Test func whatIsAwaitedMayFinishItsWork() async throws {
        try await onSimulatedLoop { (_) async throws -> Void in
            #expect(
                try await waitFor(
                    Coroutine { () async throws -> Int in
                        do { try await sleep(.seconds(100)) } catch is CancellationError { return 7 }
                        return 0
                    }, timeout: .milliseconds(2)) == 7)
            #expect(simulatedTime == .milliseconds(2))
        }
        try await onLoop { (loop) async throws -> Void in
            let cleanedUp = Tally()
            let time = await elapsed {
                await #expect(throws: DeadlineExceeded.self) {
                    try await waitFor(
                        Coroutine { () async throws -> Void in
                            do { try await sleep(.seconds(100)) } catch {
                                try await shield(Coroutine { try await Task.detached { try parkFor(50) }.value })
                                throw error
                            }
                        }, timeout: .milliseconds(2))
                }
            }
            _ = cleanedUp
            #expect(time < .seconds(50))
            while !loop.allTasks.isEmpty { try await sleep(.milliseconds(1)) }

            let slow = try loop.createTask(
                Coroutine { () async throws -> Void in
                    do { try await sleep(.seconds(100)) } catch {
                        try shielded { try parkFor(50) }
                        cleanedUp.add()
                        throw error
                    }
                })
            await turns()  // it has begun
            await #expect(throws: DeadlineExceeded.self) { try await waitFor(slow, timeout: .milliseconds(2)) }
            #expect(cleanedUp.count == 1 && slow.isDone)
        }
    }

    @Test func rescheduling() async throws {
        try await onLoop { (loop) async throws -> Void in
            let value = try await withTimeout(.milliseconds(10)) { timeout in
                try timeout.reschedule(.after(.seconds(100)))
                #expect(timeout.when! > .after(.seconds(50)))
                try await sleep(.milliseconds(30))
                #expect(!timeout.hasExpired)
                return 4
            }
            #expect(value == 4)
            await #expect(throws: DeadlineExceeded.self) {
                try await withTimeout(nil) { timeout in
                    #expect(timeout.when == nil)
                    try timeout.reschedule(.after(.milliseconds(2)))
                    try await sleep(.seconds(100))
                }
            }
            await #expect(throws: Failure(1)) {
                try await withTimeout(.seconds(100)) { _ in throw Failure(1) }
            }
            await turns()
        }
    }
}
