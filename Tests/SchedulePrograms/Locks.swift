import SwiftletCoroutines
import SwiftletLoop

extension ScheduleProgram {
    static let locks = [
        ScheduleProgram(name: "Lock") {
            let lock = Lock()
            let region = Region(limit: 1)
            let visit = { try lock.withLock { try region.visit() } }
            try race(
                cancelling: [1, 3],
                [
                    visit, visit, visit, visit,
                    {
                        while !lock.tryAcquire() { try yield() }
                        try region.visit()
                        try lock.release()
                    },
                    {
                        do {
                            try lock.acquire(timeout: .milliseconds(1))
                            try lock.release()
                        } catch is DeadlineExceeded {}
                    },
                ])
            try check(!lock.isHeld, "the lock is held by nobody and locked")
            try check(region.visits >= 3, "somebody never got in")
        },
        ScheduleProgram(name: "RLock") {
            let lock = RLock()
            let region = Region(limit: 1)
            let visit = {
                try lock.withLock {
                    try yield()
                    try lock.withLock { try region.visit() }
                    try region.visit()
                }
            }
            try race(cancelling: [1], [visit, visit, visit])
            try check(!lock.isHeld && region.visits >= 4, "the lock stays locked, or somebody never got in")
        },
        ScheduleProgram(name: "Semaphore") {
            let semaphore = Semaphore(2)
            let region = Region(limit: 2)
            let visit = { try semaphore.withPermit { try region.visit() } }
            try race(cancelling: [0, 3], [visit, visit, visit, visit, visit])
            try check(semaphore.tryAcquire() && semaphore.tryAcquire(), "a permit is lost")
            try check(!semaphore.tryAcquire(), "there is a permit too many")
            try check(region.visits >= 3, "somebody never got in")
        },
        ScheduleProgram(name: "BoundedSemaphore") {
            let semaphore = BoundedSemaphore(1)
            let region = Region(limit: 1)
            let visit = { try semaphore.withPermit { try region.visit() } }
            try race(cancelling: [2], [visit, visit, visit, visit])
            try check(semaphore.tryAcquire(), "the permit is lost")
            try semaphore.release()
            try check(region.visits >= 3, "somebody never got in")
        },
        ScheduleProgram(name: "CapacityLimiter") {
            let limiter = CapacityLimiter(totalTokens: 1)
            let region = Region(limit: 2)
            let visit = { try limiter.withToken { try region.visit() } }
            try race(
                cancelling: [1],
                [
                    visit, visit, visit, visit,
                    {
                        try yield()
                        limiter.totalTokens = 2
                    },
                ])
            try check(limiter.borrowedTokens == 0 && limiter.availableTokens == 2, "a token is lost")
            try check(region.visits >= 3, "somebody never got in")
        },
        ScheduleProgram(name: "Condition") {
            let condition = Condition()
            var items = 0
            var taken = 0
            let take = {
                try condition.withLock {
                    do {
                        while items == 0 { _ = try condition.wait() }
                    } catch {
                        // A wake-up that came to who leaves is passed on.
                        if items > 0 { try condition.notify() }
                        throw error
                    }
                    items -= 1
                    taken += 1
                }
            }
            let give = {
                for _ in 0..<2 {
                    try condition.withLock {
                        items += 1
                        try condition.notify()
                    }
                    try yield()
                }
            }
            // Four items, of which the one who is cancelled takes one or none.
            try race(cancelling: [0], [take, take, take, take, give, give])
            try check(items + taken == 4 && taken >= 3, "\(taken) were taken and \(items) are left of 4")
        },
    ]
}
