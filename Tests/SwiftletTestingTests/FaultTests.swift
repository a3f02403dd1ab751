import Glibc
import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import SwiftletHTTP
import SwiftletTesting
import TestSupport
import Testing

/// Real servers over loopback, whose calls to the kernel fail.
@Suite struct FaultTests {
    /// A server that echoes, and a client that has so many bodies echoed, each in a fiber of its own.
    private func echo(
        _ rules: [FaultRule], seed: UInt64 = 1, requests: Int = 20, size: Int = 30_000, retries: Int = 0
    ) throws -> (faults: [Int], answers: Int, errors: [String]) {
        try withFaults(rules, seed: seed) { faults in
            var settings = HTTPServer.Configuration()
            settings.port = 0
            let server = HTTPServer(settings)
            server.post("/") { request in HTTPServerResponse(bytes: try request.bytes()) }
            try server.start()
            var configuration = HTTPClient.Configuration()
            configuration.middlewares = [HTTPRetries(count: retries, firstPause: .milliseconds(1))]
            let outcome = try HTTPClient.with(configuration) { client -> (Int, [String]) in
                let asking = (0..<requests).map { number in
                    spawn {
                        let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size)
                        return try client.post("http://127.0.0.1:\(server.port)/", body: .bytes(body)).bytes == body
                    }
                }
                try joinAll(asking)
                return (asking.count { $0.value == true }, asking.compactMap { $0.error.map { "\($0)" } })
            }
            try server.stop()
            return (faults.counts, outcome.0, outcome.1)
        }
    }

    @Test func interruptionsRefusalsAndShortCallsAreNoErrors() async throws {
        try await onLoop { () throws -> Void in
            let outcome = try echo([
                .fail(.receive, .send, .accept, .connect, with: EINTR, share: 0.3),
                .fail(.receive, .send, .accept, with: EAGAIN, share: 0.3),
                .shorten(.receive, .send, to: 1_000, share: 0.5),
            ])
            #expect(outcome.answers == 20 && outcome.errors == [])
            #expect(outcome.faults.allSatisfy { $0 > 20 })
        }
    }

    @Test func aServerWithoutDescriptorsAcceptsWhenThereAreSomeAgain() async throws {
        ReportLog.begin()
        try await onLoop { () throws -> Void in
            let outcome = try echo([.fail(.accept, with: EMFILE, times: 3)], requests: 4, size: 10)
            #expect(outcome.answers == 4 && outcome.faults == [3])
        }
        #expect(!ReportLog.reports(containing: "raise the limit of open files with ulimit -n").isEmpty)
    }

    @Test func aResetEndsOneExchangeAndNotTheServer() async throws {
        try await onLoop { () throws -> Void in
            let outcome = try echo([.fail(.receive, with: ECONNRESET, skipping: 6, times: 2)], size: 10)
            #expect(outcome.faults == [2])
            #expect(outcome.answers >= 18 && outcome.answers + outcome.errors.count == 20)
        }
    }

    @Test func aConnectionThatIsRefusedOnceIsTriedAgain() async throws {
        try await onLoop { () throws -> Void in
            try withFaults([.fail(.connect, with: ECONNREFUSED, times: 1)]) { faults in
                var settings = HTTPServer.Configuration()
                settings.port = 0
                let server = HTTPServer(settings)
                server.get("/") { _ in "here" }
                try server.start()
                var configuration = HTTPClient.Configuration()
                configuration.middlewares = [HTTPRetries(count: 1, firstPause: .milliseconds(1))]
                try HTTPClient.with(configuration) { client in
                    let text = try client.get("http://127.0.0.1:\(server.port)/").text
                    #expect(text == "here")
                }
                #expect(faults.count == 1)
                try server.stop()
            }
        }
    }

    @Test func aFullDiskIsToldWithTheFile() async throws {
        let path = "/tmp/swiftlet-full-\(getpid())"
        defer { unlink(path) }
        try await onLoop { () throws -> Void in
            try withFaults([.fail(.write, with: ENOSPC, skipping: 1)]) { faults in
                try FileSystem.write([1, 2, 3], to: path)
                let error = try #require(
                    #expect(throws: FileError.self) { try FileSystem.write([1, 2, 3], to: path) })
                #expect("\(error)".contains("No space left on device") && "\(error)".contains(path))
                #expect(faults.count == 1)
            }
        }
    }

    @Test func theSameSeedSpoilsTheSameCalls() async throws {
        func spoilt(_ seed: UInt64) async throws -> [Bool] {
            try await onLoop(parks: false) { () throws -> [Bool] in
                let pipe = try Pipe()
                defer {
                    pipe.reader.close()
                    pipe.writer.close()
                }
                return withFaults([.fail(.send, with: ENOSPC, share: 0.5)], seed: seed) { _ in
                    (0..<40).map { _ in
                        do {
                            try pipe.writer.write([1])
                            return false
                        } catch {
                            return true
                        }
                    }
                }
            }
        }
        let first = try await spoilt(1)
        #expect(first.contains(true) && first.contains(false))
        #expect(try await spoilt(1) == first)
        #expect(try await spoilt(2) != first)
    }

    @Test func codeOutsideIsNotTouched() async throws {
        try await onLoop { () throws -> Void in
            let pipe = try Pipe()
            let (reading, writing) = (pipe.reader, pipe.writer)
            let go = Event()
            let outside = spawn {
                try go.wait()
                try writing.write([7])
                return try reading.read(upTo: 1)
            }
            try withFaults([.fail(.send, .receive, with: EIO)]) { faults in
                go.set()
                #expect(try outside.get() == [7])
                #expect(throws: SocketError.self) { try writing.write([1]) }
                let inside = spawn { try reading.read(upTo: 1) }
                try inside.join()
                #expect(inside.error is SocketError)
                #expect(faults.count == 2)
            }
            try writing.write([8])
            #expect(try reading.read(upTo: 1) == [8])
        }
    }
}
