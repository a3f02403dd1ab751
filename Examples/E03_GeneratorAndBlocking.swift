import Glibc
import Swiftlet

/// E3: a generator does not notice that its caller blocks: while the thread sleeps, nothing of it runs.
func generatorAndBlocking() throws {
    let rounds = Settings.number("E03_ROUNDS", default: 3)
    let delay = Settings.seconds("E03_DELAY", default: 3)

    let function1 = Generator<Void> { yield in
        while true {
            print("func1")
            try yield()
        }
    }
    func function2() throws {
        for _ in 0..<rounds {
            _ = try function1.next()
            usleep(useconds_t(delay / .microseconds(1)))
            print("func2")
        }
    }

    print(try ContinuousClock().measure { try function2() }.seconds)
}
