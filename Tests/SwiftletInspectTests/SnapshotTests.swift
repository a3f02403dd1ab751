import Glibc
import Swiftlet
import SwiftletInspect
import TestSupport
import Testing

/// What is told of coroutines, read by another thread while their loop goes on.
@Suite(.serialized) struct SnapshotTests {
    @Test func aParkedFiberIsToldWithItsNamePlaceWaitAndBacktrace() async throws {
        try await onLoop { () throws -> Void in
            let parent = spawn(name: "parent-11") {
                let child = try spawnAndPark { try sleepSoundly() }
                try child.join()
            }
            try yield()
            let patient = spawn(name: "patient-11") { _ = try Waiter<Int>().wait(until: .after(.seconds(500))) }
            for _ in 0..<5 { try yield() }
            let snapshot = try look()
            let told = try snapshot.coroutine(named: "parent-11")
            #expect(told.kind == "fiber" && told.state == "waiting")
            #expect(told.origin?.hasPrefix("SwiftletInspectTests/SnapshotTests.swift:") == true)
            let child = try #require(snapshot.coroutines.first { $0.parent == told.identity })
            #expect(told.wait == "the end of \(child.name)" && told.waitsFor == [child.identity])
            #expect(child.wait == "a timer")
            #expect((90_000_000_000...100_000_000_000).contains(try #require(child.deadline)))
            #expect(try snapshot.functions(of: child).contains { $0.contains("sleepSoundly") })
            #expect(
                child.stackUsed > 0 && child.stackTouched >= child.stackUsed && child.stackSize > child.stackTouched)
            let waiting = try snapshot.coroutine(named: "patient-11")
            #expect(waiting.wait.hasPrefix("a Waiter"))
            #expect(try #require(waiting.deadline) > 400_000_000_000)
            parent.cancel()
            patient.cancel()
        }
    }

    @Test func theHolderOfALockIsTold() async throws {
        try await onLoop { () throws -> Void in
            let lock = Lock()
            let holder = spawn(name: "holder-12") { try lock.withLock { try sleep(.seconds(100)) } }
            let second = spawn(name: "second-12") { try lock.withLock {} }
            for _ in 0..<3 { try yield() }
            let snapshot = try look()
            let told = try snapshot.coroutine(named: "second-12")
            #expect(told.wait == "a lock held by holder-12")
            #expect(told.waitsFor == [try snapshot.coroutine(named: "holder-12").identity])
            #expect(told.cycle == nil)
            holder.cancel()
            try second.join()
        }
    }

    @Test func aTaskThatHoldsALockIsTold() async throws {
        try await onTaskLoop { loop in
            let lock = Lock()
            let holder = loop.makeTask { try lock.withLock { try blockingSleep() } }
            await yieldOften()
            let second = loop.spawn(name: "second-13") { try lock.withLock {} }
            await yieldOften()
            let snapshot = try await toThread { try connectToSelf().look(stacks: true) }
            let told = try snapshot.coroutine(named: "second-13")
            let task = try #require(snapshot.coroutines.first { $0.identity == told.waitsFor.first })
            #expect(task.kind == "task" && told.wait.hasPrefix("a lock held by task at 0x"))
            #expect(try snapshot.functions(of: task).contains { $0.contains("blockingSleep") })
            holder.cancel()
            _ = try? await holder.value
            try await second.join()
        }
    }

    @Test func aCircleOfWaitsIsMarked() async throws {
        try await onLoop { () throws -> Void in
            let locks = [Lock(), Lock()]
            let fibers = (0..<2).map { seat in
                spawn(name: "philosopher-14-\(seat)") {
                    try locks[seat].withLock {
                        try yield()
                        try locks[1 - seat].withLock {}
                    }
                }
            }
            let outsider = spawn(name: "outsider-14") { try joinAll(fibers) }
            for _ in 0..<5 { try yield() }
            let snapshot = try look()
            let cycle = try #require(try snapshot.coroutine(named: "philosopher-14-0").cycle)
            #expect(try snapshot.coroutine(named: "philosopher-14-1").cycle == cycle)
            // It waits for both, and nobody for it.
            let told = try snapshot.coroutine(named: "outsider-14")
            #expect(told.wait == "the ends of 2 fibers" && told.waitsFor.count == 2 && told.cycle == nil)
            for fiber in fibers { fiber.cancel() }
            try outsider.join()
        }
    }

    @Test func childrenOfAScopeAndWhoHasNotBegunAreTold() async throws {
        try await onLoop { () throws -> Void in
            let later = spawn(name: "later-15", after: .seconds(300)) {}
            let parent = spawn(name: "parent-15") {
                try withSpawnScope { scope in scope.spawn(name: "child-15") { try sleep(.seconds(100)) } }
            }
            for _ in 0..<3 { try yield() }
            let snapshot = try look()
            let child = try snapshot.coroutine(named: "child-15")
            #expect(child.scope?.hasPrefix("SwiftletInspectTests/SnapshotTests.swift:") == true)
            let told = try snapshot.coroutine(named: "parent-15")
            #expect(told.wait == "a child of a spawn scope" && told.waitsFor == [child.identity])
            let unborn = try snapshot.coroutine(named: "later-15")
            #expect(unborn.state == "new" && unborn.deadline != nil && unborn.stack == nil)
            parent.cancel()
            later.cancel()
        }
    }

    @Test func aDescriptorIsToldWithItsPeer() async throws {
        try await onLoop { () throws -> Void in
            let listener = try TCPListener()
            let client = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
            let server = try listener.accept()
            let reader = spawn(name: "reader-16") { _ = try server.read(upTo: 10) }
            for _ in 0..<3 { try yield() }
            let told = try look().coroutine(named: "reader-16")
            let mine = try #require(client.localAddress)
            #expect(told.wait.hasSuffix("to read: TCP 127.0.0.1:\(listener.port) -> \(mine)"))
            client.close()
            try reader.join()
            server.close()
            listener.close()
        }
    }

    @Test func aSleepWithoutEndIsTold() async throws {
        try await onLoop { () throws -> Void in
            let fiber = spawn(name: "eternal-20") { try sleep(.seconds(Int64.max)) }
            for _ in 0..<3 { try yield() }
            let told = try look().coroutine(named: "eternal-20")
            #expect(told.wait == "a timer")
            #expect(try #require(told.deadline) > 0)
            fiber.cancel()
        }
    }

    @Test func aGeneratorThatWaitsIsItsFibersWait() async throws {
        try await onLoop { () throws -> Void in
            let fiber = spawn(name: "outer-17") {
                let generator = Generator<Int> { yield in
                    try sleep(.seconds(100))
                    try yield(1)
                }
                for _ in generator {}
            }
            for _ in 0..<3 { try yield() }
            let snapshot = try look()
            let told = try snapshot.coroutine(named: "outer-17")
            #expect(told.state == "waiting" && told.wait == "a timer")
            fiber.cancel()
        }
    }

    @Test func aBusyLoopIsReadWhileItRuns() async throws {
        try await onLoop { () throws -> Void in
            let goesOn = Box(true)
            let talkers = (0..<20).map { number in
                spawn(name: "talker-18-\(number)") { while goesOn.value { try yield() } }
            }
            let still = spawn(name: "still-18") { try sleepSoundly() }
            for _ in 0..<3 { try yield() }
            for _ in 0..<20 {
                let snapshot = try look()
                // Whoever did not move is told truly, whatever the others do.
                let told = try snapshot.coroutine(named: "still-18")
                #expect(told.wait == "a timer")
                #expect(try snapshot.functions(of: told).contains { $0.contains("sleepSoundly") })
                #expect(snapshot.coroutines.count { $0.name.hasPrefix("talker-18-") } == 20)
            }
            goesOn.value = false
            still.cancel()
            try joinAll(talkers)
        }
    }

    @Test func agesAreKnownFromSamples() async throws {
        try await onLoop { () throws -> Void in
            try Inspector.start()
            func age(of name: String, in snapshot: Snapshot) throws -> Int {
                try snapshot.coroutine(named: name).waitAge ?? 0
            }
            let older = spawn(name: "older-19") { try sleepSoundly() }
            try withTimeout(.seconds(60)) {
                while try age(of: "older-19", in: look()) < 300_000_000 { try sleep(.milliseconds(50)) }
            }
            let younger = spawn(name: "younger-19") { try sleepSoundly() }
            var snapshot = try look()
            try withTimeout(.seconds(60)) {
                while try age(of: "younger-19", in: snapshot) < 200_000_000 {
                    try sleep(.milliseconds(50))
                    snapshot = try look()
                }
            }
            // The older one had waited for so long before the younger one was.
            let young = try age(of: "younger-19", in: snapshot)
            #expect(try age(of: "older-19", in: snapshot) >= young + 300_000_000)
            #expect(try !snapshot.coroutine(named: "younger-19").waitIsOlder)
            older.cancel()
            younger.cancel()
        }
    }
}

@inline(never)
private func sleepSoundly() throws {
    try sleep(.seconds(100))
    // The call above must not be the last thing: its frame would be gone.
    try checkCancellation()
}

@inline(never)
private func blockingSleep() throws {
    try sleep(.seconds(100))
    try checkCancellation()
}

/// So that those before it in the queue run until they wait.
private func yieldOften() async {
    for _ in 0..<5 { await Task.yield() }
}
