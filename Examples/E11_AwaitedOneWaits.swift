import Swiftlet

/// E11: a awaits b, b waits for something, so a third one runs; then b ends, then a.
func awaitedOneWaits() throws {
    @Sendable func b() async throws -> String {
        print("b starts, then waits")
        try await sleep(.seconds(0.3))
        print("b ends")
        return "b's value"
    }
    func a() -> Coroutine<Void> {
        Coroutine {
            print("a starts, awaits b")
            let value = try await b()
            print("a ends with", value)
        }
    }
    func other() -> Coroutine<Void> {
        Coroutine {
            for number in 0..<3 {
                print("other works", number)
                try await sleep(.seconds(0.05))
            }
        }
    }

    let both = [a(), other()]
    _ = try AsyncIO.run { try await gather(both) }
}
