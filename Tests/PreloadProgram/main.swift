import Glibc
import Swiftlet

// A hundred fibers that sleep by libc: 50 ms under `swiftlet run`, five seconds without. Each sleeps for less than the 100 ms
// after which the watchdog asks a blocked thread for its stack, by a signal that ends such a sleep.
let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100
let time = try ContinuousClock().measure {
    try EventLoop.run {
        let fibers = (0..<count).map { _ in spawn { usleep(50_000) } }
        try joinAll(fibers)
    }
}
print(Int(time / .milliseconds(1)))
