import Glibc
import Swiftlet
import TestSupport
import Testing

@Suite struct RunInfoTests {
    private func find(_ name: String, in fibers: [RunInfo.Fiber]) -> RunInfo.Fiber? {
        for fiber in fibers {
            if fiber.name == name { return fiber }
            if let found = find(name, in: fiber.children) { return found }
        }
        return nil
    }

    @Test func theTreeShowsWhoSpawnedWhomAndWhatEachWaitsFor() async throws {
        try await onLoop { () throws -> Void in
            let local = FiberLocal<Int>(name: "requestID", default: 0)
            let gate = Waiter<Void>()
            let parent = spawn(name: "parent-64") {
                let child = spawn(name: "child") { try sleep(.seconds(100)) }
                let ended = spawn(name: "short") {
                    spawn(name: "orphan") { _ = try gate.wait() }
                }
                local.value = 7
                try ended.join()
                spawn(name: "late") {}
                try child.join()
            }
            for _ in 0..<5 { try yield() }
            let other = spawn(name: "other") { try parent.join() }
            let info = try RunInfo.gather(backtraces: true)
            let loop = try #require(
                info.loops.first { find("parent-64", in: $0.fibers ?? []) != nil })
            let fibers = try #require(loop.fibers)
            #expect(fibers.map(\.name).first == "main")
            let main = fibers[0]
            #expect(main.state == "runs" && main.backtrace.isEmpty)
            #expect(main.children.map(\.name) == ["parent-64", "other"])
            let described = main.children[0]
            #expect(described.origin.hasPrefix("SwiftletLoopTests/RunInfoTests.swift:"))
            #expect(described.state == "waits for the end of child")
            #expect(described.locals == ["requestID = 7"])
            #expect(!described.backtrace.isEmpty)
            #expect(described.children.map(\.name) == ["child"])
            #expect(described.children[0].state == "waits for a timer")
            #expect(find("other", in: fibers)?.state == "has not started")
            // Its parent has ended.
            #expect(fibers.contains { $0.name == "orphan" && $0.state == "waits for a Waiter" })
            let text = info.description
            #expect(text.contains("+- main ("))
            #expect(text.contains("\n|  +- parent-64 ("))
            #expect(text.contains("\n|  |    requestID = 7"))
            #expect(text.contains("\n|  |  +- child ("))
            other.cancel()
            gate.resume(returning: ())
            parent.cancel()
        }
    }

    @Test func aLaterWaitForFibersNamesNoneOfBefore() async throws {
        try await onLoop { () throws -> Void in
            let group = FiberGroup()
            let gate = Waiter<Void>()
            group.spawn { _ = try gate.wait() }
            let waiting = try spawnAndPark {
                try spawn(name: "gone-92") {}.join()
                try group.join()
            }
            let info = try RunInfo.gather()
            let fibers = try #require(info.loops.compactMap(\.fibers).first { find(waiting.name, in: $0) != nil })
            #expect(find(waiting.name, in: fibers)?.state == "waits for the end of a fiber")
            gate.resume(returning: ())
            try waiting.join()
        }
    }

    @Test func otherLoopsAnswerOrAreBusy() async throws {
        try await onLoop { () throws -> Void in
            try EventLoopGroup.with(count: 2) { group in
                let started = Waiter<Void>()
                let released = Tally()
                group.loops[0].configuration.slowTurnLimit = nil
                let blocked = group.loops[0].spawn {
                    started.resume(returning: ())
                    while released.count == 0 { usleep(1_000) }  // holds its loop up
                }
                let waiting = group.loops[1].spawn(name: "elsewhere-81") { try sleep(.seconds(100)) }
                _ = try started.wait()
                // The one that answers is given more time where the machine is busy; the other one has none to answer in.
                var info = try RunInfo.gather(timeout: .milliseconds(100))
                func isAnswered() -> Bool { info.loops.contains { find("elsewhere-81", in: $0.fibers ?? []) != nil } }
                for attempt in 1...9 where !isAnswered() {
                    info = try RunInfo.gather(timeout: .milliseconds(100 << attempt))
                }
                released.add()
                #expect(isAnswered())
                #expect(info.loops.contains { $0.fibers == nil })
                #expect(info.description.contains("busy, does not answer"))
                try blocked.join()
                try waiting.kill()
            }
        }
    }
}
