import Glibc
import Swiftlet

// A hundred fibers that sleep by libc: a fifth of a second under `swiftlet run`, twenty seconds without.
let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100
let time = try ContinuousClock().measure {
    try EventLoop.run {
        let fibers = (0..<count).map { _ in spawn { usleep(200_000) } }
        try joinAll(fibers)
    }
}
print(Int(time / .milliseconds(1)))
