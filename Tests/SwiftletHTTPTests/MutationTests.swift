import Foundation
import HTTPTypes
import SwiftletHTTP
import SwiftletTesting
import Testing

/// Whatever comes in, a parser answers or throws; it never traps, and never disagrees with itself.
///
/// Between two messages others get their turn: Swift's pool has few threads, and other tests need them.
@Suite("Mutations")
struct MutationTests {
    private static let samples = [
        "GET /a?b HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
        "POST http://a:80/x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5;a=\"b\\c\"\r\nhello\r\n1F\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\n",
        "http://user:pass@[2001:db8::1.2.3.4]:8080/a/../b%20c?d=é#f",
    ].map { Array($0.utf8) }

    private static let pieces = [
        "\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", "\"", "%", "[", "]", "@", "/", "..", "0", "FFFFFFFFFFFFFFFF",
        "99999999999999999999", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "\u{FF}",
        "HTTP/1.1", "é", "::",
    ].map { Array($0.utf8) }

    private func mutate(_ bytes: inout [UInt8], using random: inout SeededRandom) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where index < bytes.count: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1 where index < bytes.count: bytes.remove(at: index)
            case 2: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random)!, at: index)
            case 3: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0...9, using: &random)))
            case 4: bytes.insert(contentsOf: bytes[index..<min(bytes.count, index + 12)], at: index)
            default: bytes += Self.samples.randomElement(using: &random)!
            }
        }
    }

    /// The same bytes at once and in random pieces.
    private func check(_ bytes: [UInt8], using random: inout SeededRandom) {
        let cuts = (0..<4).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted() + [bytes.count]

        func outcome<Head>(
            _ cuts: [Int], _ parse: (ArraySlice<UInt8>) throws(HTTPParseError) -> (head: Head, byteCount: Int)?
        ) -> String {
            do throws(HTTPParseError) {
                for cut in cuts { if let result = try parse(bytes[..<cut]) { return "\(result)" } }
                return "incomplete"
            } catch { return "\(error)" }
        }
        var first = RequestHeadParser()
        var second = RequestHeadParser()
        #expect(
            outcome([bytes.count]) { bytes throws(HTTPParseError) in try first.parse(bytes) }
                == outcome(cuts) { bytes throws(HTTPParseError) in try second.parse(bytes) })
        var third = ResponseHeadParser()
        var fourth = ResponseHeadParser()
        #expect(
            outcome([bytes.count]) { bytes throws(HTTPParseError) in try third.parse(bytes) }
                == outcome(cuts) { bytes throws(HTTPParseError) in try fourth.parse(bytes) })

        func body(_ pieces: [[UInt8]]) -> String {
            do throws(HTTPParseError) {
                let body = try decodeBody(pieces)
                return "\(body.data) \(body.trailers) \(body.isComplete)"
            } catch { return "\(error)" }
        }
        var pieces: [[UInt8]] = []
        for (start, end) in zip([0] + cuts, cuts) { pieces.append(Array(bytes[start..<end])) }
        #expect(body([bytes]) == body(pieces))

        let text = String(decoding: bytes, as: UTF8.self)
        if let url = try? HTTPURL(text) {
            #expect(try! HTTPURL(url.description).description == url.description)
            #expect(url.requestTarget.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
            #expect(url.authority.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
            // Whatever a URL asks for can be written and comes back as it is.
            let request = HTTPRequest(
                method: .get, scheme: url.scheme.rawValue, authority: url.authority, path: url.requestTarget)
            var head: [UInt8] = []
            #expect(throws: Never.self) { try head.appendHead(of: request) }
            var parser = RequestHeadParser()
            #expect((try? parser.parse(head))?.head.request.path == url.requestTarget || head.count > 8190)
        }
        if let base = try? HTTPURL("http://a/b/c"), let url = try? base.resolving(text) {
            #expect(url.path.utf8.first == UInt8(ascii: "/"))
        }
    }

    @Test("Mutated messages", arguments: [UInt64](1...20))
    func mutations(_ seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        for _ in 0..<400 {
            await Task.yield()
            var bytes = Self.samples.randomElement(using: &random)!
            mutate(&bytes, using: &random)
            check(bytes, using: &random)
        }
    }

    @Test("Noise", arguments: [UInt64](1...4))
    func noise(_ seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            await Task.yield()
            let count = Int.random(in: 0...200, using: &random)
            check((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }, using: &random)
        }
    }

    /// `make fuzz`: new seeds for as long as asked, named when one fails.
    @Test("Mutations for a while", .enabled(if: MutationTests.fuzzSeconds != nil))
    func mutationsForAWhile() async {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(Self.fuzzSeconds!)
        var seed = UInt64.random(in: .min ... .max)
        var rounds = 0
        while clock.now < end {
            seed &+= 1
            rounds += 1
            print("seed \(seed)", terminator: "\r")
            await mutations(seed)
            await noise(seed)
        }
        print("\(rounds) seeds of 600 messages each, up to \(seed)")
    }

    private static let fuzzSeconds = ProcessInfo.processInfo.environment["SWIFTLET_FUZZ_SECONDS"].flatMap { Int($0) }
}
