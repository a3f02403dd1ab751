import Swiftlet

/// E13: a task before and after it has run.
func createTask() throws {
    func execute(_ x: Int) -> Coroutine<Int> {
        Coroutine {
            print("Number:", x)
            return x
        }
    }

    let coroutine = execute(1)
    print("Coroutine:", coroutine)
    print("After calling execute")

    let loop = try EventLoop.current
    let task = try loop.createTask(coroutine)
    print("Task:", task)
    try loop.run(until: task)
    print("Task:", task)
    print("After calling loop")
}
