import Swiftlet

/// E8: the same ten tasks, one after the other and then together.
func synchronousAndAsynchronous() throws {
    func task(_ number: Int) throws {
        try sleep(.seconds(0.5))
        print("Task \(number) done")
    }
    func synchronous() throws {
        for number in 0..<10 { try task(number) }
    }
    func asynchronous() throws {
        let fibers = (0..<10).map { number in spawn { try task(number) } }
        try joinAll(fibers)
    }

    try EventLoop.run {
        print("Synchronous:")
        try synchronous()

        print("Asynchronous:")
        try asynchronous()
    }
}
