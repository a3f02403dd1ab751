import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

/// A channel with a lost wake-up planted: a receiver that has found nothing waits for something else before it enters
/// itself, and who sends meanwhile finds nobody to wake.
private final class ForgetfulChannel {
    private var items: [Int] = []
    private var waiting: [Event] = []

    func send(_ item: Int) {
        items.append(item)
        if !waiting.isEmpty { waiting.removeFirst().set() }
    }

    func receive() throws -> Int {
        while items.isEmpty {
            let event = Event()
            try yield()
            waiting.append(event)
            try event.wait()
        }
        return items.removeFirst()
    }
}

/// In the order of arrival it works.
private let exchange: @Sendable () throws -> Void = {
    let channel = ForgetfulChannel()
    let receiver = spawn(name: "receiver") {
        for number in 0..<3 where try channel.receive() != number { throw Failure(number) }
    }
    let sender = spawn(name: "sender") {
        for number in 0..<3 {
            for _ in 0..<3 { try yield() }
            channel.send(number)
        }
    }
    try joinAll([receiver, sender])
}

@Suite struct ExplorationTests {
    private func search(_ strategy: ExplorationStrategy, _ schedules: Int) throws -> ScheduleFailure {
        try #require(
            #expect(throws: ScheduleFailure.self) {
                try explore(schedules: schedules, seed: 1, strategy: strategy, exchange)
            })
    }

    @Test func aLostWakeUpIsFoundAndReplays() throws {
        try simulate(.arrival, exchange)
        let clock = ContinuousClock()
        let begin = clock.now
        let found = try search(.random, 100_000)
        #expect(clock.now - begin < .seconds(10 * Sanitizer.patience))
        #expect(found.error is DeadlockError)
        let seed = try #require(found.seed)
        #expect(found.description.contains("SWIFTLET_SEED=\(seed) repeats it"))
        #expect(found.description.contains("receiver"))
        // The whole order, and the plain one.
        #expect(throws: DeadlockError.self) { try simulate(.seeded(seed), exchange) }
        #expect(throws: DeadlockError.self) { try simulate(.chosen(found.choices), exchange) }
        #expect((1...3).contains(found.choices.deviations))
    }

    @Test func theSearchOfAllPlainOrdersFindsItToo() throws {
        let found = try search(.systematic(deviations: 2), 100_000)
        #expect(found.error is DeadlockError)
        #expect(found.seed == nil)
        #expect((1...2).contains(found.choices.deviations))
        #expect(throws: DeadlockError.self) { try simulate(.chosen(found.choices), exchange) }
    }

    @Test func theSearchOfAllOrdersEnds() throws {
        let orders = SharedJournal<[Int]>()
        let count = try explore(strategy: .systematic(deviations: 100)) { () throws -> Void in
            let journal = Journal<Int>()
            try joinAll((0..<4).map { number in spawn { journal.note(number) } })
            orders.note(journal.entries)
        }
        // Three choices among those that wait: the fourth has none.
        #expect(count == 24)
        #expect(Set(orders.entries).count == 24)
    }

    @Test func thePrimitivesForgetNobody() throws {
        try explore(schedules: 300) { () throws -> Void in
            let channel = Channel<Int>(capacity: 1)
            let lock = Lock()
            let total = Box(0)
            let receivers = (0..<3).map { _ in
                spawn {
                    while let number = try channel.receive() {
                        try lock.acquire()
                        let before = total.value
                        try yield()
                        total.value = before + number
                        try lock.release()
                    }
                }
            }
            let senders = (0..<3).map { number in spawn { for step in 0..<4 { try channel.send(number * 4 + step) } } }
            try joinAll(senders, rethrowing: true)
            channel.close()
            try joinAll(receivers, rethrowing: true)
            guard total.value == 66 else { throw Failure(total.value) }
        }
    }

    @Test func tasksAreReorderedLikeFibers() async throws {
        let orders = SharedJournal<[Int]>()
        try await explore(schedules: 30) { () async throws -> Void in
            let journal = SharedJournal<Int>()
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<4 { group.addTask { journal.note(number) } }
            }
            orders.note(journal.entries)
        }
        #expect(Set(orders.entries).count > 5)
    }
}
