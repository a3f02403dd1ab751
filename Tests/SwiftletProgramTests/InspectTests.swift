import Foundation
import Swiftlet
import TestSupport
import Testing

/// `swiftlet ps`, `tree`, `dump`, `top`, `trace` and `web` on processes with something to see in them.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct InspectTests {
    /// One that has said that it is there.
    private func start(_ words: String..., inspects: Bool = true) throws -> RunningProgram {
        let program = try RunningProgram(
            "InspectProgram", words, environment: inspects ? ["SWIFTLET_INSPECT": "1"] : [:])
        #expect(program.nextLine()?.text == "ready")
        return program
    }

    private func swiftlet(_ words: String..., environment: [String: String] = [:]) async throws
        -> RunningProgram.Outcome
    {
        try await onThread { try RunningProgram("swiftlet", words, environment: environment).finish() }
    }

    /// Asks again until it is found: a loop counts as blocked when it has been away for a while.
    private func finding(
        _ words: String, by command: String, of program: RunningProgram
    ) async throws -> (RunningProgram.Outcome, String) {
        var outcome = try await swiftlet(command, "\(program.identifier)")
        let deadline = ContinuousClock.now + .seconds(60)
        while !outcome.texts.contains(where: { $0.hasPrefix(words) }), ContinuousClock.now < deadline {
            outcome = try await swiftlet(command, "\(program.identifier)")
        }
        return (outcome, try #require(outcome.texts.first { $0.hasPrefix(words) }))
    }

    @Test
    func `A list of processes, and of the coroutines of one`() async throws {
        let program = try start("parked")
        let processes = try await swiftlet("ps")
        #expect(processes.texts.contains { $0.hasPrefix("\(program.identifier) ") && $0.hasSuffix("InspectProgram") })
        let outcome = try await swiftlet("ps", "\(program.identifier)")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        func line(_ name: String) -> String { outcome.texts.first { $0.contains(" \(name) ") } ?? "" }
        #expect(line("listener").contains("to read: TCP listener 127.0.0.1:"))
        #expect(line("sleeper").contains("a timer, at most 16 min more"))
        #expect(line("second").contains("a lock held by owner"))
        #expect(line("consumer").contains("a channel (0x"))
        #expect(line("patient").contains("a permit of a semaphore or limiter"))
        #expect(line("joiner").contains("the end of owner"))
        #expect(line("parent").contains("2 children of a spawn scope"))
        #expect(line("later").contains(" new "))
        #expect(outcome.texts.contains { $0.contains(" task ") && $0.contains("a channel (0x") })
        program.signal(SIGKILL)
    }

    @Test
    func `A list as JSON`() async throws {
        let program = try start("parked")
        let outcome = try await swiftlet("ps", "\(program.identifier)", "--json", "--filter", "sleeper")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.texts.joined().utf8)) as? [String: Any])
        #expect(object["pid"] as? Int == Int(program.identifier))
        let coroutines = try #require(object["coroutines"] as? [[String: Any]])
        #expect(coroutines.count == 1 && coroutines[0]["wait"] as? String == "a timer")
        #expect(((object["loops"] as? [[String: Any]])?.first?["parks"] as? Int ?? 0) > 0)
        program.signal(SIGKILL)
    }

    @Test
    func `A tree of who spawned whom`() async throws {
        let program = try start("parked")
        let outcome = try await swiftlet("tree", "\(program.identifier)")
        #expect(outcome.texts.contains { $0.hasPrefix("+- main (") })
        #expect(outcome.texts.contains { $0.hasPrefix("|  +- parent (") && $0.contains("2 children of a spawn scope") })
        #expect(
            outcome.texts.contains {
                $0.hasPrefix("|  |  +- left (") && $0.contains("in the scope of InspectProgram/Scenes.swift:")
            })
        program.signal(SIGKILL)
    }

    // MARK: Stuck processes, each diagnosed by one command

    @Test
    func `An endless computation`() async throws {
        let program = try start("compute")
        let (outcome, finding) = try await finding("! blocked loop:", by: "dump", of: program)
        #expect(finding.contains("it runs culprit, which computes without a wait") && finding.contains("toThread { }"))
        let place = try #require(outcome.texts.firstIndex(of: finding))
        #expect(outcome.texts[place...].prefix(6).contains { $0.contains("findPerfectNumbers") })
        let tree = try await swiftlet("tree", "\(program.identifier)")
        let told = try #require(tree.texts.firstIndex { $0.hasPrefix("! blocked loop:") })
        #expect(tree.texts[told...].prefix(5).contains { $0.contains("findPerfectNumbers") })
        program.signal(SIGKILL)
    }

    @Test
    func `A blocking call that is not covered`() async throws {
        let program = try start("blocking")
        let (outcome, finding) = try await finding("! blocked loop:", by: "ps", of: program)
        #expect(finding.contains("which is blocked in the system call clock_nanosleep"))
        let place = try #require(outcome.texts.firstIndex(of: finding))
        let frames = outcome.texts[place...].prefix(6)
        #expect(frames.contains { $0.contains("nanosleep") } && frames.contains { $0.contains("askSlowDevice") })
        #expect(outcome.texts.contains { $0.contains(" blocked ") && $0.contains(" culprit") })
        program.signal(SIGKILL)
    }

    @Test
    func `A deadlock of three fibers`() async throws {
        let program = try start("deadlock")
        let outcome = try await swiftlet("tree", "\(program.identifier)")
        let text = outcome.texts.joined(separator: "\n")
        #expect(text.contains("! deadlock: 3 coroutines wait for one another"))
        for (one, other) in [("Plato", "Kant"), ("Kant", "Hume"), ("Hume", "Plato")] {
            #expect(
                outcome.texts.contains {
                    $0.hasPrefix("    \(one) (spawned at InspectProgram/Scenes.swift:")
                        && $0.hasSuffix("waits for a lock held by \(other)")
                })
        }
        #expect(outcome.texts.count { $0.hasSuffix("[deadlock 1]") } == 3)
        let list = try await swiftlet("ps", "\(program.identifier)")
        #expect(list.texts.count { $0.hasSuffix("[deadlock 1]") } == 3)
        program.signal(SIGKILL)
    }

    @Test
    func `A lock that is held during another wait`() async throws {
        let program = try start("parked")
        let (_, finding) = try await finding("! unfair wait:", by: "ps", of: program)
        #expect(finding.contains("1 coroutine waits for a lock, for ") && finding.contains("that owner (spawned at "))
        #expect(finding.contains("Release the lock before such a wait."))
        program.signal(SIGKILL)
    }

    @Test
    func `A leak of a thousand sockets`() async throws {
        let program = try start("sockets", "1000")
        let outcome = try await swiftlet("ps", "\(program.identifier)")
        let finding = try #require(
            outcome.texts.first {
                $0.contains("! descriptors: 1,000 descriptors of one sort, all made at one place: TCP connections to")
            })
        let place = try #require(outcome.texts.firstIndex(of: finding))
        #expect(outcome.texts[place...].prefix(20).contains { $0.contains("openAndForget") })
        program.signal(SIGKILL)
    }

    @Test
    func `Thousands of fibers are listed, and told once`() async throws {
        let program = try start("many", "3000")
        let outcome = try await swiftlet("dump", "\(program.identifier)")
        #expect(
            outcome.texts.contains {
                $0.contains("! many fibers: 3,000 fibers spawned at InspectProgram/Scenes.swift:")
            })
        #expect(
            outcome.texts.count {
                $0.contains("fiber at InspectProgram/Scenes.swift:") && $0.contains("waits for a timer")
            } == 3000)
        // All wait at one place; where they came from differs for one or two.
        #expect(outcome.texts.count { $0.contains("SwiftletLoop.sleep(Swift.Duration)") } < 10)
        program.signal(SIGKILL)
    }

    // MARK: What cannot be inspected

    @Test
    func `One line and a fitting exit code for what cannot be inspected`() async throws {
        let none = try await swiftlet("ps", "999999999")
        #expect(none.exitCode == 66)
        #expect(
            none.errors == "swiftlet: there is no process 999999999; `swiftlet ps` lists those that can be inspected\n")
        for words in [["dump", "self"], ["tree", "-1"], ["top", "0"], ["trace"]] {
            let outcome = try await onThread { try RunningProgram("swiftlet", words).finish() }
            #expect(
                outcome.exitCode == 64 && outcome.errors.split(separator: "\n").count == 1,
                "\(words): \(outcome.errors)")
        }
        let program = try start("parked", inspects: false)
        let deaf = try await swiftlet("dump", "\(program.identifier)")
        #expect(deaf.exitCode == 69)
        #expect(deaf.errors.contains("does not listen for inspection: start it with SWIFTLET_INSPECT=1"))
        program.signal(SIGKILL)
        let stopped = try start("parked")
        stopped.signal(SIGSTOP)
        while try String(contentsOfFile: "/proc/\(stopped.identifier)/stat", encoding: .utf8).contains(") T ") == false
        {}
        let outcome = try await swiftlet("ps", "\(stopped.identifier)")
        #expect(outcome.exitCode == 69 && outcome.errors.contains("is stopped; let it go on first: kill -CONT"))
        stopped.signal(SIGKILL)
    }

    @Test
    func `One that has ended and was not waited for`() async throws {
        let program = try start("parked")
        program.signal(SIGKILL)
        while try String(contentsOfFile: "/proc/\(program.identifier)/stat", encoding: .utf8).contains(") Z ") == false
        {}
        let outcome = try await swiftlet("ps", "\(program.identifier)")
        #expect(outcome.exitCode == 69)
        #expect(
            outcome.errors.hasSuffix(
                "has ended; its number stays until its parent (process \(getpid())) takes note of that\n")
        )
    }

    @Test
    func `A name with commands for the terminal is shown without them`() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("e\u{1b}[31m\nx").path
        unlink(path)
        symlink("/bin/sleep", path)
        defer { unlink(path) }
        let program = try RunningProgram(String(repeating: "../", count: 30) + path, ["1000"])
        while try String(contentsOfFile: "/proc/\(program.identifier)/comm", encoding: .utf8).hasPrefix("e") == false {}
        let outcome = try await swiftlet("ps", "\(program.identifier)")
        #expect(outcome.errors.contains("(e?[31m?x) does not listen"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("\u{1b}") && outcome.errors.split(separator: "\n").count == 1)
        program.signal(SIGKILL)
    }

    @Test(arguments: ["dump", "dump --json", "ps", "ps --json", "tree"])
    func `Output that cannot be written is told`(words: String) async throws {
        let program = try start("parked")
        let command = "exec '\(RunningProgram.path(of: "swiftlet"))' \(words) \(program.identifier) > /dev/full"
        let outcome = try await onThread {
            try RunningProgram(String(repeating: "../", count: 30) + "bin/sh", ["-c", command]).finish()
        }
        #expect(outcome.exitCode == 74)
        #expect(outcome.errors == "swiftlet: cannot write the output: No space left on device\n")
        program.signal(SIGKILL)
    }

    @Test
    func `A program that is not linked with the library says so`() async throws {
        let outcome = try await onThread {
            try RunningProgram("PreloadProgram", ["1"], environment: ["SWIFTLET_INSPECT": "1"]).finish()
        }
        #expect(outcome.errors.contains("SWIFTLET_INSPECT is set, but this program is not linked with SwiftletInspect"))
    }

    @Test
    func `A signal starts the inspector of a stuck process`() async throws {
        let program = try RunningProgram("InspectProgram", ["compute"], environment: ["SWIFTLET_INSPECT": "signal"])
        #expect(program.nextLine()?.text == "ready")
        let silent = try await swiftlet("ps", "\(program.identifier)")
        #expect(silent.exitCode == 69)
        #expect(silent.errors.hasSuffix("it waits for a signal to begin: kill -USR2 \(program.identifier)\n"))
        program.signal(SIGUSR2)
        let deadline = ContinuousClock.now + .seconds(30)
        var outcome = try await swiftlet("ps", "\(program.identifier)")
        while outcome.exitCode != 0, ContinuousClock.now < deadline {
            outcome = try await swiftlet("ps", "\(program.identifier)")
        }
        #expect(outcome.texts.contains { $0.contains(" culprit") })
        program.signal(SIGKILL)
    }

    // MARK: Views and recordings

    @Test
    func `Plain lines without a terminal`() async throws {
        let program = try start("busy")
        let outcome = try await swiftlet("top", "\(program.identifier)", "--count", "2", "--interval", "300ms")
        #expect(outcome.exitCode == 0)
        #expect(outcome.texts.count { $0.hasPrefix("process \(program.identifier) (InspectProgram):") } == 2)
        #expect(outcome.texts.contains { $0.contains("fiber") && $0.contains("pong") && $0.contains(" %") })
        #expect(!outcome.texts.joined().contains("\u{1b}"))
        program.signal(SIGKILL)
    }

    @Test
    func `The full screen on a terminal: sorting, filtering, looking, quitting`() async throws {
        let program = try start("parked")
        let identifier = program.identifier
        try await onThread {
            let screen = try PseudoTerminal("swiftlet", ["top", "\(identifier)", "--interval", "200ms"])
            try screen.waitFor("sleeper")
            screen.type("/a lock held\r")
            try screen.waitFor("filter 'a lock held'")
            screen.type("\r")
            try screen.waitFor("spawned at InspectProgram/Scenes.swift:")
            screen.type("\u{1b}[D")  // Left means nothing
            try screen.waitFor("OwnedLock")
            screen.type("q")
            screen.type("s")
            try screen.waitFor("sort wait")
            screen.type("p")
            try screen.waitFor("PAUSED")
            screen.type("q")
            #expect(try screen.end() == 0)
            // It gives the terminal back.
            #expect(screen.text.hasSuffix("\u{1b}[?25h\u{1b}[?1049l"))
        }
        program.signal(SIGKILL)
    }

    @Test
    func `Ctrl-Z gives the terminal back, and going on takes it again`() async throws {
        let program = try start("parked")
        let identifier = program.identifier
        try await onThread {
            let screen = try PseudoTerminal("swiftlet", ["top", "\(identifier)", "--interval", "200ms"])
            try screen.waitFor("sleeper")
            #expect(!screen.isCooked)
            screen.signal(SIGTSTP)
            try screen.waitFor("\u{1b}[?25h\u{1b}[?1049l")
            try screen.waitForStop()
            #expect(screen.isCooked)
            screen.signal(SIGCONT)
            try screen.waitFor("\u{1b}[?1049h")
            try screen.waitFor("sleeper")
            #expect(!screen.isCooked)
            screen.type("q")
            #expect(try screen.end() == 0)
        }
        program.signal(SIGKILL)
    }

    @Test
    func `On a dumb terminal lines are as wide as it is, and looks stand apart`() async throws {
        let program = try start("parked")
        let identifier = program.identifier
        try await onThread {
            let screen = try PseudoTerminal(
                "swiftlet", ["top", "\(identifier)", "--interval", "200ms", "--count", "2"], columns: 80, kind: "dumb")
            #expect(try screen.end() == 0)
            let lines = screen.text.split(separator: "\r\n", omittingEmptySubsequences: false)
            #expect(lines.count { $0.hasPrefix("process \(identifier) ") } == 2)
            #expect(lines.dropLast().count { $0.isEmpty } == 1)
            #expect(lines.allSatisfy { $0.count <= 80 && !$0.hasSuffix(" ") && !$0.contains("\u{1b}") })
            #expect(screen.text.contains(/; at \d\d:\d\d:\d\d/) || screen.text.contains(/at\r\n  \d\d:\d\d:\d\d/))
        }
        program.signal(SIGKILL)
    }

    @Test
    func `A recording is a trace of Chrome's`() async throws {
        let program = try start("busy")
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID()).json").path
        defer { unlink(path) }
        let outcome = try await swiftlet("trace", "\(program.identifier)", "--duration", "700ms", "-o", path)
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let events = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [[String: Any]])
        func count(_ phase: String, _ name: String) -> Int {
            events.count { $0["ph"] as? String == phase && ($0["name"] as? String ?? "").hasPrefix(name) }
        }
        #expect(count("i", "spawn") > 5)
        #expect(count("B", "pong") > 5 && count("b", "waits: a channel") > 5 && count("b", "is ready") > 5)
        // Everything that begins ends.
        #expect(count("B", "") == count("E", "") && count("b", "") == count("e", ""))
        let times = events.compactMap { $0["ph"] as? String == "B" ? $0["ts"] as? Double : nil }
        #expect(times == times.sorted())
        program.signal(SIGKILL)
    }

    private func record(_ program: RunningProgram, _ duration: String = "700ms") async throws
        -> (events: [[String: Any]], errors: String)
    {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID()).json").path
        defer { unlink(path) }
        let outcome = try await swiftlet("trace", "\(program.identifier)", "--duration", duration, "-o", path)
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        return (try events(at: path), outcome.errors)
    }

    private func events(at path: String) throws -> [[String: Any]] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [[String: Any]])
    }

    /// When something began and ended, in microseconds; of a track all of which has the name.
    private func spans(_ name: String, _ phases: [String], in events: [[String: Any]]) -> [(begin: Double, end: Double)]
    {
        let times = phases.map { phase in
            events.filter { $0["name"] as? String == name && $0["ph"] as? String == phase }.compactMap {
                $0["ts"] as? Double
            }
        }
        return zip(times[0], times[1]).map { ($0, $1) }
    }

    @Test
    func `A recording of a stuck process shows what it is stuck in`() async throws {
        let program = try start("compute")
        let (events, errors) = try await record(program)
        let runs = spans("culprit", ["B", "E"], in: events)
        #expect(runs.count == 1 && runs.first?.begin == 0 && runs.first?.end ?? 0 >= 700_000)
        let waits = spans("waits: a timer", ["b", "e"], in: events)
        #expect(waits.count == 1 && waits.first?.begin == 0 && waits.first?.end ?? 0 >= 700_000)
        #expect(errors.contains("nothing happened meanwhile; `swiftlet dump \(program.identifier)`"))
        program.signal(SIGKILL)
    }

    @Test
    func `A recording of a deadlock goes on to its end, under the coroutines' names`() async throws {
        let program = try start("deadlock")
        let (events, _) = try await record(program)
        for (one, other) in [("Plato", "Kant"), ("Kant", "Hume"), ("Hume", "Plato")] {
            let lives = spans(one, ["b", "e"], in: events)
            #expect(lives.count == 1 && lives.first?.begin == 0 && lives.first?.end ?? 0 >= 700_000)
            let waits = spans("waits (lock): a lock held by \(other)", ["b", "e"], in: events)
            #expect(waits.count == 1 && waits.first?.begin == 0 && waits.first?.end ?? 0 >= 700_000)
        }
        program.signal(SIGKILL)
    }

    @Test
    func `A recorded coroutine has one track, which has its name`() async throws {
        let program = try start("busy")
        let (events, _) = try await record(program)
        let begins = events.filter { $0["ph"] as? String == "b" }
        let brief = begins.filter { $0["name"] as? String == "brief" }
        #expect(brief.count > 5 && Set(brief.compactMap { $0["id"] as? String }).count == brief.count)
        #expect(
            brief.contains {
                (($0["args"] as? [String: Any])?["spawned at"] as? String)?.hasPrefix("InspectProgram/Scenes.swift:")
                    == true
            })
        #expect(!events.contains { ($0["name"] as? String ?? "").hasPrefix("fiber at InspectProgram/") })
        program.signal(SIGKILL)
    }

    @Test
    func `A recording says where events were lost, and ends by a signal`() async throws {
        let program = try start("busy")
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID()).json").path
        defer { unlink(path) }
        // The program makes more than the recorder reads, the more so while that is stopped. It hears of a loss at the end of a
        // batch: however slow it is, it gets there in one of these times.
        var gaps: [[String: Any]] = []
        for seconds in [2, 8, 32] where gaps.isEmpty {
            let recorder = try RunningProgram("swiftlet", ["trace", "\(program.identifier)", "-o", path])
            while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }
            try await Task.sleep(for: .milliseconds(300))
            recorder.signal(SIGSTOP)
            try await Task.sleep(for: .seconds(1))
            recorder.signal(SIGCONT)
            try await Task.sleep(for: .seconds(seconds))
            recorder.signal(SIGINT)
            let outcome = try await onThread { try recorder.finish() }
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            gaps = try events(at: path).filter {
                $0["ph"] as? String == "i" && ($0["name"] as? String ?? "").hasSuffix(" lost here")
            }
            let lost = gaps.reduce(0) { $0 + (($1["args"] as? [String: Any])?["lost"] as? Int ?? 0) }
            let told = try #require(outcome.errors.firstMatch(of: /events?, ([0-9,]+) lost, [0-9.]+ MB/)).output.1
            #expect("\(lost)" == told.filter { $0 != "," })
        }
        #expect(!gaps.isEmpty)
        #expect(gaps.allSatisfy { $0["ts"] as? Double ?? 0 > 0 })
        program.signal(SIGKILL)
    }

    @Test
    func `On a terminal, findings are broken at its width`() async throws {
        let program = try start("deadlock")
        let identifier = program.identifier
        let lines = try await onThread {
            let screen = try PseudoTerminal("swiftlet", ["ps", "\(identifier)"])
            #expect(try screen.end() == 0)
            return screen.text.split(whereSeparator: \.isNewline).map(String.init)
        }
        let place = try #require(lines.firstIndex { $0.hasPrefix("! deadlock:") })
        #expect(lines[place].count <= 100 && lines[place + 1].hasPrefix("  ") && !lines[place + 1].hasPrefix("   "))
        #expect(lines.contains { $0.hasPrefix("    Plato (spawned at ") })
        program.signal(SIGKILL)
    }

    @Test
    func `A page for a browser of this machine, with a key`() async throws {
        let program = try start("deadlock")
        let web = try RunningProgram("swiftlet", ["web", "\(program.identifier)"])
        let line = try #require(web.nextLine()?.text)
        let address = try #require(line.firstMatch(of: /http:\/\/127\.0\.0\.1:(\d+)\/\?key=([0-9a-f]{32})/)).output
        func get(_ target: String, host: String = "127.0.0.1") async throws -> String {
            let port = try #require(Int(address.1))
            return try await onLoop { () throws -> String in
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: port)
                defer { connection.close() }
                try connection.write("GET \(target) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
                return String(decoding: try connection.readToEnd(limit: 10_000_000), as: UTF8.self)
            }
        }
        let page = try await get("/?key=\(address.2)")
        #expect(page.hasPrefix("HTTP/1.1 200") && page.contains("<!doctype html>"))
        #expect(page.contains("overflow-wrap: anywhere; }"))
        #expect(page.contains("default-src 'none'") && !page.contains("src=") && !page.contains("<link"))
        let snapshot = try await get("/snapshot?key=\(address.2)")
        let body = try #require(snapshot.range(of: "\r\n\r\n")).upperBound
        let object = try JSONSerialization.jsonObject(with: Data(snapshot[body...].utf8)) as? [String: Any]
        #expect((object?["coroutines"] as? [[String: Any]])?.count { $0["cycle"] != nil } == 3)
        #expect(try await get("/snapshot").hasPrefix("HTTP/1.1 403"))
        #expect(try await get("/?key=00000000000000000000000000000000").hasPrefix("HTTP/1.1 403"))
        #expect(try await get("/?key=\(address.2)", host: "evil.example").hasPrefix("HTTP/1.1 403"))
        program.signal(SIGKILL)
        // A page that is opened now has a name for what it cannot show.
        var late = snapshot
        let deadline = ContinuousClock.now + .seconds(60)
        while !late.contains("\"error\""), ContinuousClock.now < deadline {
            late = try await get("/snapshot?key=\(address.2)")
        }
        #expect(late.contains("\"process\": \"process \(program.identifier) ("))
        web.signal(SIGTERM)
        #expect(try web.finish().exitCode == 128 + SIGTERM)
    }
}
