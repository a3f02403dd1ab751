import Swiftlet

/// E2: one loop that resumes a generator on every turn. Switching where nobody waits only costs time.
func generatorSwitches() throws {
    let turns = Settings.number("LOOP_N", default: 10_000_000)

    let function1 = Generator<Void> { yield in
        while true { try yield() }
    }
    func function2() throws {
        for number in 0..<turns {
            keep(number + 1)
            _ = try function1.next()
        }
    }

    print(try ContinuousClock().measure { try function2() }.seconds)
}
