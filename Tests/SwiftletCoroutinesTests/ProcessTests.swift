import CTestSupport
import SwiftletCoroutines
import TestSupport
import Testing

/// Programs that must die, and say why.
@Suite struct ProcessTests {
    @Test func overflowNamesTheGenerator() async throws {
        let result = try await #require(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let generator = Generator<Int>(name: "greedy", stackSize: 64 << 10) { yield in
                try yield(overflow(1))
            }
            _ = try generator.next()
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("fatal: stack overflow in generator 'greedy' (stack size "))
        #expect(text.contains("KB; raise it with Generator(stackSize:))"))
    }

    @Test func overflowNumbersAGreenletWithoutName() async throws {
        let result = try await #require(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            try await onFreshThread { () throws -> Void in
                try Greenlet<Int> { overflow($0) }.switch(1)
                return
            }
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(
            text.contains("fatal: stack overflow in greenlet 1 (stack size 240 KB; raise it with Greenlet(stackSize:))")
        )
    }

    @Test func aGreenletThatIgnoresExitTwiceTraps() async throws {
        let result = try await #require(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            try await onFreshThread { () throws -> Void in
                let stubborn = Greenlet<Int>(name: "stubborn") { _ in
                    while true { do { _ = try Greenlet<Int>.current.parent!.switch(0) } catch {} }
                }
                try stubborn.switch(0)
            }
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("greenlet stubborn ignored GreenletExit twice"))
    }

    @Test func aGeneratorThatIgnoresExitTwiceTrapsWhenDropped() async throws {
        let result = try await #require(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let stubborn = Generator<Int>(name: "stubborn") { yield in
                while true { do { try yield(1) } catch {} }
            }
            _ = try stubborn.next()
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("generator stubborn yielded again while it was being closed, twice"))
    }
}

/// As good as endless.
@inline(never)
private func overflow(_ depth: Int) -> Int {
    test_touch_stack(64)
    return depth == .max ? 0 : overflow(depth + 1) + depth
}
