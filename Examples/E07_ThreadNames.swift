import Glibc
import Swiftlet
import SwiftletInterpose

/// E7: each fiber passes for a thread of its own, and libc's `sleep` lets the others run.
func threadNames() throws {
    patchAll()

    func eat() {
        print(AnyFiber.currentThreadName)
        print("eat food 1")
        sleep(2)
        print("eat food 2")
    }
    func play() {
        print(AnyFiber.currentThreadName)
        print("play 1")
        sleep(1)
        print("play 2")
    }

    try EventLoop.run {
        let fiber1 = spawn { eat() }
        let fiber2 = spawn { play() }
        try joinAll([fiber1, fiber2])
        print("主")
    }
}
