import HTTPTypes
import Swiftlet
import SwiftletHTTP

/// Follows the links of a site, as a good guest: it asks robots.txt first, asks each host for one page at a time, and rests
/// in between. Words after the name are where to begin; it stays on their hosts.
///
///     PAGES=50 PAUSE=0.5 swift run SwiftletExamples crawler https://www.example.com/
func politeCrawler() throws {
    let words = CommandLine.arguments.dropFirst(2)
    let starts = try (words.isEmpty ? [Settings.url] : Array(words)).map { try HTTPURL($0) }
    var settings = HTTPClient.Configuration()
    settings.userAgent = Crawler.name
    settings.limits.bodyLength = 1 << 20
    try EventLoop.run {
        try withHTTPClient(settings) { client in
            let crawler = Crawler(
                client, pages: Settings.number("PAGES", default: 100),
                pause: Settings.seconds("PAUSE", default: 1), starts: starts)
            try crawler.crawl()
            print("\(crawler.count) pages")
        }
    }
}

/// All of a crawl. Used by one loop.
private final class Crawler {
    static let name = "SwiftletCrawler"

    private let client: HTTPClient
    private let limit: Int
    private let starts: [HTTPURL]
    private var hosts: [String: Host] = [:]
    private var seen: Set<String> = []
    private(set) var count = 0

    /// What is known of a host.
    private final class Host {
        /// One page at a time.
        let turn = Semaphore(1)
        /// `nil` until they have been asked for.
        var rules: RobotRules?
        var pause: Duration
        var next = Deadline.now

        init(pause: Duration) { self.pause = pause }
    }

    init(_ client: HTTPClient, pages: Int, pause: Duration, starts: [HTTPURL]) {
        self.client = client
        limit = pages
        self.starts = starts
        for url in starts { hosts[url.authority] = Host(pause: pause) }
    }

    /// Returns when all pages, and the pages that they link to, and so on, have been visited.
    func crawl() throws {
        try withSpawnScope { scope in
            for url in starts { add(url, scope) }
        }
    }

    private func add(_ url: HTTPURL, _ scope: SpawnScope) {
        guard seen.count < limit, let host = hosts[url.authority], seen.insert(url.description).inserted else { return }
        scope.spawn { try self.visit(url, of: host, scope) }
    }

    private func visit(_ url: HTTPURL, of host: Host, _ scope: SpawnScope) throws {
        let page: HTTPClientResponse
        do {
            let answer = try host.turn.withPermit { try self.ask(for: url, of: host) }
            guard let answer else { return print("---  \(url) (robots.txt)") }
            page = answer
        } catch let error as HTTPClientError {
            return print("???  \(error)")
        }
        count += 1
        print("\(page.status.code)  \(url)")
        guard page.headers[.contentType]?.hasPrefix("text/html") == true else { return }
        // Links mean what they mean where the page came from in the end.
        for link in page.text.matches(of: /href\s*=\s*["']([^"'#]+)/.ignoresCase()) {
            if let target = try? page.url.resolving(String(link.output.1)) { add(target, scope) }
        }
    }

    /// The page, once the host has rested; `nil` if robots are not wanted there.
    private func ask(for url: HTTPURL, of host: Host) throws -> HTTPClientResponse? {
        let rules = try host.rules ?? fetchRules(for: url)
        host.rules = rules
        guard rules.allow(url.requestTarget) else { return nil }
        try sleep(host.next.remaining)
        defer { host.next = .after(max(host.pause, rules.pause ?? .zero)) }
        return try client.get("\(url)")
    }

    /// RFC 9309, 2.3.1: without such a file all is allowed; if the server is in trouble nothing is.
    private func fetchRules(for url: HTTPURL) throws -> RobotRules {
        do {
            let answer = try client.get("\(try url.resolving("/robots.txt"))")
            switch answer.status.kind {
            case .successful: return RobotRules(answer.text, for: Self.name)
            case .serverError: return .nothing
            default: return .everything
            }
        } catch is HTTPClientError {
            return .nothing
        }
    }
}
