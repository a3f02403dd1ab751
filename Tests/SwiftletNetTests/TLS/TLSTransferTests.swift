import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct TLSTransferTests {
    private func pair(
        _ version: TLSVersion = .tls13
    ) throws -> (client: TLSStream, server: TLSStream, below: (client: TCPConnection, server: TCPConnection)) {
        let below = try makePair()
        let pair = try Handshake(
            clientConfiguration { $0.maximumVersion = version }, try serverConfiguration(), over: below
        ).get()
        return (pair.client, pair.server, below)
    }

    /// Bytes that differ at each place for a long way.
    private static func pattern(_ seed: UInt64, _ count: Int) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `Large transfers both ways at once, each side reading and writing in two fibers`(
        version: TLSVersion
    ) async throws {
        try await onLoop {
            let (client, server, _) = try pair(version)
            let size = 12_000_000
            let up = Self.pattern(1, size)
            let down = Self.pattern(2, size)
            let writers = [
                spawn {
                    var start = 0
                    for step in [1, 100, 16_384, 16_385, 65_536, 1_000_000, 3_000_000, size] where start < size {
                        let end = min(start + step, size)
                        try client.write(Array(up[start..<end]), until: limit())
                        start = end
                    }
                    try client.closeWriting()
                },
                spawn {
                    try server.write(down, until: limit())
                    try server.closeWriting()
                },
            ]
            let received = spawn { try server.readToEnd(until: limit()) }
            #expect(try client.readToEnd(until: limit()) == down)
            #expect(try received.get() == up)
            for writer in writers { try writer.get() }
        }
    }

    @Test func `Short writes of the kernel and single bytes`() async throws {
        try await onLoop {
            let (client, server, below) = try pair()
            let number = below.client.descriptor.number
            Faults.plan(SWIFTLET_CALL_SEND, number, largest: 7)
            defer { Faults.end(SWIFTLET_CALL_SEND, number) }
            let bytes = Self.pattern(3, 20_000)
            let writer = spawn { try client.write(bytes, until: limit()) }
            var received: [UInt8] = []
            while received.count < bytes.count {
                received += try server.readExactly(1, until: limit())
                if received.count % 3 == 0 { received += try server.read(upTo: 5, until: limit()) }
            }
            #expect(received == bytes)
            try writer.get()
        }
    }

    @Test func `A stream that is cut off is no end`() async throws {
        try await onLoop {
            for version in TLSVersion.allCases {
                let (client, server, below) = try pair(version)
                try server.write("part")
                below.server.close()
                #expect(try client.readExactly(4, until: limit()) == Array("part".utf8))
                for _ in 0..<2 {
                    let error = try failure(TLSError.self) { try client.read(upTo: 1, until: limit()) }
                    #expect(error.phase == .read && error.reason == .truncated && error.isDisconnection)
                }
                _ = server
            }
        }
    }

    @Test func `One direction ends, the other goes on`() async throws {
        try await onLoop {
            for version in TLSVersion.allCases {
                let (client, server, _) = try pair(version)
                try client.write("question")
                try client.closeWriting()
                #expect(try server.readToEnd(until: limit()) == Array("question".utf8))
                #expect(try server.read(upTo: 1, until: limit()).isEmpty)
                try server.write("answer")
                try server.closeWriting()
                #expect(try client.readToEnd(until: limit()) == Array("answer".utf8))
                #expect(throws: TLSError.self) { try client.write("more") }
            }
        }
    }

    @Test func `Closing wakes the reader, says goodbye, and is final`() async throws {
        let sockets = try await onLoop {
            let (client, server, below) = try pair()
            let reader = try spawnAndPark { try client.read(upTo: 1, until: limit()) }
            client.close()
            client.close()
            #expect(try failure(SocketError.self) { try reader.get() }.reason == .closed)
            #expect(try server.readToEnd(until: limit()).isEmpty)
            #expect(try failure(SocketError.self) { try client.write("x") }.reason == .closed)
            #expect(try failure(SocketError.self) { try client.read(upTo: 1) }.reason == .closed)
            let sockets = socketNames([below.server.descriptor.number])
            server.close()
            return sockets
        }
        #expect(stillOpen(sockets).isEmpty)
    }

    @Test func `Timeouts and cancellations: reading goes on, a write that was cut off is the last`() async throws {
        try await onLoop {
            let (client, server, _) = try pair()
            #expect(
                try failure(SocketError.self) { try client.read(upTo: 1, until: .after(.milliseconds(10))) }.reason
                    == .timedOut)
            client.readTimeout = .milliseconds(10)
            #expect(try failure(SocketError.self) { try client.read(upTo: 1) }.reason == .timedOut)
            client.readTimeout = nil
            let reader = try spawnAndPark { try client.read(upTo: 1, until: limit()) }
            reader.cancel()
            #expect(throws: CancellationError.self) { try reader.get() }
            try server.write("still there")
            #expect(try client.readExactly(11, until: limit()) == Array("still there".utf8))

            // The peer takes nothing: the buffers of both kernels fill up.
            let large = [UInt8](repeating: 1, count: 32 << 20)
            client.writeTimeout = .milliseconds(50)
            #expect(try failure(SocketError.self) { try client.write(large) }.reason == .timedOut)
            #expect(try failure(TLSError.self) { try client.write("more") }.reason == .brokenOff)
            try server.write("and still")
            #expect(try client.readExactly(9, until: limit()) == Array("and still".utf8))
            // A second writer waits for the first, no longer than it may.
            let writer = try spawnAndPark { try server.write(large, until: limit()) }
            #expect(
                try failure(SocketError.self) { try server.write("x", until: .after(.milliseconds(10))) }.reason
                    == .timedOut)
            writer.cancel()
            #expect(throws: CancellationError.self) { try writer.get() }
            client.close()
            // The end without goodbye, or the reset that the kernel sends if the client leaves something unread (RFC 2525 2.17).
            do {
                while try server.read(upTo: 65536, until: limit()) != [] {}
                Issue.record("a stream that was cut off ended as if it were whole")
            } catch let error as TLSError {
                #expect(error.reason == .truncated)
            } catch let error as SocketError {
                #expect(error.reason == .system(errno: ECONNRESET))
            }
        }
    }

    @Test func `An offer of sessions is no input`() async throws {
        try await onLoop {
            let (client, server, below) = try pair()
            try below.client.waitForInput(until: limit())
            #expect(below.client.hasInput && !client.hasInput)
            try server.write("x")
            try client.waitForInput(until: limit())
            #expect(client.hasInput)
            #expect(try client.readExactly(1) == [120])
            #expect(!client.hasInput)
            server.close()
            try client.waitForInput(until: limit())
            #expect(client.hasInput)
            #expect(try client.read(upTo: 1).isEmpty)
        }
    }

    @Test func `TLS begins on a connection that was used in clear, and within TLS`() async throws {
        try await onLoop {
            let below = try makePair()
            try below.client.write("STARTTLS\r\n")
            #expect(try below.server.readExactly(10, until: limit()) == Array("STARTTLS\r\n".utf8))
            let outer = try Handshake(clientConfiguration(), try serverConfiguration(), over: below).get()
            try outer.client.write("inside")
            #expect(try outer.server.readExactly(6, until: limit()) == Array("inside".utf8))
            let inner = try Handshake(
                clientConfiguration(), try serverConfiguration("other"), serverName: "sni.example", over: outer
            ).get()
            let bytes = Self.pattern(4, 300_000)
            let writer = spawn { try inner.server.write(bytes, until: limit()) }
            #expect(try inner.client.readExactly(bytes.count, until: limit()) == bytes)
            try writer.get()
            #expect(inner.client.info.peerCertificateSubject == "CN=other")
            inner.client.close()
            #expect(outer.client.isClosed && below.client.isClosed)
        }
    }
}
