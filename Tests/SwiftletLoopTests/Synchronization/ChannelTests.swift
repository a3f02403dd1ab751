import Swiftlet
import TestSupport
import Testing

/// Channels and select.
@Suite struct ChannelTests {
    @Test func aRendezvousTakesTurns() async throws {
        try await onLoop { () throws -> Void in
            let channel = Channel<Int>()
            let journal = Journal<String>()
            spawn {
                for n in 0..<3 {
                    try channel.send(n)
                    journal.note("sent \(n)")
                }
                channel.close()
            }
            for n in channel { journal.note("got \(n)") }
            #expect(journal.entries == ["sent 0", "got 0", "got 1", "sent 1", "sent 2", "got 2"])
            #expect(try channel.receive() == nil && channel.isClosed)
            #expect(channel.close() == false)
            #expect(throws: ChannelError.closed) { try channel.send(1) }
        }
    }

    /// Case 44: many of each, in order, drained after closing, nothing lost by cancelling.
    @Test func manySendersAndReceivers() async throws {
        try await onLoop { () throws -> Void in
            let channel = Channel<Int>(capacity: 2)
            let senders = (0..<5).map { n in spawn { for i in 0..<100 { try channel.send(n * 100 + i) } } }
            // By receiver: what two of them have got may be noted in the order of their turns.
            let received = Box<[[Int]]>([])
            func receiver() -> Fiber<Void> {
                let number = received.value.count
                received.value.append([])
                return spawn { while let item = try channel.receive() { received.value[number].append(item) } }
            }
            var receivers = (0..<3).map { _ in receiver() }
            for round in 0..<50 {
                try yield()
                receivers[round % 3].cancel()
                receivers[round % 3] = receiver()
            }
            try joinAll(senders, rethrowing: true)
            channel.close()
            try joinAll(receivers, rethrowing: true)
            #expect(received.value.joined().sorted() == Array(0..<500))
            for items in received.value {
                for n in 0..<5 {
                    let ofOne = items.filter { $0 / 100 == n }
                    #expect(ofOne == ofOne.sorted())
                }
            }
            #expect(channel.statistics.puts == 500 && channel.statistics.gets == 500)
        }
    }

    @Test func waitingSendersAreServedInOrderAndRefusedAtTheEnd() async throws {
        try await onLoop { () throws -> Void in
            let channel = Channel<Int>(capacity: 1)
            let senders = (0..<5).map { n in spawn { try channel.send(n) } }
            try yield()
            #expect(channel.statistics.waitingToPut == 4 && channel.count == 1)
            #expect(throws: ChannelError.wouldWait) { try channel.sendNoWait(9) }
            #expect(throws: DeadlineExceeded.self) { try channel.send(9, timeout: .milliseconds(1)) }
            senders[1].cancel()
            #expect(try channel.receive() == 0)
            #expect(try channel.receive() == 2)
            #expect(channel.close())
            #expect(try channel.receiveNoWait() == 3)
            #expect(try channel.receiveNoWait() == nil)
            #expect(throws: CancellationError.self) { try senders[1].get() }
            #expect(throws: ChannelError.closed) { try senders[4].get() }
            let empty = Channel<Int>()
            #expect(throws: ChannelError.wouldWait) { try empty.receiveNoWait() }
            #expect(throws: DeadlineExceeded.self) { try empty.receive(timeout: .milliseconds(1)) }
        }
    }

    @Test func aSelectThatIsKilledAndServedAtOnceLosesNeither() async throws {
        try await onLoop {
            let channel = Channel<Int>()
            var got: Int?
            let fiber = try spawnAndPark { () throws -> Void in
                got = try select(.receive(from: channel) { $0 }, .after(.seconds(100)) { nil })
                _ = try channel.receive()
            }
            // Another thread hands over an item while this one is busy: its message is still on its way when the kill comes.
            let sent = SharedJournal<Bool>()
            Task.detached { sent.note((try? channel.sendNoWait(7)) != nil) }
            while sent.entries.isEmpty {}
            #expect(sent.entries == [true])
            try fiber.kill(waits: false)
            #expect(try fiber.join(timeout: .seconds(50)))
            #expect(got == 7 && fiber.wasKilled)
        }
    }

    @Test func selectsLeaveNoLinksBehind() async throws {
        try await onLoop {
            let never = AsyncResult<Int>()
            let fiber = try spawnAndPark { () throws -> Void in _ = try never.get() }
            for _ in 0..<10 {
                let chosen = try select(
                    .end(of: fiber) { 1 }, .wait(for: never) { $0 }, .after(.zero) { 3 })
                #expect(chosen == 3)
            }
            #expect(fiber.linkCount == 0 && never.linkCount == 0)
            try never.set(5)
            try fiber.join()
        }
    }

