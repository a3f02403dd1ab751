import CSwiftlet
import Swiftlet
import TestSupport
import Testing

private enum Context {
    @TaskLocal static var number = 0
    @TaskLocal static var witness: SendableWitness?
}

/// Task-local values go along to what begins where they are bound (case 47).
@Suite struct TaskLocalTests {
    @Test func fibersBeginWithThoseOfTheirSpawner() async throws {
        try await onLoop { () throws -> Void in
            let loop = try EventLoop.current
            let (fiber, sized) = Context.$number.withValue(1) {
                (spawn { try nested() }, spawn(stackSize: 1 << 20) { try nested() })
            }
            let foreign = try toThread { Context.$number.withValue(2) { loop.spawn { Context.number } } }
            let before = spawn { Context.number }
            #expect(Context.number == 0)
            #expect(try fiber.get() == [1, 5, 1, 5, 6, 1, 1, 1, 7, 1])
            #expect(try sized.get() == [1, 5, 1, 5, 6, 1, 1, 1, 7, 1])
            #expect(try foreign.get() == 2)
            #expect(try before.get() == 0)
            #expect(Context.number == 0)
            // A stack that is used again has none of the fiber before.
            #expect(try (0..<10).map { _ in try spawn { Context.number }.get() } == Array(repeating: 0, count: 10))
        }
    }

    /// What is seen at the begin, in a region, in fibers and threads of it, and after it.
    private func nested() throws -> [Int] {
        var seen = [Context.number]
        try yield()
        try Context.$number.withValue(5) {
            seen.append(Context.number)
            let child = spawn { () throws -> (Int, Int) in
                try yield()
                let own = Context.number
                try Context.$number.withValue(6) { try yield() }
                return (own, Context.$number.withValue(6) { Context.number })
            }
            Context.$number.withValue(1) { seen.append(Context.number) }
            let (own, changed) = try child.get()
            seen += [own, changed]
        }
        seen.append(Context.number)
        // Shared with the fiber that it came from, since nothing was bound in between.
        seen.append(try spawn { try spawn { Context.number }.get() }.get())
        seen.append(try toThread { Context.number })
        seen.append(
            try blockOn { () async throws -> Int in
                await Context.$number.withValue(7) { await Task { Context.number }.value }
            })
        seen.append(Context.number)
        return seen
    }

    @Test func fibersAndThreadsOfATask() async throws {
        try await onTaskLoop { (_) async throws -> Void in
            try await Context.$number.withValue(3) { () async throws -> Void in
                func inFiber() throws -> [Int] {
                    let fiber = spawn { () throws -> [Int] in
                        let changed = Context.$number.withValue(4) { Context.number }
                        let isInTask = withUnsafeCurrentTask { $0 != nil }
                        return [Context.number, changed, isInTask ? 1 : 0]
                    }
                    return try fiber.get()
                }
                #expect(try inFiber() == [3, 4, 0])
                let pool = ThreadPool(size: 1)
                func inPool() throws -> Int { try pool.spawn { Context.number }.get() }
                #expect(try inPool() == 3)
                #expect(try await pool.apply { Context.number } == 3)
                #expect(try await toThread { Context.$number.withValue(8) { Context.number } } == 8)
                async let child = Context.number
                #expect(await child == 3)
                #expect(Context.number == 3)
                #expect(withUnsafeCurrentTask { $0 != nil })
            }
        }
    }

    @Test func greenletsAndGenerators() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let greenlet = Context.$number.withValue(9) {
                Greenlet<Int> { first in
                    let second = try Context.$number.withValue(first) { () throws -> Int in
                        try AnyGreenletHome.back(Context.number)
                        return Context.number
                    }
                    return 100 * second + Context.number
                }
            }
            AnyGreenletHome.main = Greenlet<Int>.current
            #expect(try greenlet.switch(20) == 20)
            #expect(Context.number == 0)
            #expect(try greenlet.switch(0) == 2009)
            #expect(Context.number == 0)
            AnyGreenletHome.main = nil
            // A generator sees those of who resumes it.
            let generator = Generator<Int> { yield in while true { try yield(Context.number) } }
            #expect(try generator.next() == 0)
            #expect(try Context.$number.withValue(2) { try generator.next() } == 2)
        }
    }

    @Test func valuesLiveAsLongAsTheyMayBeSeen() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            let gate = Waiter<Void>()
            func begin() -> (Fiber<Void>, Fiber<Void>) {
                Context.$witness.withValue(SendableWitness(tally)) {
                    (
                        spawn {
                            _ = try gate.wait()
                            #expect(Context.witness != nil)
                        }, spawn {}
                    )
                }
            }
            let (waiting, unstarted) = begin()
            unstarted.cancel()
            try yield()
            try yield()
            #expect(tally.count == 0)
            gate.resume(returning: ())
            try waiting.join()
            #expect(unstarted.isFinished && tally.count == 1)  // though the fibers are kept
            withExtendedLifetime((waiting, unstarted)) {}
            // Freed in the middle of a task, whose own stay.
            let seen = try blockOn { () async throws -> Int in
                await Context.$number.withValue(4) { () async -> Int in
                    func spawnAndDrop() { Context.$witness.withValue(SendableWitness(tally)) { spawn {}.cancel() } }
                    spawnAndDrop()
                    await Task.yield()
                    return Context.number
                }
            }
            try yield()
            #expect(seen == 4 && tally.count == 2)
        }
    }
}

private enum AnyGreenletHome {
    nonisolated(unsafe) static var main: Greenlet<Int>?

    static func back(_ value: Int) throws { _ = try main!.switch(value) }
}
