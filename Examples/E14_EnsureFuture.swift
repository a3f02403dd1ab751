import Swiftlet

/// E14: a task without a loop having been named.
func ensureFutureExample() throws {
    func execute(_ x: Int) -> Coroutine<Int> {
        Coroutine {
            print("Number:", x)
            return x
        }
    }

    let coroutine = execute(1)
    print("Coroutine:", coroutine)
    print("After calling execute")

    let task = try ensureFuture(coroutine)
    print("Task:", task)
    let loop = try EventLoop.current
    try loop.run(until: task)
    print("Task:", task)
    print("After calling loop")
}
