import Foundation
import Swiftlet
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(2)))
struct FetchTests {
    @Test func `Each URL gives an object, as soon as it is there, a URL given twice two`() async throws {
        let server = try await ScriptedServer { path, _ in
            switch path {
            case "/slow": .later(.milliseconds(600), "slow")
            case "/there": .answer(302, fields: ["Location: /found?x=\"1\""])
            case "/none": .answer(404, "nothing")
            default: .answer(200, "body of \(path)")
            }
        }
        defer { server.close() }
        let list = try TemporaryFile(
            ["", server.url("/a"), "  \(server.url("/there"))\t\r", "", server.url("/none"), server.url("/a")]
                .joined(separator: "\n"))
        let outcome = try await RunningProgram.run("swiftlet", "fetch", server.url("/slow"), "--input", list.path)
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let results = try ResultLine.all(outcome.texts)
        #expect(results.count == 5 && results.last?.url == server.url("/slow"))
        #expect(results.last!.elapsedS! >= 0.6 && results.last!.elapsedS! < 5 + outcome.delay)
        let byURL = Dictionary(grouping: results, by: \.url)
        #expect(byURL[server.url("/a")]?.map(\.status) == [200, 200] && server.count("/a") == 2)
        #expect(byURL[server.url("/none")]?[0].status == 404 && byURL[server.url("/none")]?[0].bytes == 7)
        let moved = try #require(byURL[server.url("/there")]?[0])
        #expect(moved.status == 200 && moved.finalUrl?.hasPrefix(server.url("/found?x=")) == true)
        #expect(results.allSatisfy { $0.attempts == 1 && $0.error == nil })
        #expect(outcome.texts[0].hasPrefix("{\"url\": \"http://127.0.0.1"))
        // Summary.
        #expect(outcome.errors.contains("5 URLs in") && outcome.errors.contains("5 fetched, 0 failed"))
        #expect(outcome.errors.contains("200: 4, 404: 1") && outcome.errors.contains("latency  50 %"))
    }

    @Test func `What is sent: method, fields, body; redirects as they are`() async throws {
        let server = try await ScriptedServer { _, _ in .answer(302, fields: ["Location: /x"]) }
        defer { server.close() }
        let outcome = try await RunningProgram.run(
            "swiftlet", "fetch", server.url("/"), "-X", "PUT", "-d", "a=b", "-H", "X-One: 1", "--header", "X-Two:2",
            "--no-follow", "--quiet")
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        let result = try #require(try ResultLine.all(outcome.texts).first)
        #expect(result.status == 302 && result.finalUrl == server.url("/"))
        let head = try #require(server.heads.first).lowercased()
        #expect(head.hasPrefix("put / http/1.1") && head.contains("content-length: 3"))
        #expect(head.contains("x-one: 1") && head.contains("x-two: 2"))
        #expect(head.contains("content-type: application/x-www-form-urlencoded"))
    }

