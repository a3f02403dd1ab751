import Swiftlet
import TestSupport
import Testing

/// Event, Condition, Barrier.
@Suite struct EventTests {
    @Test func setAndClearedInOneTurnWakesAll() async throws {
        try await onLoop { () throws -> Void in
            let event = Event()
            let fibers = (0..<1_000).map { _ in spawn { try event.wait() } }
            try yield()
            #expect(event.statistics.waiting == 1_000)
            event.set()
            event.clear()
            #expect(try joinAll(fibers).allSatisfy { $0.value == true })
            #expect(try event.wait(timeout: .milliseconds(1)) == false)
            event.set()
            #expect(try event.wait() && event.isSet)
        }
    }

    @Test func aConditionReleasesItsLockWhileItWaits() async throws {
        try await onLoop { () throws -> Void in
            let condition = Condition(lock: RLock())
            let items = Box<[Int]>([])
            let takers = (0..<3).map { _ in
                spawn {
                    try condition.withLock {
                        try condition.withLock {
                            try condition.wait { !items.value.isEmpty }
                            return items.value.removeFirst()
                        }
                    }
                }
            }
            try yield()
            for n in 0..<3 {
                try condition.withLock {
                    items.value.append(n)
                    try condition.notify()
                }
            }
            #expect(try takers.map { try $0.get() } == [0, 1, 2])
            #expect(!condition.lock.isHeld)
        }
    }

    @Test func aConditionIsUsedWithItsLockHeld() async throws {
        try await onLoop { () throws -> Void in
            let condition = Condition()
            #expect(throws: LockError.notHeld) { try condition.wait() }
            #expect(throws: LockError.notHeld) { try condition.notifyAll() }
            try condition.lock.acquire()
            #expect(try condition.wait(timeout: .milliseconds(1)) == false)
            let isSo = try condition.wait(timeout: .milliseconds(1)) { false }
            #expect(!isSo)
            try condition.lock.release()
        }
    }

    @Test func aConditionIsHeldAgainWhenItsWaitIsCancelled() async throws {
        try await onLoop { () throws -> Void in
            let condition = Condition()
            let wasHeld = Box(false)
            let cancelled = spawn { try Self.wait(condition, wasHeld) }
            try yield()
            try condition.lock.acquire()
            cancelled.cancel()
            try yield()
            #expect(!cancelled.isFinished)  // it waits for the lock
            try condition.lock.release()
            #expect(throws: CancellationError.self) { try cancelled.get() }
            #expect(wasHeld.value && !condition.lock.isHeld)
        }
    }

    private static func wait(_ condition: Condition, _ wasHeld: Box<Bool>) throws {
        try condition.lock.acquire()
        let result = Result { try condition.wait() }
        try condition.lock.release()  // throws if it is not held
        wasHeld.value = true
        _ = try result.get()
    }

    @Test func aBarrierOpensForAllAtOnceAndAgain() async throws {
        try await onLoop { () throws -> Void in
            let barrier = Barrier(parties: 3)
            for _ in 0..<3 {
                let fibers = (0..<3).map { _ in spawn { try barrier.wait() } }
                #expect(try fibers.map { try $0.get() } == [2, 1, 0])
            }
            let leaver = spawn { try barrier.wait() }
            let stayer = spawn { try barrier.wait() }
            try yield()
            leaver.cancel()
            let third = spawn { try barrier.wait(timeout: .milliseconds(1)) }
            #expect(throws: DeadlineExceeded.self) { try third.get() }  // two have gone: nobody may pass
            barrier.abort()
            #expect(throws: BrokenBarrierError.self) { try stayer.get() }
            #expect(throws: BrokenBarrierError.self) { try barrier.wait() }
            barrier.reset()
            #expect(!barrier.isBroken && barrier.statistics.acquisitions == 9)
        }
    }
}
