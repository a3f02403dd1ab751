import Foundation
import Swiftlet
import TestSupport
import Testing

/// The examples that are no counterparts of the tutorial's: the chat room, the proxy, the crawler.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ServerExampleTests {
    @Test
    func `A guest of the chat room hears what is said`() async throws {
        let room = try RunningProgram("SwiftletExamples", ["chat"], environment: ["PORT": "0"])
        let start = try #require(try await onThread { room.nextLine()?.text })
        let port = String(try #require(start.wholeMatch(of: /Talk at ws:\/\/127.0.0.1:(\d+)\/chat/)).output.1)
        #expect(port != "0")
        let pipe = try TemporaryFile(nil)
        #expect(mkfifo(pipe.path, 0o600) == 0)
        let outcome = try await onThread {
            // Opened for both, so that neither side waits for the other.
            let input = open(pipe.path, O_RDWR | O_CLOEXEC)
            let guest = try RunningProgram("SwiftletExamples", ["chat", port], input: pipe.path)
            #expect(guest.nextLine()?.text == "* guest 1 has come")
            #expect(write(input, "hello\n", 6) == 6)
            #expect(guest.nextLine()?.text == "guest 1: hello")
            close(input)
            return try guest.finish()
        }
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        room.signal(SIGTERM)
        _ = try await onThread { try room.finish() }
    }

    /// Starts the proxy in front of a server; its address without the last slash.
    private func proxy(to url: String) async throws -> (RunningProgram, url: String) {
        let program = try RunningProgram("SwiftletExamples", ["proxy", url], environment: ["PORT": "0"])
        let line = try #require(try await onThread { program.nextLine()?.text })
        let found = try #require(line.firstMatch(of: /Forwarding (http:\/\/127.0.0.1:\d+)\//))
        return (program, String(found.output.1))
    }

    @Test
    func `The proxy passes on what is for the server, and hides what was between neighbours`() async throws {
        let server = try await ScriptedServer { path, _ in
            switch path {
            case "/moved": .answer(302, "there", fields: ["Location: /x", "Connection: X-Hop", "X-Hop: 1", "X-End: 2"])
            case "/early": .raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            default: .answer(200, "hello")
            }
        }
        defer { server.close() }
        let (program, url) = try await proxy(to: server.url(""))
        let moved = try await onThread {
            try SpawnedProgram.output(
                "curl", "-si", "-X", "PUT", "-H", "Connection: X-Secret", "-H", "X-Secret: 1", "-H", "X-Kept: 2", "-d",
                "abc", url + "/moved")
        }
        // An answer is an answer: the client decides about redirects.
        #expect(moved.hasPrefix("HTTP/1.1 302") && moved.hasSuffix("there"))
        #expect(moved.contains("Location: /x") && moved.contains("X-End: 2") && !moved.contains("X-Hop"))
        let head = try #require(server.heads.first)
        #expect(head.hasPrefix("PUT /moved HTTP/1.1") && head.contains("X-Kept: 2") && !head.contains("X-Secret"))
        #expect(head.contains("Content-Length: 3") && head.contains("X-Forwarded-For: 127.0.0.1"))
        #expect(head.contains("Via: 1.1 swiftlet"))
        // One that ends early ends early here too: curl's exit code 18.
        let early = try await onThread { try SpawnedProgram.output("sh", "-c", "curl -s \(url)/early; echo \" $?\"") }
        #expect(early == "abc 18\n")
        program.signal(SIGTERM)
        _ = try await onThread { try program.finish() }
        let (orphan, address) = try await proxy(to: "http://127.0.0.1:1")
        let code = try await onThread {
            try SpawnedProgram.output("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", address + "/")
        }
        #expect(code == "502")
        orphan.signal(SIGTERM)
        _ = try await onThread { try orphan.finish() }
    }

    @Test
    func `Both bodies stream through the proxy`() async throws {
        let server = try RunningProgram(
            "swiftlet", ["serve", "--port", "0", "--body-size", "20000000", "--slow-body", "1s"])
        let line = try #require(try await onThread { server.nextLine()?.text })
        let (program, url) = try await proxy(to: String(line.split(separator: " ")[2].dropLast()))
        let words = try await onThread {
            try SpawnedProgram.output(
                "curl", "-s", "-o", "/dev/null", "-w",
                "%{http_code} %{size_download} %{time_starttransfer} %{time_total}",
                url + "/")
        }.split(separator: " ")
        #expect(words.prefix(2) == ["200", "20000000"])
        // The head was here long before the body's end.
        let (first, last) = (try #require(Double(words[2])), try #require(Double(words[3])))
        #expect(last >= 1 && first < last - 0.5, "\(words)")
        // A body of 20 MB never lies in the proxy's memory as a whole.
        #expect(try program.peakKilobytes() < 60_000)
        for program in [program, server] {
            program.signal(SIGTERM)
            _ = try await onThread { try program.finish() }
        }
    }

    @Test
    func `The crawler heeds robots.txt, its hosts' rest, and its limit`() async throws {
        let page = ["Content-Type: text/html"]
        let server = try await ScriptedServer { path, _ in
            switch path {
            case "/robots.txt":
                .answer(
                    200,
                    """
                    User-agent: *
                    Disallow: /
                    User-agent: other
                    User-agent: SwiftletCrawler  # us
                    Disallow: /private
                    Disallow: /*.cgi$
                    Allow: /private/open
                    Crawl-delay: 0.2
                    """)
            case "/":
                .answer(
                    200,
                    """
                    <a href="/a">A</a> <A HREF='b#top'>B</A> <a href="/private/x">X</a> <a href="/private/open/y">Y</a>
                    <a href="/run.cgi">C</a> <a href="/run.cgi?x">D</a> <a href="http://127.0.0.1:1/">elsewhere</a>
                    """, fields: page)
            case "/a": .answer(200, "<a href=\"/\">back</a> <a href=\"/none\">none</a>", fields: page)
            case "/none": .answer(404)
            default: .answer(200, "href=\"/text\"", fields: ["Content-Type: text/plain"])
            }
        }
        defer { server.close() }
        func crawl(pages: Int) async throws -> RunningProgram.Outcome {
            try await RunningProgram.run(
                "SwiftletExamples", "crawler", server.url("/"), environment: ["PAUSE": "0.05", "PAGES": "\(pages)"])
        }
        let outcome = try await crawl(pages: 100)
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        let expected = [
            "---  /private/x (robots.txt)", "---  /run.cgi (robots.txt)", "200  /", "200  /a", "200  /b",
            "200  /private/open/y", "200  /run.cgi?x", "404  /none", "6 pages",
        ]
        #expect(outcome.texts.map { $0.replacing(server.url(""), with: "") }.sorted() == expected.sorted())
        // One at a time, and the site's own rest between them, which is longer than ours.
        #expect(server.most == 1 && server.count("/robots.txt") == 1)
        #expect(outcome.seconds >= 5 * 0.2)
        #expect(server.heads.allSatisfy { $0.contains("User-Agent: SwiftletCrawler") })
        let few = try await crawl(pages: 2)
        #expect(few.texts.last == "2 pages")
    }
}

extension SpawnedProgram {
    /// All that a program prints.
    fileprivate static func output(_ words: String...) throws -> String {
        let program = try SpawnedProgram(words)
        _ = program.waitFor(/never said by anybody/)
        _ = program.end()
        return program.text
    }
}
