import Swiftlet

/// E7: each fiber passes for a thread of its own, and sleeping lets the others run. The original patches Python's own
/// `time.sleep`; here it is the library's `sleep`. Calls of libc's `sleep` become cooperative with the interposition product
/// of a later version.
func threadNames() throws {
    func eat() throws {
        print(AnyFiber.currentThreadName)
        print("eat food 1")
        try sleep(.seconds(2))
        print("eat food 2")
    }
    func play() throws {
        print(AnyFiber.currentThreadName)
        print("play 1")
        try sleep(.seconds(1))
        print("play 2")
    }

    try EventLoop.run {
        let fiber1 = spawn { try eat() }
        let fiber2 = spawn { try play() }
        try joinAll([fiber1, fiber2])
        print("主")
    }
}
