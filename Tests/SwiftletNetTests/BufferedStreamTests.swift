import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct BufferedStreamTests {
    /// Runs the body with a buffered end and the plain other one.
    private func withStream(
        _ body: @escaping @Sendable (_ stream: BufferedStream, _ peer: UnixConnection) throws -> Void
    ) async throws {
        try await onLoop {
            let (one, other) = try UnixConnection.pair()
            try body(BufferedStream(one), other)
            try yield()
        }
    }

    @Test func readsLinesUntilTheEnd() async throws {
        try await withStream { stream, peer in
            let lines = try spawnAndPark { () throws -> [String] in
                var lines: [String] = []
                while let line = try stream.readLine() { lines.append(line) }
                return lines
            }
            // In pieces that fit nothing.
            for piece in ["on", "e\ntwo\r", "\n\nfo", "ur\r\nlast"] {
                try peer.write(piece)
                try yield()
                try yield()
            }
            peer.close()
            #expect(try lines.get(timeout: .seconds(50)) == ["one", "two", "", "four", "last"])
            #expect(try stream.readLine() == nil)
        }
    }

    @Test func iteratesLinesInBothSpellings() async throws {
        try await withStream { stream, peer in
            try peer.write("a\nb\nc")
            peer.close()
            let lines = stream.lines()
            #expect(Array(lines) == ["a", "b", "c"])
            #expect(lines.failure == nil)
        }
        try await onTaskLoop { _ in
            let (one, other) = try UnixConnection.pair()
            let writer = Task {
                try await other.write("x\ny\n")
                other.close()
            }
            var lines: [String] = []
            for try await line in BufferedReader(one).lines() { lines.append(line) }
            #expect(lines == ["x", "y"])
            try await writer.value
        }
    }

    @Test func aForLoopKeepsItsError() async throws {
        try await withStream { stream, peer in
            try peer.write("short\nmuch longer\n")
            let lines = stream.lines(limit: 6)
            #expect(Array(lines) == ["short"])
            #expect((lines.failure as? SocketError)?.reason == .limitExceeded(6))
        }
    }

    @Test func readsUpToADelimiter() async throws {
        try await withStream { stream, peer in
            let reader = try spawnAndPark { try stream.readUntil(Array("--end".utf8)) }
            for piece in ["a-", "--e", "n", "d rest"] {
                try peer.write(piece)
                try yield()
            }
            #expect(String(decoding: try reader.get(timeout: .seconds(50)), as: UTF8.self) == "a---end")
            #expect(try stream.peek(3) == Array(" re".utf8))
            #expect(try stream.readExactly(5) == Array(" rest".utf8))
            try peer.write("no delimiter")
            peer.close()
            let error = try failure(SocketError.self) { try stream.readUntil([0]) }
            #expect(error.reason == .missingDelimiter(received: 12) && error.isDisconnection)
            #expect(error.description.contains("before the delimiter"))
            // What had come is still there.
            #expect(try stream.peek(100).count == 12)
            #expect(try stream.readToEnd() == Array("no delimiter".utf8))
        }
    }

    @Test func limitsAreExact() async throws {
        try await withStream { stream, peer in
            try peer.write("12345\n")
            #expect(try failure(SocketError.self) { try stream.readLine(limit: 5) }.reason == .limitExceeded(5))
            #expect(try stream.readLine(limit: 6) == "12345")
            try peer.write("123456")  // no end in sight
            #expect(try failure(SocketError.self) { try stream.readLine(limit: 6) }.reason == .limitExceeded(6))
            #expect(try failure(SocketError.self) { try stream.readUntil([0], limit: 3) }.reason == .limitExceeded(3))
            #expect(try stream.read(upTo: 100) == Array("123456".utf8))
        }
    }

    @Test func nothingIsLostByADeadlineOrACancellation() async throws {
        try await withStream { stream, peer in
            try peer.write("half")
            let late = try failure(SocketError.self) { try stream.readLine(until: .after(.milliseconds(10))) }
            #expect(late.reason == .timedOut && late.operation == .read)
            let cancelled = try spawnAndPark { try stream.readLine() }
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get(timeout: .seconds(50)) }
            try peer.write(" and half\n")
            #expect(try stream.readLine() == "half and half")
        }
    }

    @Test func largeAndSmallReadsMix() async throws {
        try await withStream { stream, peer in
            let data = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let writer = spawn {
                try peer.write("size 300000\n")
                try peer.write(data)
                try peer.write("end\n")
            }
            #expect(try stream.readLine() == "size 300000")
            #expect(try stream.readExactly(data.count) == data)
            #expect(try stream.readLine() == "end")
            try writer.get()
        }
    }

    @Test func collectsWritesAndFlushes() async throws {
        try await onLoop {
            let (one, peer) = try UnixConnection.pair()
            let number = one.descriptor.number
            let stream = BufferedStream(one, capacity: 100)
            Faults.plan(SWIFTLET_CALL_SEND, number)
            defer { Faults.end(SWIFTLET_CALL_SEND, number) }
            for _ in 0..<10 { try stream.write("0123456789") }
            #expect(Faults.calls(SWIFTLET_CALL_SEND, number) == 0)
            try stream.write("x")  // does not fit: all of it goes out with one call
            #expect(Faults.calls(SWIFTLET_CALL_SEND, number) == 1)
            #expect(try peer.readExactly(101).last == UInt8(ascii: "x"))
            try stream.write("y")
            let reader = try spawnAndPark { try peer.readExactly(1) }
            #expect(!reader.isFinished)
            try stream.flush()
            try stream.flush()
            #expect(try reader.get(timeout: .seconds(50)) == Array("y".utf8))
            #expect(Faults.calls(SWIFTLET_CALL_SEND, number) == 2)
            // Ending writes out the rest, and leaves the other direction open.
            try stream.write("z")
            try stream.closeWriting()
            #expect(try peer.readToEnd() == Array("z".utf8))
            try peer.write("back\n")
            #expect(try stream.readLine() == "back")
        }
    }

    @Test func afterAnErrorNothingIsWrittenTwice() async throws {
        try await onLoop {
            let (one, peer) = try UnixConnection.pair()
            let number = one.descriptor.number
            let stream = BufferedStream(one)
            try stream.write("lost")
            Faults.plan(SWIFTLET_CALL_SEND, number, errors: [ENOBUFS])
            defer { Faults.end(SWIFTLET_CALL_SEND, number) }
            #expect(try failure(SocketError.self) { try stream.flush() }.reason == .system(errno: ENOBUFS))
            try stream.write("next")
            try stream.closeWriting()
            #expect(try peer.readToEnd() == Array("next".utf8))
            try yield()
        }
    }

    @Test func handsOutTheStreamBelow() async throws {
        try await withStream { stream, peer in
            try peer.write("STARTTLS\ninjected")
            #expect(try stream.readLine() == "STARTTLS")
            try stream.write("go ahead\n")
            let (below, readAhead) = try stream.unwrap()
            #expect(readAhead == Array("injected".utf8))
            #expect(try peer.readExactly(9) == Array("go ahead\n".utf8))
            try peer.write("secret")
            #expect(try below.readExactly(6) == Array("secret".utf8))
        }
    }

    @Test func manyPiecesGoOutTogether() async throws {
        try await onLoop {
            let pair = try makePair()
            let number = pair.client.descriptor.number
            // Parts of every size, some empty, cut anywhere by the kernel.
            let pieces = (0..<300).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $0 % 37) }
            Faults.plan(SWIFTLET_CALL_SEND, number, errors: [EINTR], largest: 1000)
            let reader = try spawnAndPark { try pair.server.readToEnd() }
            try pair.client.write(contentsOf: pieces)
            Faults.plan(SWIFTLET_CALL_SEND, number)
            try pair.client.write(contentsOf: pieces)
            #expect(Faults.calls(SWIFTLET_CALL_SEND, number) == 5, "64 pieces a call")
            Faults.end(SWIFTLET_CALL_SEND, number)
            pair.client.close()
            let sent = Array(pieces.joined())
            #expect(try reader.get(timeout: .seconds(50)) == sent + sent)
        }
    }
}
