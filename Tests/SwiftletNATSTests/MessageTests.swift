import Swiftlet
import SwiftletPool
import TestSupport
import Testing

@testable import SwiftletNATS

/// What servers and workers say, and how it is read.
@Suite("Messages of NATS")
struct MessageTests {
    @Test func deliveries() {
        let plain = Delivery("$JS.ACK.SWIFTLET_q_JOBS.workers.3.1042.77.1700000000000000000.5")
        #expect(plain?.consumer == "workers" && plain?.count == 3 && plain?.sequence == 1042)
        #expect(plain?.pending == 5)
        let routed = Delivery("$JS.ACK.hub.ACCOUNT.SWIFTLET_q_JOBS.workers.1.9.8.1700000000000000000.0.token")
        #expect(routed?.consumer == "workers" && routed?.count == 1 && routed?.sequence == 9)
        for text in ["", "_INBOX.a.1", "$JS.ACK.a.b.c.d.e.f.g", "$JS.ACK.a.b.1"] { #expect(Delivery(text) == nil) }
    }

    private func acknowledgement(_ text: String) -> Acknowledgement {
        var text = text
        return text.withUTF8 { Acknowledgement(UnsafeRawBufferPointer($0)) }
    }

    @Test func acknowledgements() {
        #expect(acknowledgement(#"{"stream":"S","seq":18446744}"#) == .stored(sequence: 18_446_744))
        #expect(acknowledgement(#"{"stream":"S", "domain":"d", "seq": 7, "duplicate":true}"#) == .stored(sequence: 7))
        #expect(
            acknowledgement(
                #"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"S","seq":0}"#)
                == .failed(10071, "wrong last sequence: 3"))
        #expect(
            acknowledgement(#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}"#)
                == .notNow)
        for text in ["", "{", "null", #"{"seq":"#] { #expect(acknowledgement(text) == .notNow) }
    }

    private func json(_ text: String) -> JSON? {
        var text = text
        return text.withUTF8 { JSON(UnsafeRawBufferPointer($0)) }
    }

    @Test func json() {
        let answer = json(#" {"name":"a\"\u0041\n", "config":{"n": -12, "x":[1, 2.5e3, true, null, {}]}, "e": []} "#)
        #expect(answer?["name"]?.string == "a\"A\n")
        #expect(answer?["config"]?["n"]?.integer == -12)
        #expect(answer?["config"]?["x"] == .array([.number("1"), .number("2.5e3"), .bool(true), .null, .object([:])]))
        #expect(answer?["e"] == .array([]) && answer?["missing"] == nil)
        for text in ["", "{", "[1,", #"{"a" 1}"#, "\"", String(repeating: "[", count: 10_000)] {
            #expect(json(text) == nil)
        }
        #expect(json(JSON.quoted("a\"b\\c\nd"))?.string == "a\"b\\c\nd")
    }

    @Test func refusals() {
        let all: [Refusal] = [
            .notRegistered(["A.B", "C.D"]), .notRegistered([]), .otherVersion(3), .tooLarge(bytes: 9, limit: 8),
            .poisoned(deliveries: 5), .undecodable("it is no frame"),
        ]
        for refusal in all { #expect(Refusal(refusal.text) == refusal) }
        #expect(!Refusal.undecodable("a\r\nb").text.contains { $0.isNewline })
        #expect(Refusal("") == nil && Refusal("version x") == nil && Refusal("too-large 1") == nil)
    }

    @Test func names() {
        #expect(QueueNames("crawl").job("s-a.1") == "swiftlet.crawl.job.s-a.1")
        #expect(QueueNames.token("a b.*>ü-9") == "a=20b=2e=2a=3e=c3=bc-9")
        #expect(QueueNames.token("a=20b") != QueueNames.token("a b"))
        #expect(NATSConfiguration("a:1, tls://b:2").servers == ["nats://a:1", "tls://b:2"])
    }

    @Test func options() {
        func reject(_ change: (inout NATSConfiguration) -> Void) {
            var configuration = NATSConfiguration("nats://localhost")
            change(&configuration)
            #expect(throws: NATSError.self) { try NATSPool(configuration) }
        }
        reject { $0.servers = [] }
        reject { $0.queue = "" }
        reject { $0.replicas = 0 }
        reject { $0.deliveryLimit = 0 }
        reject { $0.outstandingLimit = 0 }
        reject { $0.acknowledgementWait = .zero }
    }

    #if !NATS
        @Test func withoutTheTrait() async throws {
            _ = try await onLoop {
                try withNATSPool("nats://localhost:4222") { pool in
                    #expect(throws: NATSError.notBuilt) { try pool.waitUntilReady() }
                }
            }
        }
    #endif
}
