import Swiftlet

/// Trivial coroutines, `live` at a time, each joined on its own.
func measureSpawnJoin(count: Int, live: Int, _ kind: Kind) throws {
    let elapsed: Duration
    switch kind {
    case .fiber: elapsed = try EventLoop.run { try ContinuousClock().measure { try joinFibers(count, live) } }
    case .task: elapsed = try EventLoop.run { await ContinuousClock().measure { await joinTasks(count, live) } }
    }
    emit("spawn_join", kind.peer, count: count, value: elapsed.nanoseconds(per: count), unit: "ns/coroutine")
}

private func joinFibers(_ count: Int, _ live: Int) throws {
    var hits = 0
    var fibers: [Fiber<Int>] = []
    fibers.reserveCapacity(live)
    for _ in 0..<count / live {
        for number in 0..<live { fibers.append(spawn { number }) }
        for fiber in fibers {
            try fiber.get()
            hits += 1
        }
        fibers.removeAll(keepingCapacity: true)
    }
    precondition(hits == count / live * live)
}

/// Plain `Task { }`: on the main thread the loop is the process's default executor.
private func joinTasks(_ count: Int, _ live: Int) async {
    var hits = 0
    var tasks: [Task<Int, Never>] = []
    tasks.reserveCapacity(live)
    for _ in 0..<count / live {
        for number in 0..<live { tasks.append(Task { number }) }
        for task in tasks {
            _ = await task.value
            hits += 1
        }
        tasks.removeAll(keepingCapacity: true)
    }
    precondition(hits == count / live * live)
}
