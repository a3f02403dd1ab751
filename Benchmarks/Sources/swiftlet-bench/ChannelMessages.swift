import Swiftlet

/// Two coroutines that send a number to and fro over two channels without capacity; each message is a send, a receive and
/// a wait.
func measureChannel(count: Int, _ kind: Kind) throws {
    let elapsed: Duration
    switch kind {
    case .fiber: elapsed = try EventLoop.run { () throws -> Duration in try sendBetweenFibers(count) }
    case .task: elapsed = try EventLoop.run { () async throws -> Duration in try await sendBetweenTasks(count) }
    }
    emit("channel", kind.peer, count: count, value: elapsed.nanoseconds(per: count), unit: "ns/message")
}

private func sendBetweenFibers(_ count: Int) throws -> Duration {
    let there = Channel<Int>()
    let back = Channel<Int>()
    spawn {
        while let number = try there.receive() { try back.send(number + 1) }
    }
    let elapsed = try ContinuousClock().measure {
        var number = 0
        for _ in 0..<count / 2 {
            try there.send(number)
            number = try back.receive()!
        }
        precondition(number == count / 2)
    }
    there.close()
    return elapsed
}

private func sendBetweenTasks(_ count: Int) async throws -> Duration {
    let there = Channel<Int>()
    let back = Channel<Int>()
    let echo = Task {
        while let number = try await there.receive() { try await back.send(number + 1) }
    }
    let elapsed = try await ContinuousClock().measure {
        var number = 0
        for _ in 0..<count / 2 {
            try await there.send(number)
            number = try await back.receive()!
        }
        precondition(number == count / 2)
    }
    there.close()
    try await echo.value
    return elapsed
}
