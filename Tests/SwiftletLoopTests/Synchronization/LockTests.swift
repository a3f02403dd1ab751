import Swiftlet
import TestSupport
import Testing

/// Lock, RLock, Semaphore, BoundedSemaphore, CapacityLimiter: order, misuse, statistics.
@Suite struct LockTests {
    @Test func lockKeepsOthersOutAndServesInOrder() async throws {
        try await onLoop { () throws -> Void in
            let lock = Lock()
            let journal = Journal<Int>()
            let inside = Box(0)
            let fibers = (0..<10).map { n in
                spawn {
                    try lock.withLock {
                        inside.value += 1
                        #expect(inside.value == 1)
                        try yield()
                        journal.note(n)
                        inside.value -= 1
                    }
                }
            }
            try yield()
            #expect(lock.isHeld && !lock.tryAcquire())
            #expect(lock.statistics.waiting == 9)
            try joinAll(fibers, rethrowing: true)
            #expect(journal.entries == Array(0..<10))
            let statistics = lock.statistics
            #expect(statistics.waiting == 0 && statistics.holders == 0)
            #expect(statistics.acquisitions == 10 && statistics.waits == 9)
        }
    }

    @Test func misuseIsAnErrorThatSaysWhatToDo() async throws {
        try await onLoop { () throws -> Void in
            let lock = Lock()
            #expect(throws: LockError.notHeld) { try lock.release() }
            try lock.acquire()
            #expect(throws: LockError.alreadyHeld) { try lock.acquire() }
            let other = spawn { try lock.release() }
            #expect(throws: LockError.notHeld) { try other.get() }
            try lock.release()
            #expect(!lock.isHeld)
            #expect("\(LockError.alreadyHeld)".contains("RLock") && "\(LockError.notHeld)".contains("withLock"))
            // A body that throws, or released the lock itself.
            #expect(throws: Failure(1)) { try lock.withLock { throw Failure(1) } }
            #expect(throws: LockError.notHeld) { try lock.withLock { try lock.release() } }
            #expect(!lock.isHeld)
        }
    }

    @Test func rlockIsFreeWhenReleasedAsOften() async throws {
        try await onLoop { () throws -> Void in
            let lock = RLock()
            try lock.acquire()
            try lock.withLock { try lock.withLock {} }
            let other = spawn { try lock.withLock { 1 } }
            try yield()
            #expect(lock.statistics.waiting == 1)
            try lock.release()
            #expect(try other.get() == 1)
            #expect(throws: LockError.notHeld) { try lock.release() }
        }
    }

    @Test func timeoutsAndCancellationLeaveNoTrace() async throws {
        try await onLoop { () throws -> Void in
            let lock = Lock()
            try lock.acquire()
            let late = spawn { try lock.acquire(timeout: .milliseconds(1)) }
            let cancelled = spawn { try lock.acquire() }
            let scoped = spawn { try withTimeout(.milliseconds(1)) { try lock.acquire() } }
            let next = spawn { try lock.withLock { 7 } }
            try yield()
            cancelled.cancel()
            #expect(throws: DeadlineExceeded.self) { try late.get() }
            #expect(throws: CancellationError.self) { try cancelled.get() }
            #expect(throws: DeadlineExceeded.self) { try scoped.get() }
            #expect(lock.statistics.waiting == 1)
            try lock.release()
            #expect(try next.get() == 7)
            // What is free is had, cancelled or not.
            try withCancelScope { scope in
                scope.cancel()
                try lock.withLock {}
            }
        }
    }

