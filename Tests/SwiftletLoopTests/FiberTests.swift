import CSwiftlet
import Swiftlet
import TestSupport
import Testing

@Suite struct FiberTests {
    @Test func nothingRunsBeforeTheSpawnerWaits() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn { journal.note("fiber") }
            journal.note("spawner")
            #expect(!fiber.isStarted && !fiber.isFinished)
            try fiber.join()
            #expect(journal.entries == ["spawner", "fiber"])
            #expect(fiber.isFinished && fiber.isStarted && fiber.isSuccessful)
        }
    }

    @Test func valuesAndErrors() async throws {
        try await onLoop { () throws -> Void in
            let good = spawn { 42 }
            let bad = spawn { () throws -> Int in throw Failure(1) }
            #expect(good.value == nil)
            #expect(try good.get() == 42)
            #expect(good.value == 42)
            #expect(good.error == nil)
            #expect(try bad.join())
            #expect(bad.value == nil)
            #expect(bad.error as? Failure == Failure(1))
            #expect(!bad.isSuccessful && bad.isFinished)
            #expect(throws: Failure(1)) { try bad.get() }
        }
    }

    @Test func yieldingAlternates() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fibers = (1...2).map { n in
                spawn {
                    journal.note("\(n)A")
                    try yield()
                    journal.note("\(n)B")
                }
            }
            try joinAll(fibers)
            #expect(journal.entries == ["1A", "2A", "1B", "2B"])
        }
    }

    @Test func sleepingTakesItsTimeAndOthersGoOn() async throws {
        try await onLoop { () throws -> Void in
            let watch = Stopwatch()
            let time = try elapsed {
                try joinAll((0..<1_000).map { _ in spawn { try sleep(.milliseconds(50)) } })
            }
            #expect(time >= .milliseconds(50) && watch.elapsed < .seconds(2 * Sanitizer.patience))
        }
    }

    @Test func aDelayedFiberStartsLater() async throws {
        try await onLoop { () throws -> Void in
            let start = Deadline.now
            let fiber = spawn(after: .milliseconds(30)) { start.remaining }
            #expect(try fiber.get() <= .milliseconds(-30))
        }
    }

    @Test func namesAndOrigins() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let named = spawn(name: "worker") {}
            let other = spawn {}
            #expect(named.name == "worker")
            #expect(other.name.hasPrefix("fiber at SwiftletLoopTests/FiberTests.swift:"))
            #expect(other.origin.hasPrefix("SwiftletLoopTests/FiberTests.swift:"))
            #expect(named.description.contains("worker"))
            #expect(AnyFiber.current?.name == "main")
        }
    }

    @Test func currentIsTheRunningOne() async throws {
        try await onLoop { () throws -> Void in
            let box = Box<AnyFiber?>(nil)
            let fiber = spawn {
                try yield()
                box.value = AnyFiber.current
                let generator = Generator<Bool> { yield in try yield(AnyFiber.current == box.value) }
                return try generator.next()!
            }
            #expect(try fiber.get())
            #expect(box.value == fiber)
            box.value = nil
        }
        #expect(AnyFiber.current == nil)
    }

    @Test func localsBelongToTheFiber() async throws {
        try await onLoop { () throws -> Void in
            let local = FiberLocal(default: 0)
            let fibers = (1...3).map { n in
                spawn {
                    #expect(local.value == 0)
                    local.value = n
                    try yield()
                    return local.value
                }
            }
            #expect(try fibers.map { try $0.get() } == [1, 2, 3])
            #expect(local.value == 0)
        }
    }

    enum Context { @TaskLocal static var value = 0 }

    @Test func taskLocalsStayOnTheirStack() async throws {
        try await onLoop { () throws -> Void in
            let fibers = (1...5).map { n in
                spawn {
                    try Context.$value.withValue(n) {
                        for _ in 0..<3 {
                            try yield()
                            #expect(Context.value == n)
                            try Context.$value.withValue(10 * n) {
                                try yield()
                                #expect(Context.value == 10 * n)
                            }
                        }
                    }
                    #expect(Context.value == 0)
                }
            }
            try joinAll(fibers, rethrowing: true)
        }
    }

    @Test func stacksOfTheirOwnSize() async throws {
        try await onLoop { () throws -> Void in
            func usable() -> Int { currentThread().pointee.current.pointee.size }
            let sizes = try [32 << 10, StackSize.default, 1 << 20, 8 << 20].map { size in
                try spawn(stackSize: size) { () throws -> Int in
                    try yield()
                    return usable()
                }.get()
            }
            #expect(sizes == sizes.sorted() && Set(sizes).count == 4)
            #expect(sizes[3] > 7 << 20)
            let tooLarge = spawn(stackSize: 9 << 20) { 1 }
            #expect(throws: StackError.self) { try tooLarge.get() }
        }
    }

    @Test func spawningFromAnotherThread() async throws {
        try await onLoop { () throws -> Void in
            let loop = try EventLoop.current
            let home = swiftlet_thread_id()
            let fibers = try toThread { (0..<10).map { n in loop.spawn { (n, swiftlet_thread_id()) } } }
            for (n, fiber) in fibers.enumerated() {
                let (number, thread) = try fiber.get()
                #expect(number == n && thread == home)
            }
        }
    }

    @Test func joiningFromAnotherThread() async throws {
        try await onLoop { () throws -> Void in
            let gate = Waiter<Int>()
            let loop = try EventLoop.current
            let fiber = loop.spawn { try gate.wait()! }
            let other = spawn { try toThread { try fiber.get() } }
            let late = spawn { try toThread { try fiber.join(timeout: .milliseconds(5)) } }
            #expect(try late.get() == false)
            gate.resume(returning: 5)
            #expect(try other.get() == 5)
        }
    }

    @Test func generatorsParkInFibers() async throws {
        try await onLoop { () throws -> Void in
            let fibers = (0..<3).map { n in
                spawn {
                    let generator = Generator<Int> { yield in
                        for k in 0..<5 {
                            try nap()
                            try yield(10 * n + k)
                        }
                    }
                    return Array(generator)
                }
            }
            for (n, fiber) in fibers.enumerated() { #expect(try fiber.get() == (0..<5).map { 10 * n + $0 }) }
        }
    }

    @Test func greenletsSwitchInsideAFiber() async throws {
        try await onLoop { () throws -> Void in
            let fibers = (0..<3).map { n in
                spawn {
                    let other = Greenlet<Int> { first in
                        try nap()
                        let next = try Greenlet<Int>.current.parent!.switch(first + 1)!
                        return next + 1
                    }
                    let first = try other.switch(n)!
                    try yield()
                    return try other.switch(first * 10)!
                }
            }
            #expect(try fibers.map { try $0.get() } == [11, 21, 31])
        }
    }
}
