import Swiftlet

/// Coroutines that each sleep 0 to 1 s: what is beyond 1.0 s is the runtime's.
func measureSleepers(count: Int, _ kind: Kind) throws {
    let before = processorSeconds()
    let elapsed = try ContinuousClock().measure {
        switch kind {
        case .fiber:
            try EventLoop.run {
                try EventLoop.current.configuration.slowTurnLimit = nil  // all are spawned in one turn
                let fibers = naps(count).map { nap in spawn { try sleep(nap) } }
                try joinAll(fibers)
            }
        case .task:
            try EventLoop.run {
                try EventLoop.current.configuration.slowTurnLimit = nil  // all are spawned in one turn
                let tasks = naps(count).map { nap in Task { try await sleep(nap) } }
                for task in tasks { try await task.value }
            }
        }
    }
    emit(
        "sleepers", kind.peer, count: count, value: elapsed.seconds, unit: "s wall",
        more: ["cpu_s": processorSeconds() - before])
}

private func naps(_ count: Int) -> some Sequence<Duration> {
    var random = PeerRandom()
    return (0..<count).lazy.map { _ in .nanoseconds(Int(random.next() * 1e9)) }
}
