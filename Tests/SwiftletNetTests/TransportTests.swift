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

    // MARK: Servers

    @Test func aConnectionMayComeFromAChosenAddress() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            let server = try loop.createServer { Echo() }
            let (transport, client) = try loop.createConnection(
                to: "127.0.0.1", port: server.port, from: "127.0.0.2"
            ) { Recorder() }
            #expect((transport.stream as? TCPConnection)?.localAddress?.host == "127.0.0.2")
            transport.write("x")
            while client.received.isEmpty { try yield() }
            transport.close()
            _ = try client.lost.wait()
            let error = try failure(SocketError.self) {
                try loop.createConnection(to: "127.0.0.1", port: server.port, from: "192.0.2.1") { Recorder() }
            }
            #expect(error.reason == .system(errno: EADDRNOTAVAIL))
            try server.stop()
        }
    }

    @Test func theErrorsOfAllAddressesAreTold() async throws {
        try await onLoop {
            let port = try TCPListener().port  // whose listener has gone
            let addresses = try ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map {
                try #require(SocketAddress(numericHost: $0, port: port))
            }
            let failures = try failure(ConnectFailures.self) {
                try TCPConnection.connect(to: addresses, of: "everywhere", throwsAllErrors: true)
            }
            let errors = failures.errors.compactMap { $0 as? SocketError }
            #expect(errors.map(\.reason) == Array(repeating: .system(errno: ECONNREFUSED), count: 3))
            for (address, error) in zip(addresses, errors) { #expect(error.peer.contains(address.host)) }
            #expect(failures.description.hasPrefix("none of 3 addresses can be connected to:\n- connect to everywhere"))
            let one = try failure(ConnectFailures.self) {
                try EventLoop.current.createConnection(to: "127.0.0.1", port: port, throwsAllErrors: true) {
                    Recorder()
                }
            }
            #expect(one.errors.count == 1)
            #expect(throws: SocketError.self) { try TCPConnection.connect(to: addresses) }
        }
    }

    @Test func serversShareAPortAndHaveABacklog() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            let first = try loop.createServer(reusePort: true) { Echo() }
            let second = try loop.createServer(port: first.port, reusePort: true) { Echo() }
            let busy = try failure(SocketError.self) { try loop.createServer(port: first.port) { Echo() } }
            #expect(busy.reason == .system(errno: EADDRINUSE))
            // Enough of them that the kernel has given both some.
            var transports: [StreamTransport] = []
            while first.connectionCount == 0 || second.connectionCount == 0 {
                let (transport, client) = try loop.createConnection(to: "127.0.0.1", port: first.port) { Recorder() }
                transport.write("x")
                while client.received.isEmpty { try yield() }
                transports.append(transport)
                try #require(transports.count < 200)
            }
            for transport in transports { transport.close() }
            try first.stop()
            try second.stop()

            // Two wait in the kernel's queue for a place; for a third one there is no room there.
            let narrow = try loop.createServer(limit: 1, backlog: 1) { Echo() }
            let (held, owner) = try loop.createConnection(to: "127.0.0.1", port: narrow.port) { Recorder() }
            held.write("x")
            while owner.received.isEmpty { try yield() }
            let queued = try (0..<2).map { _ in try TCPConnection.connect(to: "127.0.0.1", port: narrow.port) }
            let refused = try failure(SocketError.self) {
                try TCPConnection.connect(to: "127.0.0.1", port: narrow.port, timeout: .milliseconds(50))
            }
            #expect(refused.reason == .timedOut && narrow.connectionCount == 1)
            held.close()
            try queued[0].write("y")
            #expect(try queued[0].readExactly(1) == Array("y".utf8))
            for connection in queued { connection.close() }
            try narrow.stop()
        }
    }

    @Test func allConnectionsOfAServerAreClosedOrAborted() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            var owners: [Recorder] = []
            let server = try loop.createServer {
                owners.append(Recorder())
                return owners.last!
            }
            let clients = try (0..<3).map { _ in try TCPConnection.connect(to: "127.0.0.1", port: server.port) }
            while owners.count(where: { $0.transport != nil }) < 3 { try yield() }
            #expect(server.connectionCount == 3)
            for owner in owners { owner.transport?.write("goodbye") }
            server.closeConnections()
            for client in clients { #expect(try client.readToEnd() == Array("goodbye".utf8)) }
            for owner in owners { _ = try owner.lost.wait() }
            while server.connectionCount > 0 { try yield() }

            // It goes on; aborted, what waits is dropped.
            let slow = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
            while owners.count < 4 || owners[3].transport == nil { try yield() }
            let size = 64 << 20
            owners[3].transport?.write([UInt8](repeating: 0, count: size))
            _ = try slow.readExactly(1)
            server.abortConnections()
            _ = try owners[3].lost.wait()
            #expect(((try? slow.readToEnd(limit: size))?.count ?? 0) < size - 1)
            slow.close()
            try server.stop()
            #expect(server.connectionCount == 0)
        }
    }

    @Test func atAUnixSocket() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            let path = "/tmp/swiftlet-transport-\(getpid())"
            let server = try loop.createUnixServer(at: path, permissions: 0o600) { Echo() }
            var file = stat()
            #expect(stat(path, &file) == 0 && file.st_mode & 0o777 == 0o600 && server.port == 0)
            let stream = try UnixConnection.connect(to: path)
            let (transport, client) = try loop.createConnection(over: stream) { Recorder() }
            transport.write("local")
            transport.finishWriting()
            _ = try client.lost.wait()
            #expect(client.received == Array("local".utf8))
            try server.stop()
            #expect(stat(path, &file) != 0)
            #expect(throws: SocketError.self) { try UnixConnection.connect(to: path) }
        }
    }

    // MARK: Datagrams

    private final class DatagramRecorder: DatagramProtocol {
        var texts: [String] = []
        var errors: [SocketError] = []
        var log: [String] = []
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

        func pauseWriting() { log.append("pause") }
        func resumeWriting() { log.append("resume") }

        func connectionLost(_ error: (any Error)?) { lost.resume(returning: ()) }
    }

    @Test func datagramsPauseTheirProtocolAtTheLimits() async throws {
        try await onLoop {
            let loop = try EventLoop.current
            let (server, serving) = try loop.createDatagramEndpoint(over: UDPSocket()) { DatagramRecorder() }
            let (client, owner) = try loop.createDatagramEndpoint(
                over: UDPSocket.connect(to: "127.0.0.1", port: server.socket.port)
            ) { DatagramRecorder() }
            #expect(client.writeBufferLimits == WriteBufferLimits())
            client.writeBufferLimits = WriteBufferLimits(high: 100, low: 40)
            // Nothing is sent before this fiber waits: so it counts up to the limit exactly.
            for _ in 0..<5 { client.send([UInt8](repeating: 65, count: 20)) }
            #expect(client.writeBufferSize == 100 && owner.log.isEmpty)
            client.send("x")
            #expect(client.writeBufferSize == 101 && owner.log == ["pause"])
            client.send("y")
            #expect(owner.log == ["pause"])  // once
            while client.writeBufferSize > 0 { try yield() }
            #expect(owner.log == ["pause", "resume"])
            while serving.texts.count < 7 { try yield() }
            #expect(serving.texts.suffix(2) == ["x", "y"])
            // Closing sends what waits, aborting drops it.
            client.send("last")
            client.close()
            _ = try owner.lost.wait()
            while serving.texts.last != "last" { try yield() }
            let (other, hasty) = try loop.createDatagramEndpoint(
                over: UDPSocket.connect(to: "127.0.0.1", port: server.socket.port)
            ) { DatagramRecorder() }
            other.send("never")
            other.abort()
            #expect(other.writeBufferSize == 0)
            _ = try hasty.lost.wait()
            for _ in 0..<20 { try yield() }
            #expect(serving.texts.last == "last")
            server.close()
            _ = try serving.lost.wait()
        }
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
            // While a child of another test is being spawned, it holds the server's socket too: then one more is sent.
            repeat { client.send("two") } while try !owner.changed.wait(timeout: .milliseconds(100))
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
