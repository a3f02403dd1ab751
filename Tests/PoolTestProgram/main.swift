// What the tests of process pools start as workers; and, with a word as argument, programs that use a pool of their own.
import Glibc
import PoolTestJobs
import SwiftletLoop
import SwiftletPool

let word = CommandLine.arguments.dropFirst().first ?? ""

@Sendable func say(_ line: String) {
    print(line)
    fflush(nil)
}

switch word {
case "forgets-and-ends": exit(0)
case "forgets-and-waits":
    while true { pause() }
case "forgets-and-makes-a-pool":
    _ = try ProcessPool(processes: 1)
    exit(1)
case "speaks-nonsense":
    _ = write(3, "What is this? It is certainly no frame.", 39)
    while true { pause() }
default: break
}

runWorkerOfTests()

switch word {
case "measure": try measure(CommandLine.arguments.dropFirst(2).first ?? "call")
case "soak": try soak(rounds: CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 100)
case "own-workers":
    try EventLoop.run {
        try withProcessPool(processes: 2) { pool in say("\(try pool.map((1...4).map { Doubled($0) }))") }
    }
case "waits-with-workers", "waits-with-busy-workers":
    let milliseconds = 60_000
    try EventLoop.run {
        try withProcessPool(processes: 2) { pool in
            try pool.waitUntilReady()
            let pids = try Set((0..<50).map { _ in try pool.apply(WhoAmI()) })
            for pid in pids { say("\(pid)") }
            if word == "waits-with-workers" {
                say("waiting")
                _ = try pool.map((0..<4).map { _ in Sleep(milliseconds: milliseconds) }, chunks: .one)
            } else {
                let result = pool.mapAsync((0..<4).map { _ in Spin(milliseconds: milliseconds) }, chunks: .one)
                say("waiting")
                _ = try result.get()
            }
        }
    }
default:
    print("this program is a worker of tests")
    exit(64)
}
