import Glibc
import Testing

/// The examples against the originals' output: the same lines in the same order, at the same times. Expected times are
/// those of the Python programs' own runs, from the first line on.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ExampleTests {
    /// What the machine may add to each wait, when the other tests run as well.
    private let tolerance = 0.1

    private func run(_ name: String, environment: [String: String] = [:]) async throws -> RunningProgram.Outcome {
        let outcome = try await RunningProgram.run("SwiftletExamples", name, environment: environment)
        #expect(outcome.exitCode == 0)
        #expect(outcome.errors == "")
        return outcome
    }

    private func compare(_ outcome: RunningProgram.Outcome, _ expected: [(seconds: Double, text: String)]) {
        #expect(outcome.texts == expected.map(\.text))
        guard outcome.lines.count == expected.count, let first = outcome.lines.first else { return }
        for (line, expected) in zip(outcome.lines, expected) {
            let seconds = line.seconds - first.seconds
            let bounds = expected.seconds - tolerance...expected.seconds + tolerance
            #expect(bounds.contains(seconds), "\(line.text) came after \(seconds) s, not \(expected.seconds)")
        }
    }

    @Test
    func `Without a name the examples are listed`() async throws {
        let outcome = try await RunningProgram.run("SwiftletExamples")
        let first = ["e01", "e02", "e03", "e04", "e05", "e06", "e07", "e08"]
        #expect(outcome.texts.map { String($0.prefix(3)) }.starts(with: first))
        let unknown = try await RunningProgram.run("SwiftletExamples", "e99")
        #expect(unknown.exitCode == 64)
        #expect(unknown.errors == "SwiftletExamples: there is no example e99; without a name they are listed\n")
    }

    @Test(arguments: ["e01", "e02"])
    func `Loops print how long they took`(name: String) async throws {
        let outcome = try await run(name, environment: ["LOOP_N": "100000"])
        #expect(outcome.lines.count == 1)
        let seconds = try #require(outcome.texts.first.flatMap { Double($0) })
        #expect(seconds > 0 && seconds < 5)
    }

    @Test
    func `A generator does not run while its caller blocks`() async throws {
        let outcome = try await run("e03", environment: ["E03_DELAY": "0.5"])
        let total = try #require(outcome.texts.last.flatMap { Double($0) })
        #expect(total >= 1.5 && total < 1.5 + tolerance)
        compare(
            outcome,
            [
                (0.0, "func1"), (0.5, "func2"), (0.5, "func1"), (1.0, "func2"), (1.0, "func1"), (1.5, "func2"),
                (1.5, outcome.texts.last!),
            ])
    }

    @Test
    func `Greenlets switch to whom they name`() async throws {
        compare(
            try await run("e04"),
            [(0, "egon eat 1"), (0, "egon play 1"), (0, "egon eat 2"), (0, "egon play 2")])
    }

    @Test
    func `Fibers have their values after the join`() async throws {
        // The original's lines, with Swift's spelling of None, False and True.
        compare(
            try await run("e05"),
            [
                (0, "before join: nil false"), (0, "after join: 15 func2 true true"), (0, "joinAll: 15 func2 true"),
            ])
    }

    @Test
    func `Fibers switch where they sleep`() async throws {
        compare(
            try await run("e06"),
            [(0, "egon eat 1"), (0, "egon play 1"), (1, "egon play 2"), (2, "egon eat 2"), (2, "主")])
    }

    @Test
    func `Fibers pass for threads, numbered in the order of asking`() async throws {
        // The tutorial's names; the Python that made the other originals says Dummy-1 and Dummy-2.
        compare(
            try await run("e07"),
            [
                (0, "DummyThread-1"), (0, "eat food 1"), (0, "DummyThread-2"), (0, "play 1"), (1, "play 2"),
                (2, "eat food 2"), (2, "主"),
            ])
    }

    @Test
    func `Ten tasks one after the other, and at once`() async throws {
        let serial = (0..<10).map { (seconds: 0.5 * Double($0 + 1), text: "Task \($0) done") }
        let together = (0..<10).map { (seconds: 5.5, text: "Task \($0) done") }
        let outcome = try await run("e08")
        compare(outcome, [(0, "Synchronous:")] + serial + [(5, "Asynchronous:")] + together)
        #expect(outcome.seconds < 5.6 + tolerance)
    }

    @Test(arguments: [(name: "e22", count: 5, limit: 3.05), (name: "e23", count: 100, limit: 3.10)])
    func `Requests to the slow server wait together`(name: String, count: Int, limit: Double) async throws {
        let server = try RunningProgram("swiftlet", ["serve", "--port", "0", "--delay", "3s"])
        let start = try #require(try await onThread { server.nextLine()?.text })
        let url = String(try #require(start.firstMatch(of: /http:\S+\d/)).output)
        let outcome = try await onThread { try RunningProgram("SwiftletExamples", [name, url]).finish() }
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        #expect(outcome.texts.prefix(count).allSatisfy { $0 == "Waiting for \(url)" })
        #expect(outcome.texts.dropFirst(count).dropLast().count == count)
        #expect(
            outcome.texts.dropFirst(count).dropLast().allSatisfy { $0 == "Get response from \(url) Result: Hello!" })
        let cost = try #require(outcome.texts.last?.firstMatch(of: /^Cost time: ([\d.]+)$/))
        let seconds = try #require(Double(cost.output.1))
        #expect(seconds >= 3 && seconds <= limit)
    }

    /// Starts E18 and answers it with its address.
    private func slowServer(_ arguments: String...) async throws -> (RunningProgram, url: String) {
        let server = try RunningProgram("SwiftletExamples", ["e18", "0"] + arguments)
        let start = try #require(try await onThread { server.nextLine()?.text })
        let url = try #require(start.wholeMatch(of: /Running on (http:\/\/127.0.0.1:\d+)\/ \(Press CTRL\+C to quit\)/))
        return (server, String(url.output.1))
    }

    @Test
    func `Serial requests take their delays one after the other`() async throws {
        let (server, url) = try await slowServer("0.5")
        let outcome = try await onThread { try RunningProgram("SwiftletExamples", ["e24", url]).finish() }
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        let pairs = (0..<5).flatMap { n in
            [
                (seconds: 0.5 * Double(n), text: "Waiting for \(url)"),
                (seconds: 0.5 * Double(n + 1), text: "Get response from \(url) Result: Hello!"),
            ]
        }
        compare(outcome, pairs + [(2.5, outcome.texts.last ?? "")])
        let cost = try #require(outcome.texts.last?.firstMatch(of: /^Cost time: ([\d.]+)$/))
        let seconds = try #require(Double(cost.output.1))
        #expect(seconds >= 2.5 && seconds < 2.5 + tolerance)
        server.signal(SIGINT)
        let end = try await onThread { try server.finish() }
        #expect(end.exitCode == 0 && end.errors == "")
    }

    @Test
    func `The slow server with one place answers one request after the other`() async throws {
        let (server, url) = try await slowServer("0.5", "--single")
        let outcome = try await onThread { try RunningProgram("SwiftletExamples", ["e22", url]).finish() }
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        let waiting = (0..<5).map { _ in (seconds: 0.0, text: "Waiting for \(url)") }
        let answers = (1...5).map { (seconds: 0.5 * Double($0), text: "Get response from \(url) Result: Hello!") }
        compare(outcome, waiting + answers + [(2.5, outcome.texts.last ?? "")])
        server.signal(SIGINT)
        #expect(try await onThread { try server.finish() }.exitCode == 0)
    }
}
