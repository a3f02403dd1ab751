import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

/// Everything goes back to where it began. In processes of their own: other tests hold descriptors and stacks too.
@Suite struct LeakTests {
    @Test func descriptorsStacksAndObjectsReturn() async throws {
        await #expect(processExitsWith: .success) {
            try await onFreshThread { () throws -> Void in
                let tally = Tally()
                var made = 0
                @Sendable func turn(_ tally: Tally) throws {
                    try EventLoop.run(takesOver: false) { () throws -> Void in
                        let (reading, writing) = makePipe()
                        let descriptor = Descriptor(owning: reading)
                        let fibers = (0..<10).map { n in
                            spawn(stackSize: n % 2 == 0 ? StackSize.default : 64 << 10) { () throws -> Void in
                                let witness = Witness(tally)
                                try withExtendedLifetime(witness) {
                                    switch n % 5 {
                                    case 0: try descriptor.waitUnlessReady(.reading)
                                    case 1: try sleep(.seconds(100))
                                    case 2: _ = try toThread { 1 }
                                    case 3:
                                        try blockOn { () async throws -> Void in
                                            try await Task.sleep(for: .milliseconds(1))
                                        }
                                    default: throw CancellationError()
                                    }
                                }
                            }
                        }
                        try descriptor.drained(.reading)
                        try nap(3)
                        for fiber in fibers { fiber.cancel() }
                        try joinAll(fibers)
                        descriptor.close()
                        close(writing)
                        if try EventLoop.current.liveFibers().map(\.name) != ["main"] { exit(2) }
                    }
                    if swiftlet_stack_count(currentThread()).live != 0 { exit(3) }
                }
                for _ in 0..<3 {
                    try turn(tally)
                    made += 10
                }
                let descriptors = openDescriptors()
                for _ in 0..<30 {
                    try turn(tally)
                    made += 10
                }
                if openDescriptors() != descriptors { exit(4) }
                if tally.count != made { exit(5) }
            }
        }
    }

    @Test(.disabled(if: Sanitizer.isAny, "sanitizers keep memory of their own"))
    func memoryStaysFlat() async throws {
        await #expect(processExitsWith: .success) {
            try await onFreshThread { () throws -> Void in
                @Sendable func spawnAndJoin(_ count: Int) throws {
                    for _ in 0..<count / 100 { try joinAll((0..<100).map { _ in spawn { try yield() } }) }
                }
                @Sendable func tasks(_ loop: EventLoop, _ count: Int) throws {
                    for _ in 0..<count / 100 {
                        try blockOn { () async throws -> Void in
                            await withTaskGroup { group in
                                for _ in 0..<100 { group.addTask { do { try yieldSynchronously() } catch { exit(2) } } }
                            }
                        }
                    }
                }
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    let loop = try EventLoop.current
                    try spawnAndJoin(5_000)
                    try tasks(loop, 2_000)
                    let before = residentBytes()
                    try spawnAndJoin(200_000)
                    try tasks(loop, 20_000)
                    if residentBytes() - before > 4 << 20 { exit(3) }
                }
                // Loops too, up to the few hundred bytes that stay of each.
                for _ in 0..<50 { try EventLoop.run(takesOver: false) { () throws -> Void in try yield() } }
                let before = residentBytes()
                for _ in 0..<4_000 { try EventLoop.run(takesOver: false) { () throws -> Void in try yield() } }
                if residentBytes() - before > 4 << 20 { exit(4) }
            }
        }
    }

    @Test func cancelledSleepsDoNotPileUp() async throws {
        try await onTaskLoop(parks: false) { (loop) async throws -> Void in
            for _ in 0..<2_000 {
                _ = try await withTimeout(.seconds(60)) { () async throws -> Int in 1 }
            }
            #expect(loop.statistics.timers < 300)
        }
    }
}

private func yieldSynchronously() throws { try yield() }
