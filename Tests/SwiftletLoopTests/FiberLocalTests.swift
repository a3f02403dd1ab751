import Swiftlet
import TestSupport
import Testing

@Suite struct FiberLocalTests {
    @Test func initialValuesAreMadeOncePerFiber() async throws {
        try await onLoop { () throws -> Void in
            let made = Tally()
            let local = FiberLocal { made.add() }
            let values = try (0..<3).map { _ in
                try spawn { () throws -> [Int] in
                    #expect(!local.isSet)
                    let first = local.value
                    try yield()
                    #expect(local.isSet)
                    return [first, local.value]
                }.get()
            }
            #expect(values == [[1, 1], [2, 2], [3, 3]])
        }
    }

    @Test func resettingAndEnding() async throws {
        try await onLoop { () throws -> Void in
            let tally = Tally()
            let local = FiberLocal<Witness?>(default: nil)
            let fiber = spawn {
                local.value = Witness(tally)
                #expect(local.isSet)
                local.reset()
                #expect(tally.count == 1 && !local.isSet && local.value == nil)
                local.value = Witness(tally)
                try yield()
            }
            try fiber.join()
            #expect(tally.count == 2)  // given up with the end, though the fiber is kept
            _ = fiber
        }
    }

    @Test func outsideFibersEachThreadHasItsOwn() async throws {
        let tally = Tally()
        let local = FiberLocal<Int>(default: 0)
        let held = FiberLocal<Witness?>(default: nil)
        local.value = 1
        onThreadAndEnd {
            #expect(local.value == 0)
            local.value = 2
            held.value = Witness(tally)
            #expect(local.value == 2)
        }
        #expect(tally.count == 1)
        #expect(local.value == 1)
        local.reset()
        #expect(local.value == 0 && !local.isSet)
    }

    @Test func aLaterVariableDoesNotInheritTheValues() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            for _ in 0..<100 {
                let local = FiberLocal<Int>(default: 0)
                #expect(local.value == 0)
                local.value = 1
            }
        }
    }
}
