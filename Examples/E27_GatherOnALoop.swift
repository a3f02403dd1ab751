import Glibc
import Swiftlet

/// E27: ten random sleeps, through the thread's loop and `gather`.
func gatherOnALoop() throws {
    let loop = try EventLoop.current
    let tasks = randomWaits().enumerated().map { waitAndEcho($0, seconds: $1) }
    try loop.run(until: gather(tasks))
}

func waitAndEcho(_ content: Int, seconds: Int) -> Coroutine<Void> {
    let unit = Settings.seconds("UNIT", default: 1)
    return Coroutine {
        print("print \(content) after \(seconds) seconds")
        try await sleep(unit * seconds)
        print("\(content) printed at \(timeOfDay())")
    }
}

/// Ten numbers of seconds from 0 to 10; `WAITS` gives them, as `RANDOM_SEED` does for the original.
func randomWaits() -> [Int] {
    let given = Settings.word("WAITS")?.split(separator: ",").compactMap { Int($0) }
    return given ?? (0..<10).map { _ in Int.random(in: 0...10) }
}

/// The time in Greenwich, as `hh:mm:ss`.
private func timeOfDay() -> String {
    let seconds = time(nil) % 86_400
    return [seconds / 3600, seconds / 60 % 60, seconds % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
        .joined(separator: ":")
}
