import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct PipeTests {
    @Test func whatIsWrittenIsRead() async throws {
        try await onLoop {
            let pipe = try Pipe()
            let reader = try spawnAndPark { try BufferedReader(pipe.reader).readLine() }
            #expect(!pipe.reader.hasInput)
            try pipe.writer.write("hel")
            try pipe.writer.write("lo\n")
            #expect(try reader.get(timeout: .seconds(50)) == "hello")
            pipe.writer.closeWriting()
            #expect(try pipe.reader.readToEnd().isEmpty && pipe.writer.isClosed)
        }
    }

    @Test func aFullPipeMakesTheWriterWait() async throws {
        try await onLoop {
            let pipe = try Pipe()
            let data = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
            let writer = try spawnAndPark {
                try pipe.writer.write(data, [1, 2])
                pipe.writer.close()
            }
            #expect(!writer.isFinished)
            #expect(try pipe.reader.readToEnd() == data + [1, 2])
            try writer.get()

            let other = try Pipe()
            other.writer.writeTimeout = .milliseconds(10)
            let late = try failure(SocketError.self) { try other.writer.write(data) }
            #expect(late.reason == .timedOut && late.operation == .write)
            let cancelled = try spawnAndPark { try other.writer.write(data, until: nil) }
            cancelled.cancel()
            #expect(throws: (any Error).self) { try cancelled.get(timeout: .seconds(50)) }
        }
    }

    @Test func aReaderThatHasGoneIsAnErrorAndNoSignal() async throws {
        try await onLoop {
            let pipe = try Pipe()
            pipe.reader.close()
            // The default action of SIGPIPE would end this process.
            let error = try failure(SocketError.self) { try pipe.writer.write("x") }
            #expect(error.reason == .system(errno: EPIPE) && error.isDisconnection)
            var pending = sigset_t()
            sigpending(&pending)
            #expect(sigismember(&pending, SIGPIPE) == 0)

            let full = try Pipe()
            let writer = try spawnAndPark { try full.writer.write([UInt8](repeating: 0, count: 1_000_000)) }
            full.reader.close()
            #expect(try failure(SocketError.self) { try writer.get(timeout: .seconds(50)) }.isDisconnection)
        }
    }

    @Test func closingAndDeadlinesEndTheWait() async throws {
        try await onLoop {
            let pipe = try Pipe()
            let closed = try spawnAndPark { try pipe.reader.read(upTo: 1) }
            pipe.reader.close()
            #expect(try failure(SocketError.self) { try closed.get(timeout: .seconds(50)) }.reason == .closed)
            let other = try Pipe()
            let late = try failure(SocketError.self) { try other.reader.read(upTo: 1, until: .after(.milliseconds(5))) }
            #expect(late.reason == .timedOut && late.description.contains("the writer of a pipe"))
            let cancelled = try spawnAndPark { try other.reader.read(upTo: 1) }
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get(timeout: .seconds(50)) }
            try other.writer.write("a")
            #expect(try other.reader.read(upTo: 1) == [97])
        }
    }

    @Test func worksOnPlainThreads() async throws {
        let pipe = try Pipe()
        async let written: Void = onFreshThread {
            try pipe.writer.write([UInt8](repeating: 7, count: 500_000))
            pipe.writer.close()
        }
        let count = try await onFreshThread { try pipe.reader.readToEnd().count }
        try await written
        #expect(count == 500_000)
    }

    @Test func aBorrowedDescriptorStaysAsItIs() async throws {
        try await onLoop {
            // A pipe that blocks, as a standard input is.
            var ends: [CInt] = [0, 0]
            #expect(pipe(&ends) == 0)
            defer { for end in ends { close(end) } }
            let input = BufferedReader(BorrowedSource(ends[0], peerName: "the test's input"))
            let line = try spawnAndPark { try input.readLine() }
            #expect(!line.isFinished)
            #expect(write(ends[1], "one\ntwo", 7) == 7)
            #expect(try line.get(timeout: .seconds(50)) == "one")
            let late = try failure(SocketError.self) { try input.readLine(until: .after(.milliseconds(5))) }
            #expect(late.reason == .timedOut && late.description.contains("the test's input"))
            #expect(fcntl(ends[0], F_GETFL) & O_NONBLOCK == 0)
            let waiting = try spawnAndPark { try input.readLine() }
            input.close()
            #expect(try failure(SocketError.self) { try waiting.get(timeout: .seconds(50)) }.reason == .closed)
        }
    }

    @Test func standardInputIsReadByLines() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run(takesOver: false) {
                let pipe = try Pipe()
                // As a shell would give it: one that blocks.
                let number = pipe.reader.descriptor.number
                #expect(fcntl(number, F_SETFL, fcntl(number, F_GETFL) & ~O_NONBLOCK) == 0)
                #expect(dup2(number, STDIN_FILENO) == STDIN_FILENO)
                let parks = try EventLoop.current.statistics.parks
                let lines = (0..<2).map { _ in spawn { try StandardInput.readLine() } }
                try yield()
                try yield()
                try #require(lines.allSatisfy { !$0.isFinished })
                try pipe.writer.write("first\nsecond\nrest\nof it")
                pipe.writer.close()
                let got = try lines.map { try $0.get(timeout: .seconds(50)) }
                let rest = Array(StandardInput.lines)
                let isRight =
                    try got == ["first", "second"] && rest == ["rest", "of it"] && StandardInput.readLine() == nil
                    && EventLoop.current.statistics.parks > parks
                exit(isRight ? 0 : 1)
            }
        }
    }
}
