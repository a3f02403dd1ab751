import Swiftlet

/// E12: a coroutine object is cold: only the loop runs it.
func runUntilComplete() throws {
    func execute(_ x: Int) -> Coroutine<Void> {
        Coroutine { print("Number:", x) }
    }

    let coroutine = execute(1)
    print("Coroutine:", coroutine)
    print("After calling execute")

    let loop = try EventLoop.current
    try loop.run(until: coroutine)
    print("After calling loop")
}