    @Test func aDummySemaphoreHoldsNobodyUp() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let none = DummySemaphore()
            try withCancelScope { scope in
                scope.cancel()  // as with a permit that is free
                for _ in 0..<100 { none.acquire(timeout: .zero) }
            }
            #expect(none.tryAcquire())
            none.release()
            #expect(none.withPermit { none.withPermit { 5 } } == 5)
            #expect(throws: Failure(1)) { try none.withPermit { throw Failure(1) } }
        }
        #expect(await DummySemaphore().withPermit { () async -> Int in 6 } == 6)
    }

    @Test func aGrantGoesPastThoseWhoWereCancelledInTheSameTurn() async throws {
        try await onLoop { () throws -> Void in
            let semaphore = Semaphore(0)
            let first = spawn { try semaphore.acquire() }
            let second = spawn { try semaphore.acquire() }
            try yield()
            first.cancel()  // before the grant: the next one has it
            semaphore.release()
            try second.join(timeout: .seconds(20))
            #expect(first.error is CancellationError && second.isSuccessful)
            let third = spawn { try semaphore.acquire() }
            try yield()
            semaphore.release()
            third.cancel()  // after it: the grant stands
            try third.join()
            #expect(third.isSuccessful && semaphore.availablePermits == 0)
        }
    }

    @Test func semaphoreLimitsAndBoundedSemaphoreCounts() async throws {
        try await onLoop { () throws -> Void in
            let semaphore = Semaphore(3)
            let inside = Box((now: 0, most: 0))
            try joinAll(
                (0..<20).map { _ in
                    spawn {
                        try semaphore.withPermit {
                            inside.value.now += 1
                            inside.value.most = max(inside.value.most, inside.value.now)
                            try yield()
                            inside.value.now -= 1
                        }
                    }
                }, rethrowing: true)
            #expect(inside.value.most == 3 && semaphore.availablePermits == 3)
            semaphore.release(2)
            #expect(semaphore.availablePermits == 5)
            let bounded = BoundedSemaphore(1)
            try bounded.acquire()
            #expect(!bounded.tryAcquire())
            #expect(bounded.statistics.holders == 1)
            try bounded.release()
            #expect(throws: SemaphoreError.releasedTooOften(limit: 1)) { try bounded.release() }
        }
    }

    @Test func limiterKnowsItsBorrowers() async throws {
        try await onLoop { () throws -> Void in
            let limiter = CapacityLimiter(totalTokens: 1)
            try limiter.acquire()
            #expect(throws: CapacityLimiterError.alreadyBorrowing) { try limiter.acquire() }
            let other = spawn { try limiter.withToken { limiter.borrowedTokens } }
            try yield()
            #expect(limiter.statistics.waiting == 1 && limiter.availableTokens == 0)
            limiter.totalTokens = 2
            #expect(try other.get() == 2)
            limiter.totalTokens = 0
            try limiter.release()
            #expect(throws: CapacityLimiterError.notBorrowing) { try limiter.release() }
            #expect(!limiter.tryAcquire())
        }
    }

    @Test func aBorrowerWaitsOnce() async throws {
        try await onLoop { () throws -> Void in
            let limiter = CapacityLimiter(totalTokens: 0)
            let borrower = Tally()
            let waiting = spawn { try limiter.acquire(onBehalfOf: borrower) }
            try yield()
            let refused = CapacityLimiterError.alreadyWaiting
            #expect(throws: refused) { try limiter.acquire(onBehalfOf: borrower) }
            // With a limit the lock is let go in between.
            #expect(throws: refused) { try limiter.acquire(onBehalfOf: borrower, timeout: .seconds(50)) }
            #expect(refused.description.contains("acquire(onBehalfOf:) with an object of its own"))
            #expect(!limiter.tryAcquire(onBehalfOf: borrower))
            limiter.totalTokens = 1
            try waiting.join()
            #expect(limiter.borrowedTokens == 1)
            #expect(throws: CapacityLimiterError.alreadyBorrowing) { try limiter.acquire(onBehalfOf: borrower) }
            try limiter.release(onBehalfOf: borrower)
            // One that has stopped waiting, however, may wait again.
            limiter.totalTokens = 0
            #expect(throws: DeadlineExceeded.self) {
                try limiter.acquire(onBehalfOf: borrower, timeout: .milliseconds(1))
            }
            let cancelled = spawn { try limiter.acquire(onBehalfOf: borrower) }
            try yield()
            cancelled.cancel()
            try cancelled.join()
            let last = spawn { try limiter.acquire(onBehalfOf: borrower) }
            try yield()
            limiter.totalTokens = 1
            try last.get()
            try limiter.release(onBehalfOf: borrower)
        }
    }
}