    @Test func `The kinds of errors`() async throws {
        let server = try await ScriptedServer { path, _ in
            switch path {
            case "/early": .raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            case "/garbage": .raw("hello\r\n\r\n")
            case "/reset": .reset
            case "/loop": .answer(301, fields: ["Location: /loop"])
            case "/slowly": .later(.seconds(60), "")
            default: .answer(200)
            }
        }
        defer { server.close() }
        let urls = [
            ("nonsense", "url"), ("ftp://127.0.0.1/", "url"), ("http://127.0.0.1:1/", "connect"),
            ("http://no-such-host.invalid/", "dns"), (server.url("/early"), "protocol"),
            (server.url("/garbage"), "protocol"), (server.url("/reset"), "protocol"), (server.url("/loop"), "http"),
            (server.url("/slowly"), "timeout"), ("https://127.0.0.1:\(server.port)/", "tls"),
        ]
        let arguments = ["fetch", "--timeout", "2s", "--retries", "0"] + urls.map(\.0)
        let outcome = try await onThread { try RunningProgram("swiftlet", arguments).finish() }
        #expect(outcome.exitCode == 1)
        let results = try ResultLine.all(outcome.texts)
        for (url, kind) in urls {
            let result = try #require(results.first { $0.url == url })
            #expect(result.error?.kind == kind, "\(url): \(result)")
            #expect(result.status == nil && result.error?.message.isEmpty == false)
            #expect(result.attempts == (kind == "url" ? 0 : 1))
            // The words are the command's, not the library's.
            if kind == "timeout" { #expect(result.error?.message.contains("raise --timeout") == true) }
            if kind == "url" { #expect(result.error?.message.contains("Scheme:") == false) }
        }
        #expect(
            outcome.errors.contains("errors   url: 2, timeout: 1, dns: 1, connect: 1, tls: 1, protocol: 3, http: 1"))
    }

    @Test func `What is tried again, and how often`() async throws {
        let server = try await ScriptedServer { path, count in
            switch path {
            case "/busy": count < 2 ? .answer(503, fields: ["Retry-After: 0"]) : .answer(200)
            case "/overloaded": .answer(429, fields: ["Retry-After: 0"])
            case "/asks": count == 0 ? .answer(503, fields: ["Retry-After: 1"]) : .answer(200)
            case "/breaks": count == 0 ? .reset : .answer(200)
            case "/broken": .answer(500)
            case "/tomorrow": .answer(503, fields: ["Retry-After: 301"])
            default: .reset
            }
        }
        defer { server.close() }
        func run(_ arguments: String...) async throws -> (code: CInt, results: [String: ResultLine]) {
            let outcome = try await onThread {
                try RunningProgram("swiftlet", ["fetch", "--quiet"] + arguments).finish()
            }
            let results = try ResultLine.all(outcome.texts)
            return (outcome.exitCode, Dictionary(results.map { ($0.url, $0) }, uniquingKeysWith: { $1 }))
        }
        let names = ["/busy", "/overloaded", "/asks", "/breaks", "/broken", "/tomorrow"]
        let urls = names.map { server.url($0) }
        let first = try await run(urls[0], urls[1], urls[2], urls[3], urls[4], urls[5])
        #expect(first.code == 0)
        let expected = [(200, 3), (429, 3), (200, 2), (200, 2), (500, 1), (503, 1)]
        for (url, (status, attempts)) in zip(urls, expected) {
            #expect(first.results[url]?.status == status && first.results[url]?.attempts == attempts, "\(url)")
        }
        #expect(names.map { server.count($0) } == [3, 3, 2, 2, 1, 1])
        let second = try await run("--fail", "--retries", "0", urls[1], urls[4])
        #expect(second.code == 1)
        #expect(second.results.values.allSatisfy { $0.error?.kind == "http" && $0.attempts == 1 })
        let third = try await run("-X", "POST", server.url("/lost"))
        #expect(third.code == 1 && third.results[server.url("/lost")]?.attempts == 1)
        let fourth = try await run("--retries", "1", server.url("/lost"), "http://127.0.0.1:1/")
        #expect(fourth.results.values.allSatisfy { $0.attempts == 2 } && fourth.results.count == 2)
    }

    @Test func `Limits: at a time, to one host, in a second`() async throws {
        let server = try await ScriptedServer { _, _ in .later(.milliseconds(30), "x") }
        let other = try await ScriptedServer { _, _ in .later(.milliseconds(30), "x") }
        defer {
            server.close()
            other.close()
        }
        let urls = (0..<40).map { server.url("/\($0)") } + (0..<8).map { other.url("/\($0)") }
        let list = try TemporaryFile(urls.joined(separator: "\n"))
        let limited = try await RunningProgram.run(
            "swiftlet", "fetch", "--input", list.path, "-c", "6", "--per-host", "4")
        #expect(limited.exitCode == 0 && limited.texts.count == 48)
        #expect(server.most == 4 && other.most <= 4)
        // Those of the other host, though last in the list, did not wait for the first host's turn.
        let order = try ResultLine.all(limited.texts).map(\.url)
        #expect(order.lastIndex { $0.contains(":\(other.port)/") }! < 40)
        let all = try await RunningProgram.run("swiftlet", "fetch", "--input", list.path, "-c", "6")
        #expect(all.texts.count == 48 && server.most <= 6)
        let paced = try await RunningProgram.run(
            "swiftlet", "fetch", "--rate", "20", server.url("/a"), server.url("/b"), server.url("/c"), server.url("/d"),
            server.url("/e"))
        #expect(paced.texts.count == 5 && paced.seconds > 0.2)
    }

    @Test func `Bodies are saved under safe names`() async throws {
        let server = try await ScriptedServer { path, _ in
            path == "/bad" ? .answer(404, "no") : .answer(200, "body of \(path)")
        }
        defer { server.close() }
        let directory = try TemporaryFile(nil)
        let paths = ["/../../etc/passwd", "/a/b?c=d&e", "/\(String(repeating: "x", count: 3000))", "/bad"]
        let outcome = try await onThread {
            try RunningProgram("swiftlet", ["fetch", "-q", "--save", directory.path] + paths.map { server.url($0) })
                .finish()
        }
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let results = try ResultLine.all(outcome.texts)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(names.count == 4 && results.count == 4)
        for name in names { #expect(name.utf8.count < 200 && !name.hasPrefix(".") && !name.contains("/")) }
        for result in results {
            let file = try #require(result.file)
            #expect(file.hasPrefix(directory.path + "/"))
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text.utf8.count == result.bytes && text.hasPrefix(result.status == 404 ? "no" : "body of /"))
        }
    }

    @Test(arguments: [SIGKILL, SIGINT])
    func `A run that is ended in the middle goes on where it was`(signal: CInt) async throws {
        let server = try await ScriptedServer { path, _ in
            path == "/never" ? .later(.seconds(60), "") : .later(.milliseconds(20), "x")
        }
        defer { server.close() }
        let urls = (0..<150).map { server.url("/\($0 % 140)") }  // ten of them twice
        let list = try TemporaryFile(([server.url("/never")] + urls).joined(separator: "\n"))
        let output = try TemporaryFile("")
        let program = try RunningProgram(
            "swiftlet", ["fetch", "--input", list.path, "-o", output.path, "-c", "8", "--timeout", "50s"])
        try await until { (try? output.lines().count) ?? 0 >= 30 }
        program.signal(signal)
        let outcome = try await onThread { try program.finish() }
        #expect(outcome.exitCode == (signal == SIGINT ? 130 : 128 + SIGKILL))
        let before = try ResultLine.all(try output.lines())
        let finished = before.filter { $0.error == nil }
        #expect(finished.count >= 30 && finished.count < 151)
        if signal == SIGINT {
            let cancelled = before.filter { result in result.error?.kind == "cancelled" }.map(\.url)
            #expect(cancelled.contains(server.url("/never")))
            #expect(before.count - finished.count <= 8 && before.allSatisfy { $0.attempts >= 1 })
            #expect(outcome.errors.contains("interrupted: "))
        } else {
            #expect(before.count == finished.count)
            // As if the machine had gone off in the middle of a line.
            try output.append("{\"url\": \"http://127.0.0.1:1/\", \"final_u")
        }
        let again = try await RunningProgram.run(
            "swiftlet", "fetch", "--input", list.path, "-o", output.path, "-c", "8", "--timeout", "1s", "--resume")
        #expect(again.exitCode == 1)  // for /never
        // No finished URL is asked for again; only what was under way at the end, at most 8, is asked for twice.
        for (url, results) in Dictionary(grouping: finished, by: \.url) {
            let wanted = urls.count { $0 == url }
            if results.count == wanted { #expect(server.count(String(url.dropFirst(server.url("").count))) == wanted) }
        }
        #expect((151...151 + 8).contains(server.total))
        let after = try ResultLine.all(try output.lines())
        #expect(after.count == 151)
        #expect(after.filter { $0.error != nil }.map(\.url) == [server.url("/never")])
        #expect(after.map(\.url).sorted() == (urls + [server.url("/never")]).sorted())
        #expect(again.errors.contains("\(finished.count) finished before"))
    }

    @Test func `Results come while the input is still open`() async throws {
        let server = try await ScriptedServer { _, _ in .answer(200) }
        defer { server.close() }
        let pipe = try TemporaryFile(nil)
        #expect(mkfifo(pipe.path, 0o600) == 0)
        let urls = (0..<3).map { server.url("/\($0)") }
        try await onThread {
            // Opened for both, so that neither side waits for the other.
            let input = open(pipe.path, O_RDWR | O_CLOEXEC)
            let program = try RunningProgram("swiftlet", ["fetch", "--input", "-", "-q"], input: pipe.path)
            for url in urls {
                #expect(write(input, url + "\n", url.utf8.count + 1) == url.utf8.count + 1)
                #expect(try ResultLine.all([try #require(program.nextLine()?.text)]).first?.url == url)
            }
            program.signal(SIGINT)
            #expect(try program.finish().exitCode == 130)
            close(input)
        }
    }

    @Test func `Fifty thousand lines need no more memory than a thousand`() async throws {
        let server = try await ScriptedServer { _, _ in .answer(200) }
        defer { server.close() }
        let pipe = try TemporaryFile(nil)
        #expect(mkfifo(pipe.path, 0o600) == 0)
        let url = server.url("/")
        try await onThread {
            let input = open(pipe.path, O_RDWR | O_CLOEXEC)
            let program = try RunningProgram("swiftlet", ["fetch", "--input", "-", "-c", "20", "-q"], input: pipe.path)
            // Most are no URLs, which is all the work that a quick test can afford.
            let lines = (0..<500).map { $0 == 0 ? url : "no URL, number \($0), and long enough" } + [""]
            let text = Array(lines.joined(separator: "\n").utf8)
            var peaks: [Int] = []
            for round in 1...100 {
                #expect(write(input, text, text.count) == text.count)
                for _ in 0..<500 { #expect(program.nextLine() != nil) }
                if round == 2 || round == 100 { peaks.append(try program.peakKilobytes()) }
            }
            program.signal(SIGINT)
            #expect(try program.finish().exitCode == 130)
            close(input)
            #expect(peaks[0] > 1000 && peaks[1] < peaks[0] + 4000, "\(peaks)")
        }
    }

    @Test(arguments: [
        ([], "give URLs to fetch, or --input FILE"),
        (["-c", "0", "http://a/"], "--concurrency must be 1 to"),
        (["--per-host", "-1", "http://a/"], "--per-host must be at least 1"),
        (["--rate", "0", "http://a/"], "--rate must be 0.000001 to"),
        (["--timeout", "5", "http://a/"], "a duration is a number with its unit"),
        (["-H", "nonsense", "http://a/"], "--header 'nonsense' is no field"),
        (["-X", "GE T", "http://a/"], "--method 'GE T' is no method"),
        (["-X", "CONNECT", "http://a/"], "--method CONNECT makes tunnels"),
        (["-H", "Host: b", "http://a/"], "--header 'Host: b' cannot be set"),
        (["--resume", "http://a/"], "--resume needs --output"),
        (["--input", "/none/such"], "--input /none/such cannot be read: No such file"),
        (["--input", "/tmp"], "--input /tmp is a directory"),
        (["-o", "/none/such", "http://a/"], "--output /none/such cannot be written"),
        (["--save", "/none/such", "http://a/"], "--save /none/such is no directory"),
        (["-c", "2000000000", "http://a/"], "--concurrency must be 1 to"),
    ])
    func `Bad usage: one line and exit code 2`(arguments: [String], reason: String) async throws {
        let outcome = try await onThread { try RunningProgram("swiftlet", ["fetch"] + arguments).finish() }
        #expect(outcome.exitCode == 2 && outcome.texts == [])
        #expect(outcome.errors.hasPrefix("swiftlet: ") && outcome.errors.contains(reason), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    @Test func `On a terminal there is a bar`() async throws {
        let server = try await ScriptedServer { path, _ in .later(.milliseconds(path == "/1" ? 500 : 10), "x") }
        defer { server.close() }
        let errors = try await onThread {
            // script(1) runs a command on a terminal of its own; results go elsewhere.
            let command =
                "\(RunningProgram.path(of: "swiftlet")) fetch -o /dev/null \(server.url("/0")) \(server.url("/1"))"
            let program = try SpawnedProgram(["script", "-qec", command, "/dev/null"])
            _ = program.waitFor(/longest/)
            return (program.text, program.end())
        }
        #expect(errors.1 == 0)
        #expect(errors.0.contains("[############............] 1/2 50 %") && errors.0.contains("to go"))
    }
}
