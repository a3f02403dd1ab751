import Glibc
import Swiftlet
import SwiftletNet
import TestSupport
import Testing

/// What a protocol was told, in order.
private class Recorder: StreamProtocol {
    var log: [String] = []
    var received: [UInt8] = []
    var transport: StreamTransport?
    let lost = Waiter<Void>()
    var keepsOpen = false

    func connectionMade(_ transport: StreamTransport) {
        log.append("made")
        self.transport = transport
    }

    func dataReceived(_ bytes: [UInt8]) {
        if log.last != "data" { log.append("data") }
        received += bytes
    }

    func endReceived() -> Bool {
        log.append("end")
        return keepsOpen
    }

    func pauseWriting() { log.append("pause") }
    func resumeWriting() { log.append("resume") }

    func connectionLost(_ error: (any Error)?) {
        log.append(error.map { "lost: \(type(of: $0))" } ?? "lost")
        lost.resume(returning: ())
    }
}

private final class Echo: Recorder {
    override func dataReceived(_ bytes: [UInt8]) {
        super.dataReceived(bytes)
        transport?.write(bytes)
    }
}

@Suite struct TransportTests {
    @Test func aProtocolIsToldInOrder() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            let parks = loop.statistics.parks
            let server = try loop.createServer { Echo() }
            let (transport, client) = try loop.createConnection(to: "127.0.0.1", port: server.port) { Recorder() }
            #expect(client.log == ["made"] && client.transport === transport)
            #expect(transport.stream.remoteAddress.port == server.port)
            transport.write("hello ")
            transport.write("world")
            transport.finishWriting()
            transport.write("too late")
            _ = try client.lost.wait()
            // The server's side closes by default when the peer has sent all.
            #expect(client.received == Array("hello world".utf8))
            #expect(client.log == ["made", "data", "end", "lost"])
            #expect(transport.isClosing && transport.stream.isClosed)
            #expect(loop.statistics.parks > parks)
            try server.stop()
        }
    }

    @Test func theOwnDirectionStaysOpenIfWanted() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            let owner = Recorder()
            owner.keepsOpen = true
            let (transport, _) = try EventLoop.current.createConnection(over: mine) { owner }
            try theirs.write("question")
            try theirs.closeWriting()
            while owner.log.last != "end" { try yield() }
            transport.write("answer")
            transport.close()
            #expect(try theirs.readToEnd() == Array("answer".utf8))
            _ = try owner.lost.wait()
            #expect(owner.log == ["made", "data", "end", "lost"])
        }
    }

    @Test func writingPausesAtTheHighWaterMarkAndGoesOnAtTheLow() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            let (transport, owner) = try EventLoop.current.createConnection(over: mine) { Recorder() }
            #expect(transport.writeBufferLimits == WriteBufferLimits(high: 65536, low: 16384))
            transport.write([UInt8](repeating: 1, count: 65536))
            #expect(owner.log == ["made"] && transport.writeBufferSize == 65536)
            transport.write([UInt8](repeating: 2, count: 8 << 20))
            transport.write([3])
            #expect(owner.log == ["made", "pause"])
            #expect(try theirs.readExactly(65536 + (8 << 20)).last == 2)
            while owner.log.last != "resume" { try yield() }
            #expect(transport.writeBufferSize <= 16384)
            #expect(try theirs.readExactly(1) == [3])
            while transport.writeBufferSize > 0 { try yield() }
            transport.writeBufferLimits = WriteBufferLimits(high: 0)
            transport.write([4])
            #expect(owner.log == ["made", "pause", "resume", "pause"])
            transport.close()
            #expect(try theirs.readToEnd() == [4])
            _ = try owner.lost.wait()
            #expect(owner.log == ["made", "pause", "resume", "pause", "resume", "lost"])
        }
    }

    @Test func abortDropsWhatWaits() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            let (transport, owner) = try EventLoop.current.createConnection(over: mine) { Recorder() }
            let size = 64 << 20  // more than the kernel takes
            transport.write([UInt8](repeating: 0, count: size))
            _ = try theirs.readExactly(1)
            transport.abort()
            #expect(transport.writeBufferSize == 0)
            _ = try owner.lost.wait()
            #expect(owner.log == ["made", "pause", "lost"])
            let rest = try? theirs.readToEnd(limit: size)
            #expect((rest?.count ?? 0) < size - 1)
            theirs.close()
        }
    }

    @Test func pausedNothingIsTold() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            let (transport, owner) = try EventLoop.current.createConnection(over: mine) { Recorder() }
            transport.pauseReading()
            #expect(!transport.isReading)
            try theirs.write("quiet")
            try sleep(.milliseconds(20))
            #expect(owner.log == ["made"])
            transport.resumeReading()
            while owner.received.isEmpty { try yield() }
            #expect(owner.received == Array("quiet".utf8) && transport.isReading)
            // Closed while paused: it must not wait for anything.
            transport.pauseReading()
            transport.close()
            _ = try owner.lost.wait()
            theirs.close()
        }
    }

    @Test func anErrorOfTheConnectionIsTold() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            let (transport, owner) = try EventLoop.current.createConnection(over: mine) { Recorder() }
            // With bytes unread, closing resets the connection.
            transport.write("unread")
            while transport.writeBufferSize > 0 { try yield() }
            #expect(theirs.hasInput)
            theirs.close()
            _ = try owner.lost.wait()
            #expect(owner.log == ["made", "lost: SocketError"])
            transport.write("into the void")
            #expect(transport.writeBufferSize == 0)
        }
    }

    @Test func cancellingTheFiberEndsTheConnection() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            let owner = Recorder()
            let fiber = spawn { try StreamTransport.run(owner, over: mine) }
            try yield()
            fiber.cancel()
            #expect(throws: CancellationError.self) { try fiber.get() }
            #expect(owner.log == ["made", "lost: CancellationError"])
            #expect(try theirs.readToEnd().isEmpty)
        }
    }

    @Test func fromATask() async throws {
        let received = try await onTaskLoop { loop in
            let server = try loop.createServer { Echo() }
            let (transport, client) = try await loop.createConnection(to: "127.0.0.1", port: server.port) { Recorder() }
            transport.write("task")
            transport.finishWriting()
            _ = try await client.lost.wait()
            try await server.stop()
            return String(decoding: client.received, as: UTF8.self)
        }
        #expect(received == "task")
    }

    @Test func onAnotherThreadItIsAnError() async throws {
        let loop = try await onLoop(parks: false) { try EventLoop.current }
        #expect(throws: LoopError.self) { try loop.createServer { Echo() } }
        let (mine, theirs) = try await onLoop(parks: false) { try makePair() }
        #expect(throws: LoopError.self) { try loop.createConnection(over: mine) { Recorder() } }
        #expect(mine.isClosed)
        theirs.close()
    }

    @Test func aPeerThatNeverPausesLeavesTheOthersTheirTurns() async throws {
        try await onLoop {
            let (mine, theirs) = try makePair()
            var turns = 0
            var seen: [Int] = []
            let ticker = spawn {
                while true {
                    turns += 1
                    try yield()
                }
            }
            final class Sink: Recorder {
                var told: () -> Void = {}
                override func dataReceived(_ bytes: [UInt8]) {
                    received += bytes
                    told()
                }
            }
            let size = 2 << 20
            let sending = spawn { try theirs.write([UInt8](repeating: 0, count: size)) }
            let (transport, sink) = try EventLoop.current.createConnection(over: mine) { Sink() }
            sink.told = { seen.append(turns) }
            while sink.received.count < size { try yield() }
            #expect(seen.count > 10 && Set(seen).count == seen.count)
            ticker.cancel()
            try sending.get()
            transport.close()
            _ = try sink.lost.wait()
            try ticker.join()
            theirs.close()
        }
    }

    /// A protocol keeps its transport, as the documented one does.
    @Test func whatHasEndedIsFreed() async throws {
        try await onLoop {
            weak var owner: Recorder?
            weak var transport: StreamTransport?
            let (mine, theirs) = try makePair()
            do {
                let made = try EventLoop.current.createConnection(over: mine) { Recorder() }
                (transport, owner) = (made.transport, made.protocol)
                theirs.close()
                _ = try made.protocol.lost.wait()
                try yield()
            }
            #expect(owner == nil && transport == nil)
        }
    }

    // MARK: Datagrams

    private final class DatagramRecorder: DatagramProtocol {
        var texts: [String] = []
        var errors: [SocketError] = []
        var transport: DatagramTransport?
        var echoes = false
        let changed = Event()
        let lost = Waiter<Void>()

        func connectionMade(_ transport: DatagramTransport) { self.transport = transport }

        func datagramReceived(_ datagram: Datagram) {
            texts.append(datagram.text)
            if echoes { transport?.send(datagram.bytes, to: datagram.sender) }
            changed.set()
        }

        func errorReceived(_ error: SocketError) {
            errors.append(error)
            changed.set()
        }

        func connectionLost(_ error: (any Error)?) { lost.resume(returning: ()) }
    }

    @Test func datagramsGoBothWays() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            let (server, serving) = try loop.createDatagramEndpoint(over: UDPSocket()) { DatagramRecorder() }
            serving.echoes = true
            let socket = try UDPSocket.connect(to: "127.0.0.1", port: server.socket.port)
            let (client, owner) = try loop.createDatagramEndpoint(over: socket) { DatagramRecorder() }
            client.send("one")
            #expect(client.writeBufferSize == 3)
            try owner.changed.wait()
            #expect(owner.texts == ["one"] && serving.texts == ["one"])
            server.close()
            _ = try serving.lost.wait()
            #expect(server.isClosing && server.socket.isClosed)
            // Now nobody receives there; the kernel says so, and the socket stays.
            owner.changed.clear()
            client.send("two")
            try owner.changed.wait()
            #expect(owner.errors.count == 1 && !client.isClosing)
            // Too long for any datagram: that one fails alone.
            owner.changed.clear()
            client.send([UInt8](repeating: 0, count: 70_000))
            try owner.changed.wait()
            #expect(owner.errors.count == 2 && client.writeBufferSize == 0)
            client.abort()
            _ = try owner.lost.wait()
        }
    }
}