    @Test func selectDoesOneAndLeavesTheOthers() async throws {
        try await onLoop { () throws -> Void in
            let (left, right, event) = (Channel<Int>(), Channel<String>(), Event())
            func chosen(within limit: Duration = .seconds(100)) throws -> String {
                try select(
                    .receive(from: left) { "left \($0.map { "\($0)" } ?? "end")" },
                    .receive(from: right) { "right \($0!)" },
                    .wait(for: event) { "event" }, .after(limit) { "time" })
            }
            #expect(try chosen(within: .milliseconds(1)) == "time")
            let sender = spawn { try right.send("a") }
            #expect(try chosen() == "right a")
            try sender.get()
            let waiting = spawn { try chosen() }
            try yield()
            event.set()
            #expect(throws: ChannelError.wouldWait) { try left.sendNoWait(1) }  // decided in this very turn
            #expect(try waiting.get() == "event")
            event.clear()
            #expect(left.statistics.waitingToGet == 0 && right.statistics.waitingToGet == 0)
            left.close()
            #expect(try chosen() == "left end")
            #expect(try select(.receive(from: right) { _ in 1 }, .otherwise { 2 }) == 2)
            #expect(throws: ChannelError.closed) { try select(.send(1, to: left) {}) }
            let answer = Waiter<Int>()
            let fiber = spawn { try yield() }
            #expect(try select(.wait(for: answer) { _ in "answer" }, .end(of: fiber) { "end" }) == "end")
            answer.resume(returning: 3)
            #expect(try select(.wait(for: answer) { "\($0)" }) == "3")
            let result = AsyncResult<Int>()
            #expect(try select(.wait(for: result) { _ in "set" }, .after(.milliseconds(1)) { "late" }) == "late")
            spawn { try result.set(8) }
            #expect(try select(.wait(for: result) { "\($0)" }, .receive(from: right) { _ in "received" }) == "8")
            let failed = AsyncResult<Int>()
            try failed.setError(Failure(9))
            #expect(throws: Failure(9)) { try select(.wait(for: failed) { _ in }) }
            let queue = Queue<Int>(capacity: 1)
            #expect(try select(.put(5, into: queue) { "put" }) == "put")
            #expect(try select(.get(from: queue) { "got \($0)" }) == "got 5")
            let cancelled = spawn { try select(.get(from: queue) { $0 }) }
            try yield()
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get() }
            #expect(queue.statistics.waitingToGet == 0)
        }
    }

    /// Selects that face each other, and cases that are always ready.
    @Test func selectsMeetAndTakeTurns() async throws {
        try await onLoop { () throws -> Void in
            let (a, b) = (Channel<Int>(), Channel<Int>())
            let sum = Box(0)
            let fibers = (0..<4).map { n in
                spawn {
                    for _ in 0..<500 {
                        try n % 2 == 0
                            ? select(.send(1, to: a) {}, .send(1, to: b) {})
                            : select(.receive(from: b) { sum.value += $0! }, .receive(from: a) { sum.value += $0! })
                    }
                }
            }
            try joinAll(fibers, rethrowing: true)
            #expect(sum.value == 1_000)
            let (one, two) = (Channel<Int>(capacity: .max), Channel<Int>(capacity: .max))
            for n in 0..<100 {
                try one.send(n)
                try two.send(n)
            }
            var counts = [0, 0]
            for _ in 0..<50 {
                counts[try select(.receive(from: one) { _ in 0 }, .receive(from: two) { _ in 1 })] += 1
            }
            #expect(counts == [25, 25])
        }
    }

    @Test func tasksIterateAndSelectToo() async throws {
        try await onTaskLoop { (_) async throws -> Void in
            let channel = Channel<Int>()
            let sender = Task {
                for n in 0..<100 { try await channel.send(n) }
                channel.close()
            }
            var sum = 0
            for try await n in channel { sum += n }
            #expect(sum == 4_950)
            try await sender.value
            #expect(try await select(.receive(from: Channel<Int>()) { _ in 1 }, .after(.milliseconds(1)) { 2 }) == 2)
            let cancelled = Task { try await Channel<Int>().receive() }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
        }
    }

    @Test func itemsThatAreNeverReceivedAreFreed() async throws {
        let tally = Tally()
        try await onLoop { () throws -> Void in
            do {
                let channel = Channel<Witness>(capacity: 4)
                for _ in 0..<3 { try channel.send(Witness(tally)) }
                _ = try channel.receive()
                #expect(tally.count == 1)
            }
            #expect(tally.count == 3)
            let rendezvous = Channel<Witness>()
            let fiber = spawn { try rendezvous.send(Witness(tally)) }
            try yield()
            fiber.cancel()
            try fiber.join()
            #expect(tally.count == 4)
            #expect(throws: ChannelError.wouldWait) { try rendezvous.sendNoWait(Witness(tally)) }
            #expect(tally.count == 5)
        }
    }
}
