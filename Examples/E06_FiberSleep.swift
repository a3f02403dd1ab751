import Swiftlet

/// E6: fibers switch by themselves where they sleep. Plain synchronous functions, one thread.
func fiberSleep() throws {
    func eat(_ name: String) throws {
        print("\(name) eat 1")
        try sleep(.seconds(2))
        print("\(name) eat 2")
    }
    func play(_ name: String) throws {
        print("\(name) play 1")
        try sleep(.seconds(1))
        print("\(name) play 2")
    }

    try EventLoop.run {
        let fiber1 = spawn { try eat("egon") }
        let fiber2 = spawn { try play("egon") }
        try fiber1.join()
        try fiber2.join()
        print("主")
    }
}
