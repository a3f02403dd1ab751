import Glibc
import Swiftlet
import SwiftletTesting
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP
@testable import SwiftletNet

/// Clients that misbehave in each state of the protocol, at random, against one server. `SWIFTLET_SEED=n` repeats a run, and
/// `SWIFTLET_FAULTS=n` makes as many connections.
@Suite struct ServerFaultTests {
    /// What a client does on its connection.
    private enum Behaviour: CaseIterable {
        case good, goodInSingleBytes, pipelined, halfClose, chunked, expects
        case nothing, reset, halfHead, halfHeadThenReset, stallInHead, garbage, bareLineFeed, conflictingLengths
        case badChunk, halfBody, halfBodyThenReset, stallInBody, leavesWithoutReading, resetsWithoutReading, tooLarge

        /// What it sends, and the statuses that it must get for that, `nil` if it does not wait for any.
        var script: (text: String, statuses: [String]?) {
            let get = "GET /hello HTTP/1.1\r\nHost: a\r\n"
            let post = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            let chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
            return switch self {
            case .good, .goodInSingleBytes, .halfClose: (get + "Connection: close\r\n\r\n", ["200"])
            case .pipelined: (get + "\r\n" + get + "\r\n" + get + "Connection: close\r\n\r\n", ["200", "200", "200"])
            case .chunked: (chunked + "3\r\nabc\r\n0\r\n\r\n", ["200"])
            case .expects: (post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", ["200"])
            case .nothing, .reset: ("", nil)
            case .halfHead, .halfHeadThenReset: (get, nil)
            case .stallInHead: (get, ["408"])
            case .garbage: ("\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n", ["400"])
            case .bareLineFeed: ("GET / HTTP/1.1\nHost: a\n\n", ["400"])
            case .conflictingLengths:
                (post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ["400"])
            case .badChunk: (chunked + "xyz\r\n", ["400"])
            case .halfBody, .halfBodyThenReset: (post + "Content-Length: 9\r\n\r\nabc", nil)
            case .stallInBody: (post + "Content-Length: 9\r\n\r\nabc", ["408"])
            case .leavesWithoutReading, .resetsWithoutReading: ("GET /large HTTP/1.1\r\nHost: a\r\n\r\n", nil)
            case .tooLarge: (post + "Content-Length: 99999\r\n\r\nabc", ["413"])
            }
        }

        var resets: Bool {
            switch self {
            case .reset, .halfHeadThenReset, .halfBodyThenReset, .resetsWithoutReading: true
            default: false
            }
        }
    }

    private static let timeLimit = Duration.milliseconds(500)

    /// Plays a part, and says what came of it if that is not what should have.
    private static func play(_ behaviour: Behaviour, _ port: Int) throws -> String? {
        let connection = try TCPConnection.connect(to: "127.0.0.1", port: port)
        defer { connection.close() }
        connection.timeout = .seconds(60)
        let watch = Stopwatch()
        let (text, statuses) = behaviour.script
        if behaviour == .goodInSingleBytes {
            for byte in text.utf8 {
                try connection.write([byte])
                try yield()
            }
        } else {
            try connection.write(text)
        }
        if behaviour == .halfClose { try connection.closeWriting() }
        guard let statuses else {
            if behaviour.resets {
                // Closing resets (socket(7), SO_LINGER).
                var option = linger(l_onoff: 1, l_linger: 0)
                setsockopt(
                    connection.descriptor.number, SOL_SOCKET, SO_LINGER, &option,
                    socklen_t(MemoryLayout.size(ofValue: option)))
            }
            return nil
        }
        let answer = String(decoding: try connection.readToEnd(), as: UTF8.self)
        // A server may say that it goes on, and need not when it has the body already.
        let seen = answer.matches(of: /HTTP\/1.1 (\d\d\d)/).map { String($0.output.1) }.filter { $0 != "100" }
        // Who was kept from the processor is too slow in earnest. One that the server misunderstood would wait for its limit.
        if statuses.last == "200", seen.last == "408", watch.elapsed < timeLimit { return nil }
        return seen == statuses ? nil : "\(behaviour): \(seen), not \(statuses)"
    }

    @Test func noClientHarmsTheOthers() async throws {
        let seed = Self.number("SWIFTLET_SEED").map { UInt64($0) } ?? .random(in: 1..<1_000_000)
        let count = Self.number("SWIFTLET_FAULTS") ?? 600
        try await onLoop { () throws in
            let entered = Mutex(0)
            let finished = Mutex(0)
            var configuration = HTTPServer.Configuration()
            configuration.headTimeout = Self.timeLimit
            configuration.bodyTimeout = Self.timeLimit
            configuration.writeTimeout = Self.timeLimit
            configuration.lingerTimeout = Self.timeLimit
            configuration.limits.bodyLength = 1000
            let routes = { (server: HTTPServer) in
                server.use { (request: HTTPServerRequest, next: HTTPNextHandler) throws -> HTTPServerResponse in
                    entered.withLock { $0 += 1 }
                    defer { finished.withLock { $0 += 1 } }
                    return try next(request)
                }
                server.get("/hello") { _ in "hello" }
                server.get("/large") { _ in HTTPServerResponse(bytes: Array(repeating: 0, count: 1 << 20)) }
                server.post("/echo") { HTTPServerResponse(bytes: try $0.bytes()) }
            }
            try withServer(routes, configuration) { server, url throws in
                var left = count
                let clients = (0..<16).map { number in
                    spawn { () throws -> [String] in
                        var wrong: [String] = []
                        var generator = SeededRandom(seed: seed &+ UInt64(number) &* 7919)
                        while left > 0 {
                            left -= 1
                            let behaviour = Behaviour.allCases.randomElement(using: &generator) ?? .good
                            if let fault = try Self.play(behaviour, server.port) { wrong.append(fault) }
                        }
                        return wrong
                    }
                }
                let wrong = try clients.flatMap { try $0.get() }
                #expect(wrong.isEmpty, "seed \(seed): \(wrong.prefix(10))")
                #expect(try HTTPClient.with { try $0.get(url + "/hello").text } == "hello")
                try server.stop(grace: .seconds(10))
            }
            // Whoever was let in has come out.
            let (begun, ended) = (entered.withLock { $0 }, finished.withLock { $0 })
            #expect(begun == ended && ended > count / 5, "seed \(seed)")
        }
    }

    private static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }
}
