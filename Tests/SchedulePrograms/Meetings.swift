import SwiftletCoroutines
import SwiftletLoop

/// Where one waits for what another one says or does.
extension ScheduleProgram {
    static let meetings = [
        ScheduleProgram(name: "Event") {
            let event = Event()
            var woken = 0
            let wait = {
                if try event.wait() { woken += 1 }
            }
            try race(
                cancelling: [0],
                [
                    wait, wait, wait,
                    {
                        try yield()
                        event.set()
                        // Who waited is woken, though the event is not set any more when it comes to run.
                        event.clear()
                        try yield()
                        event.set()
                    },
                    { _ = try event.wait(timeout: .milliseconds(1)) },
                ])
            try check(woken >= 2, "only \(woken) were woken")
        },
        ScheduleProgram(name: "Barrier") {
            let barrier = Barrier(parties: 3)
            var (rounds, places): ([Int], [Int]) = ([0, 0, 0], [])
            let come = { (number: Int) in
                for round in 1...2 {
                    places.append(try barrier.wait())
                    rounds[number] = round
                    try check(rounds.allSatisfy { $0 >= round - 1 }, "somebody went on alone: \(rounds)")
                }
            }
            try race([{ try come(0) }, { try come(1) }, { try come(2) }])
            try check(places.sorted() == [0, 0, 1, 1, 2, 2], "the places were \(places)")
        },
        ScheduleProgram(name: "Barrier, one is cancelled") {
            let barrier = Barrier(parties: 2)
            var passed = 0
            let come = {
                do {
                    _ = try barrier.wait()
                    passed += 1
                } catch is BrokenBarrierError {}
            }
            let last = spawn {
                try yield()
                try yield()
                barrier.abort()
            }
            try race(cancelling: [0], [come, come, come])
            try last.join()
            try check(passed % 2 == 0 && passed <= 2, "\(passed) passed a barrier of 2")
        },
        ScheduleProgram(name: "AsyncResult") {
            let result = AsyncResult<Int>()
            var (seen, told): ([Int], Int) = ([], 0)
            let get = { seen.append(try result.get()) }
            nonisolated(unsafe) let count: () -> Void = { told += 1 }
            _ = result.rawLink { _ in count() }
            let taken = result.rawLink { _ in count() }
            var wins = 0
            let set = { (number: Int) in
                try yield()
                if result.trySet(.success(number)) { wins += 1 }
            }
            try race(
                cancelling: [1],
                [
                    get, get, get, { try set(1) }, { try set(2) }, { result.unlink(taken) },
                    { _ = try result.wait(timeout: .milliseconds(1)) },
                ])
            try check(
                wins == 1 && Set(seen).count == 1 && seen.count >= 2, "\(wins) have set it, and \(seen) were seen")
            try check(told >= 1 && told <= 2, "\(told) links were called")
        },
        ScheduleProgram(name: "Waiter") {
            let waiter = Waiter<Int>()
            var seen: [Int] = []
            let wait = { seen.append(try waiter.wait()!) }
            try race(
                cancelling: [2],
                [
                    wait, wait, wait, { waiter.resume(returning: 1) }, { waiter.resume(returning: 2) },
                    { if let value = try waiter.wait(until: .after(.milliseconds(1))) { seen.append(value) } },
                ])
            try check(Set(seen).count == 1 && seen.count >= 2, "\(seen) were seen")
        },
        ScheduleProgram(name: "Fiber") {
            var unwound = 0
            let working = spawn { () throws -> Int in
                defer { unwound += 1 }
                for _ in 0..<2 { try yield() }
                return 7
            }
            let waiting = spawn { () throws -> Void in
                defer { unwound += 1 }
                try sleep(.seconds(5))
            }
            var values: [Int] = []
            try race(
                cancelling: [1],
                [
                    { values.append(try working.get()) }, { values.append(try working.get()) },
                    { try waiting.kill() }, { _ = try waiting.join() },
                    { _ = try joinAll([working, waiting], timeout: .seconds(9)) },
                ])
            try check(
                values.allSatisfy { $0 == 7 } && !values.isEmpty && waiting.wasKilled, "the values were \(values)")
            try check(unwound >= 1, "a stack was not unwound")
        },
    ]
}
