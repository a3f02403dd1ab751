import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct CommandTests {
    @Test(arguments: [
        (["compare", "--requests", "0"], "--requests must be at least 1"),
        (["compare", "--requests", "many"], "The value 'many' is invalid"),
        (["compare", "--delay", "3"], "a duration is a number with its unit, such as 3s, 500ms, 1.5s or 2m"),
        (["compare", "--delay", "-1s"], "--delay"),
        (
            ["compare", "--only", "fibers,green"],
            "there is no mode 'green'; there are serial,threads,fibers,tasks,loops,processes,processes-tasks"
        ),
        (["serve", "--port", "65536"], "--port must be 0 to 65535"),
        (["compare", "--url", "nonsense"], "--url 'nonsense' is no URL"),
        (["surf"], "There is no command 'surf'; there are serve, fetch, "),
        (["nope"], "There is no command 'nope'; there are serve, fetch, "),
        (["dmup", "3"], "There is no command 'dmup'; did you mean 'dump'?"),
        (["tree", "-5"], "Unknown option '-5'"), (["ps", "-5"], "Unknown option '-5'"),
    ])
    func `Bad arguments: one line and exit code 64`(arguments: [String], reason: String) async throws {
        let outcome = try await onThread { try RunningProgram("swiftlet", arguments).finish() }
        #expect(outcome.exitCode == 64)
        #expect(outcome.texts == [])
        #expect(outcome.errors.hasPrefix("swiftlet: "))
        #expect(outcome.errors.contains(reason))
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    /// Also where something is missing besides: that may be the misspelled one.
    @Test(arguments: [
        ["serve", "--nosuch"], ["fetch", "--nosuch"], ["fetch", "-d", "-x", "--nosuch=1"], ["worker", "--nosuch", "5"],
        ["compare", "--nosuch"], ["compare", "--requests", "0", "--nosuch"], ["run", "--nosuch", "program"],
        ["ps", "--nosuch"], ["tree", "--nosuch"], ["dump", "--nosuch"], ["top", "--nosuch"], ["top", "--nosuch", "1"],
        ["trace", "-o", "file", "--nosuch"], ["web", "--nosuch"],
    ])
    func `An unknown option is named`(arguments: [String]) async throws {
        let outcome = try await onThread { try RunningProgram("swiftlet", arguments).finish() }
        #expect(outcome.exitCode == (arguments[0] == "fetch" ? 2 : 64))
        #expect(outcome.errors.hasPrefix("swiftlet: Unknown option '--nosuch"))
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    @Test(arguments: [
        ["fetch", "--data", "--input", "--no-follow"], ["worker", "-c", "5"], ["top", "--interval", "1s"],
    ])
    func `What is missing is named where all options are known`(arguments: [String]) async throws {
        let outcome = try await onThread { try RunningProgram("swiftlet", arguments).finish() }
        #expect(outcome.errors.contains(/give URLs|Missing expected argument/))
    }

    @Test
    func `The version`() async throws {
        let outcome = try await RunningProgram.run("swiftlet", "--version")
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        #expect(try #require(outcome.texts.first).contains(/^\d+\.\d+\.\d+/))
    }

    @Test
    func `A busy port: one line and exit code 69`() async throws {
        let (first, port) = try await serve(delay: "1s")
        let second = try await RunningProgram.run("swiftlet", "serve", "--port", port)
        #expect(second.exitCode == 69)
        #expect(second.errors.contains("127.0.0.1:\(port)"))
        #expect(second.errors.split(separator: "\n").count == 1)
        first.signal(SIGTERM)
        #expect(try first.finish().exitCode == 128 + SIGTERM)
    }

    @Test
    func `An unreachable server: exit code 69`() async throws {
        for mode in ["serial", "threads", "fibers", "tasks", "loops", "processes", "processes-tasks"] {
            let outcome = try await RunningProgram.run(
                "swiftlet", "compare", "--url", "http://127.0.0.1:1/", "--requests", "5", "--only", mode)
            #expect(outcome.exitCode == 69)
            #expect(outcome.texts == [])
            // The progress line and the error.
            #expect(outcome.errors.split(separator: "\n").count == 2, "\(outcome.errors)")
            #expect(outcome.errors.contains("refused"))
        }
    }

    @Test
    func `Too few descriptors are said before anything is started`() async throws {
        let outcome = try await RunningProgram.run("swiftlet", "compare", "--requests", "2000000000")
        #expect(outcome.exitCode == 71)
        #expect(outcome.errors.contains("2000000000 requests at once need 2000000064 descriptors"))
        #expect(outcome.seconds < 1)
    }

    struct Row: Decodable {
        let mode: String
        let requests: Int
        let delayS: Double
        let wallS: Double
        let cpuS: Double
        let peakRssBytes: Int
    }

    @Test
    func `Compare prints one JSON object a mode`() async throws {
        let outcome = try await RunningProgram.run(
            "swiftlet", "compare", "--json", "--requests", "20", "--delay", "250ms")
        #expect(outcome.exitCode == 0)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let rows = try outcome.texts.map { try decoder.decode(Row.self, from: Data($0.utf8)) }
        #expect(rows.map(\.mode) == ["serial", "threads", "fibers", "tasks", "loops", "processes", "processes-tasks"])
        for row in rows {
            #expect(row.requests == 20 && row.delayS == 0.25)
            // The serial one is scaled from three requests; 8 processes make three rounds.
            let expected = row.mode == "serial" ? 5 : row.mode == "processes" ? 0.75 : 0.25
            // Debug builds need some time to start 8 processes.
            let start = row.mode.hasPrefix("processes") ? 0.5 : 0
            #expect(row.wallS >= expected && row.wallS < expected * 1.5 + start, "\(row)")
            #expect(row.cpuS > 0 && row.cpuS < 1, "\(row)")
            #expect(row.peakRssBytes > 1_000_000 && row.peakRssBytes < 200_000_000, "\(row)")
        }
        #expect(outcome.errors.contains("3/7 fibers: blocking client in fibers, one thread"))
    }

    @Test
    func `Without --json there are a table and a plain chart`() async throws {
        let outcome = try await RunningProgram.run(
            "swiftlet", "compare", "--requests", "10", "--delay", "100ms", "--only", "tasks,serial")
        let text = outcome.texts.joined(separator: "\n")
        #expect(text.hasPrefix("10 requests to a server that takes 0.10 s for an answer\n\nmode "))
        #expect(text.contains("305 s  requests"))
        #expect(text.contains("3.1 s  asyncio"))
        #expect(text.contains("* 3 of 10 requests made, their time and CPU scaled to 10"))
        #expect(text.contains("log scale from 0.1 s; # here, - the tutorial"))
        #expect(outcome.texts.suffix(4).map { $0.prefix { $0 != " " } } == ["serial", "requests", "tasks", "asyncio"])
        #expect(text.utf8.allSatisfy { $0 < 128 })
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGKILL])
    func `No child outlives a compare that is stopped`(signal: CInt) async throws {
        let program = try RunningProgram("swiftlet", ["compare", "--delay", "10s", "--only", "fibers"])
        try await until { children(of: program.identifier).count == 2 }  // the server and the measured one
        let identifiers = children(of: program.identifier)
        program.signal(signal)
        let outcome = try await onThread { try program.finish() }
        #expect(outcome.exitCode == 128 + signal)
        try await until { !identifiers.contains(where: isRunning) }
    }

    @Test
    func `No child outlives a compare that ends`() async throws {
        let program = try RunningProgram(
            "swiftlet", ["compare", "--delay", "500ms", "--only", "fibers", "--requests", "5"])
        try await until { children(of: program.identifier).count == 2 }
        let identifiers = children(of: program.identifier)
        let outcome = try await onThread { try program.finish() }
        #expect(outcome.exitCode == 0)
        #expect(!identifiers.contains(where: isRunning))
    }

    // MARK: What the tests need

    /// A running server and its port.
    private func serve(delay: String) async throws -> (RunningProgram, port: String) {
        let program = try RunningProgram("swiftlet", ["serve", "--port", "0", "--delay", delay])
        let line = try #require(try await onThread { program.nextLine()?.text })
        let found = try #require(
            line.wholeMatch(of: /Running on http:\/\/127\.0\.0\.1:(\d+)\/ \(Press CTRL\+C to quit\)/))
        return (program, String(found.1))
    }
}
