import Glibc
import HTTPTypes
import Swiftlet
import SwiftletTesting
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP
@testable import SwiftletNet

/// A peer that misbehaves in each state of the protocol, at random. `SWIFTLET_SEED=n` repeats a run, and
/// `SWIFTLET_FAULTS=n` makes as many requests.
@Suite struct FaultTests {
    /// What the peer does with a request.
    enum Behaviour: Int, CaseIterable, Sendable {
        case good, goodInSingleBytes, chunked, closeAtOnce, reset, resetAfterRequest, silence
        case halfHead, halfBody, halfChunk, halfBodyThenReset, stallInBody, garbage, badHead, badChunk,
            conflictingLengths
        case early413, earlyGood, refusesContinue, extraBytes, interimFlood, halfClose, closesAfterAnswer, endless
    }

    private static let body = "twelve bytes"

    /// Plays its part on a connection until that ends. Errors are the client's going away.
    private static func play(_ connection: TCPConnection, _ next: () -> Behaviour, _ stall: Waiter<Void>) throws {
        defer { connection.close() }
        let good = answer(body)
        while true {
            let behaviour = next()
            if behaviour == .closeAtOnce { return }
            if behaviour == .reset { return reset(connection) }
            if behaviour == .early413 || behaviour == .earlyGood {
                if try connection.read(upTo: 1).isEmpty { return }
                let status = behaviour == .early413 ? "413 Content Too Large" : "200 OK"
                try connection.write(answer(body, status: status, fields: "Connection: close\r\n"))
                return drain(connection)
            }
            guard try readRequest(connection, agrees: behaviour != .refusesContinue) else { return }
            switch behaviour {
            case .good: try connection.write(good)
            case .goodInSingleBytes:
                for byte in good.utf8 {
                    try connection.write([byte])
                    try yield()
                }
            case .chunked:
                try connection.write(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ntwelve\r\n6\r\n bytes\r\n0\r\n\r\n")
            case .resetAfterRequest: return reset(connection)
            case .silence, .stallInBody:
                if behaviour == .stallInBody { try connection.write(String(good.dropLast(3))) }
                _ = try stall.wait()
                return
            case .halfHead: return try connection.write(String(good.prefix(20)))
            case .halfBody: return try connection.write(String(good.dropLast(3)))
            case .halfBodyThenReset:
                try connection.write(String(good.dropLast(3)))
                return reset(connection)
            case .halfChunk:
                return try connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntwelve")
            case .garbage: return try connection.write("\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n")
            case .badHead: return try connection.write("HTTP/1.1 200 OK\r\nNo colon\r\n\r\n")
            case .badChunk:
                return try connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
            case .conflictingLengths:
                return try connection.write(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            case .refusesContinue: try connection.write(answer(body, status: "417 Expectation Failed"))
            case .extraBytes: try connection.write(good + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            case .interimFlood:
                for _ in 0..<20 { try connection.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") }
                try connection.write(good)
            case .halfClose:
                try connection.write(good)
                try connection.closeWriting()
                return drain(connection)
            case .closesAfterAnswer: return try connection.write(good)
            case .endless:
                try connection.write("HTTP/1.1 200 OK\r\n\r\n")
                while true { try connection.write(String(repeating: "x", count: 5000)) }
            case .closeAtOnce, .reset, .early413, .earlyGood: return
            }
        }
    }

    private static func readRequest(_ connection: TCPConnection, agrees: Bool) throws -> Bool {
        var bytes: [UInt8] = []
        func text() -> String { String(decoding: bytes, as: UTF8.self) }
        while !text().contains("\r\n\r\n") {
            let piece = try connection.read(upTo: 4000)
            if piece.isEmpty { return false }
            bytes += piece
        }
        if text().contains("Expect: ") {
            guard agrees else { return true }
            try connection.write("HTTP/1.1 100 Continue\r\n\r\n")
        }
        if text().contains("Transfer-Encoding: chunked") {
            while !text().hasSuffix("\r\n0\r\n\r\n") { bytes += try some(connection) }
        } else if text().contains("Content-Length: 26") {
            while !text().hasSuffix("zyxwvutsrqponmlkjihgfedcba") { bytes += try some(connection) }
        }
        return true
    }

    private static func some(_ connection: TCPConnection) throws -> [UInt8] {
        let piece = try connection.read(upTo: 4000)
        if piece.isEmpty { throw CancellationError() }
        return piece
    }

    /// Closes so that the peer gets a reset instead of an end (socket(7), SO_LINGER).
    private static func reset(_ connection: TCPConnection) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            connection.descriptor.number, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        connection.close()
    }

    private static func drain(_ connection: TCPConnection) {
        connection.readTimeout = .milliseconds(200)
        while let piece = try? connection.read(upTo: 100_000), !piece.isEmpty {}
    }

    private func request(
        _ url: HTTPURL, _ generator: inout SeededRandom
    ) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url, timeout: .seconds(60))
        let text = "zyxwvutsrqponmlkjihgfedcba"
        switch Int.random(in: 0..<5, using: &generator) {
        case 0:
            request.method = .post
            request.body = .text(text)
        case 1:
            request.method = .put
            request.body = .stream { writer in for character in text { try writer.write(String(character)) } }
        case 2:
            request.method = .put
            request.body = .stream(length: text.count) { try $0.write(text) }
            request.expectsContinue = true
        default: break
        }
        return request
    }

    @Test func nothingLeaksAndEveryErrorIsTyped() async throws {
        let seed = ProcessInfoSeed.value("SWIFTLET_SEED") ?? .random(in: 1..<1_000_000)
        let count = ProcessInfoSeed.value("SWIFTLET_FAULTS").map { Int($0) } ?? 1500
        try await onLoop { () throws in
            let listener = try TCPListener()
            let stall = Waiter<Void>()
            let random = Mutex(SeededRandom(seed: seed))
            let peer = spawn {
                while true {
                    let connection = try listener.accept()
                    spawn {
                        try? Self.play(
                            connection,
                            {
                                random.withLock { generator in
                                    Bool.random(using: &generator)
                                        ? .good : Behaviour.allCases.randomElement(using: &generator) ?? .good
                                }
                            }, stall)
                    }
                }
            }
            let url = try HTTPURL("http://127.0.0.1:\(listener.port)/")
            let before = openDescriptors().count
            var outcomes: [String: Int] = [:]
            let configuration = configured {
                $0.connectionLimit = 8
                $0.readTimeout = .milliseconds(150)
                $0.continueTimeout = .milliseconds(50)
                $0.limits.bodyLength = 50_000
            }
            try HTTPClient.with(configuration) { client throws in
                var left = count
                let workers = (0..<16).map { number in
                    spawn { () throws -> [String] in
                        var generator = SeededRandom(seed: seed &+ UInt64(number) &* 7919)
                        var seen: [String] = []
                        while left > 0 {
                            left -= 1
                            let request = request(url, &generator)
                            do {
                                if Bool.random(using: &generator) {
                                    let response = try client.send(request)
                                    #expect(response.text == Self.body, "seed \(seed)")
                                    seen.append("\(response.status.code)")
                                } else {
                                    let pieces = Int.random(in: 0..<3, using: &generator)
                                    seen.append(
                                        try client.withResponse(to: request) { response throws in
                                            for _ in 0..<pieces { _ = try response.body.next() }
                                            return "\(response.status.code) streamed"
                                        })
                                }
                            } catch let error as HTTPClientError {
                                seen.append(Self.name(error, seed))
                            }
                        }
                        return seen
                    }
                }
                for worker in workers { for outcome in try worker.get() { outcomes[outcome, default: 0] += 1 } }
                let statistics = client.statistics
                #expect(statistics.connectionsInUse == 0 && statistics.queueLength == 0, "seed \(seed)")
                #expect(statistics.idleConnections <= 8, "seed \(seed)")
            }
            stall.resume(returning: ())
            listener.close()
            peer.cancel()
            try peer.join()
            // Connections of the peer's that stalled end by the client's end.
            let deadline = Deadline.after(.seconds(20))
            while openDescriptors().count > before + 20, .now < deadline { try sleep(.milliseconds(5)) }
            #expect(outcomes.keys.contains("200") && outcomes.count > 6, "seed \(seed): \(outcomes)")
            #expect(outcomes.values.reduce(0, +) == count)
        }
    }

    /// What kind of failure it was; anything that is not foreseen is an issue.
    private static func name(_ error: HTTPClientError, _ seed: UInt64) -> String {
        switch error.cause {
        case let cause as HTTPParseError: return "\(cause.code)"
        case let cause as HTTPTimeoutError:
            #expect(cause.limit == .read, "seed \(seed): \(error)")
            return "\(cause.limit) in \(error.phase)"
        case let cause as SocketError:
            #expect(cause.isDisconnection, "seed \(seed): \(error)")
            return "disconnection"
        case is ServerClosed: return "closed"
        default:
            Issue.record("seed \(seed): \(error)")
            return "unforeseen"
        }
    }
}

/// A number from the environment.
private enum ProcessInfoSeed {
    static func value(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }
}
