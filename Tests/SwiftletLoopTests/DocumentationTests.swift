import Swiftlet
import TestSupport
import Testing

/// The code of the articles that no example holds: it compiles, and does what the articles say.
@Suite struct DocumentationTests {
    private func answer(from answers: Channel<String>, unless stopped: Event) throws -> String? {
        try select(
            .receive(from: answers) { $0 },
            .wait(for: stopped) { nil },
            .after(.milliseconds(10)) { nil })
    }

    // ComingFromGo
    @Test func selectAnswersStopsOrGivesUp() async throws {
        try await onLoop { () throws -> Void in
            let (answers, stopped) = (Channel<String>(), Event())
            #expect(try answer(from: answers, unless: stopped) == nil)
            spawn { try answers.send("yes") }
            #expect(try answer(from: answers, unless: stopped) == "yes")
            stopped.set()
            #expect(try answer(from: answers, unless: stopped) == nil)
        }
    }

    // ComingFromGo
    @Test func aChannelEndsWhenItIsClosed() async throws {
        let received = try await onLoop { () throws -> [Int] in
            let numbers = Channel<Int>()
            spawn {
                for n in 1...3 { try numbers.send(n) }
                numbers.close()
            }
            return Array(numbers)
        }
        #expect(received == [1, 2, 3])
    }

    // ComingFromPython
    @Test func aQueueIsServedUntilItIsShutDown() async throws {
        let served = try await onLoop { () throws -> [Int] in
            let jobs = Queue<Int>(capacity: 2)
            let worker = spawn { Array(jobs) }
            for job in 1...3 { try jobs.put(job) }
            jobs.shutdown()
            return try worker.get()
        }
        #expect(served == [1, 2, 3])
    }
}
