import Swiftlet

/// E9: a function that returns a `Coroutine` is a coroutine function: calling it runs nothing.
func coroutineFunction() throws {
    struct Database: Sendable {}
    func readData(_ database: Database?) -> Coroutine<Void> { Coroutine {} }

    print(isCoroutineFunction(readData))
    let coroutine = readData(nil)
    print(isCoroutine(coroutine), "coroutine")
    try coroutine.close()
}
