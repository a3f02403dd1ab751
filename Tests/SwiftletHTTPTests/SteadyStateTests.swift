import CAllocationCount
import Swiftlet
import SwiftletNet
import TestSupport
import Testing

@testable import SwiftletHTTP

/// What a request costs once connections are open: memory allocated, and turns of the loop for Swift's executors.
///
/// Both sides run on one loop; the other side of what is measured is bytes that are neither parsed nor made.
@Suite struct SteadyStateTests {
    struct Cost {
        var allocations: Double
        var jobs: Double
    }

    private static let count = 200

    /// An unoptimized build copies to the heap what an optimized one keeps on the stack.
    #if DEBUG
        private static let allocationLimit = Double.infinity
    #else
        private static let allocationLimit = 6.0
    #endif

    private static func cost(_ body: () throws -> Void) throws -> Cost {
        for _ in 0..<50 { try body() }
        let loop = try EventLoop.current
        let before = (allocation_count(), loop.statistics.jobs)
        for _ in 0..<count { try body() }
        let after = (allocation_count(), loop.statistics.jobs)
        return Cost(
            allocations: Double(after.0 - before.0) / Double(count), jobs: Double(after.1 - before.1) / Double(count))
    }

    @Test(arguments: ["/fiber", "/task"])
    func serverNeitherHopsNorAllocatesMuch(path: String) async throws {
        let cost = try await onLoop { try Self.costOfServer(path) }
        #expect(cost.jobs == 0)
        #expect(cost.allocations <= Self.allocationLimit)
    }

    private static func costOfServer(_ path: String) throws -> Cost {
        func addRoutes(_ server: HTTPServer) {
            server.get("/fiber") { _ in "Hello" }
            server.get("/task") { _ async in "Hello" }
        }
        return try withServer(addRoutes) { server, _ throws -> Cost in
            let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
            defer { connection.close() }
            let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".utf8)
            var answer = [UInt8](repeating: 0, count: 1024)
            return try cost {
                try connection.write(request)
                let length = try answer.withUnsafeMutableBytes { try connection.read(into: $0) }
                guard answer[..<length].suffix(5).elementsEqual("Hello".utf8) else { throw CancellationError() }
            }
        }
    }

    /// A server that answers whatever comes, without a look at it.
    private static func answering() throws -> String {
        let listener = try TCPListener()
        let answer = Array("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello".utf8)
        spawn {
            let connection = try listener.accept()
            var request = [UInt8](repeating: 0, count: 1024)
            while try request.withUnsafeMutableBytes({ try connection.read(into: $0) }) > 0 {
                try connection.write(answer)
            }
        }
        return "http://127.0.0.1:\(listener.port)/"
    }

    @Test func clientNeitherHopsNorAllocatesMuch() async throws {
        let cost = try await onLoop { () throws -> Cost in
            let url = try Self.answering()
            let client = HTTPClient()
            defer { client.close() }
            return try Self.cost { _ = try client.get(url) }
        }
        #expect(cost.jobs == 0)
        #expect(cost.allocations <= Self.allocationLimit)
    }

    @Test func clientInTaskNeitherHopsNorAllocatesMuch() async throws {
        let (allocations, jobs) = try await onTaskLoop { loop async throws -> (UInt64, UInt64) in
            let url = try Self.answering()
            let client = HTTPClient()
            defer { client.close() }
            for _ in 0..<50 { _ = try await client.get(url) }
            let before = (allocation_count(), loop.statistics.jobs)
            for _ in 0..<Self.count { _ = try await client.get(url) }
            return (allocation_count() - before.0, loop.statistics.jobs - before.1)
        }
        #expect(jobs == 0)
        #expect(Double(allocations) / Double(Self.count) <= Self.allocationLimit)
    }

    @Test func idleConnectionGivesBackAndAnswersAgain() async throws {
        let answers = try await onLoop { () throws -> [Bool] in
            var configuration = HTTPServer.Configuration()
            configuration.idleTimeout = .seconds(8)  // a tick a second
            func addRoutes(_ server: HTTPServer) {
                server.get("/") { request async in
                    await Task.yield()
                    return "\(request.path) again"
                }
            }
            return try withServer(addRoutes, configuration) { server, _ throws -> [Bool] in
                let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
                defer { connection.close() }
                return try (0..<2).map { turn in
                    // Idle over a tick: the task that ran the handler has ended, and what it left on the stack is gone.
                    if turn > 0 { try sleep(.milliseconds(2100)) }
                    try connection.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    return String(decoding: try connection.read(upTo: 1024), as: UTF8.self).hasSuffix("/ again")
                }
            }
        }
        #expect(answers == [true, true])
    }

    @Test func writerLeavesOthersTheirTurnThoughNothingWaits() async throws {
        try await onLoop {
            let writer = HTTPServerResponse.Writer(Bottomless(), length: nil, isChunked: true)
            var turns = 0
            let other = spawn {
                while true {
                    try yield()
                    turns += 1
                }
            }
            for _ in 0..<100 { try writer.write([UInt8](repeating: 0, count: 64 * 1024)) }
            #expect(turns >= 20)
            other.cancel()
        }
    }
}

/// Takes whatever is written, at once.
private final class Bottomless: ByteStream, @unchecked Sendable {
    let peerName = "nobody"
    let isClosed = false
    let hasInput = false
    var readTimeout: Duration?
    var writeTimeout: Duration?
    let remoteAddress = SocketAddress(numericHost: "127.0.0.1", port: 1)!

    func close() {}
    func closeWriting() throws {}
    func waitForInput(until deadline: Deadline?) throws {}
    func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int { 0 }
    func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline?) throws {}
    func copy(_ range: Range<Int64>, of file: File, until deadline: Deadline?) throws {}
}
