import Swiftlet

/// E5: fibers run plain functions; `join` waits for one, `joinAll` for several, `value` is what it returned.
func fiberBasics() throws {
    func add(_ a: Int, _ b: Int, _ c: Int, x: Int, y: Int) -> Int { a + b + c + x + y }
    func function2() -> String { "func2" }

    try EventLoop.run {
        let fiber1 = spawn { add(1, 2, 3, x: 4, y: 5) }
        let fiber2 = spawn { function2() }
        print("before join:", show(fiber1.value), fiber1.isFinished)
        try fiber1.join()
        try fiber2.join()
        print("after join:", show(fiber1.value), show(fiber2.value), fiber1.isFinished, fiber1.isSuccessful)

        let fiber3 = spawn { add(1, 2, 3, x: 4, y: 5) }
        let fiber4 = spawn { function2() }
        let finished = try joinAll([fiber3, fiber4])
        print("joinAll:", show(fiber3.value), show(fiber4.value), finished == [fiber3, fiber4])
    }
}

private func show(_ value: (some CustomStringConvertible)?) -> String { value?.description ?? "nil" }
