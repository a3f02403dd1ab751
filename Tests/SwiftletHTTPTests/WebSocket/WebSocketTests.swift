import HTTPTypes
import Swiftlet
import SwiftletHTTP
import SwiftletTesting
import TestSupport
import Testing

@Suite("WebSocket connections")
struct WebSocketTests {
    private static let plain = configured { $0.compression = nil }

    // MARK: Messages

    @Test("Messages of all sizes come back", arguments: [true, false])
    func echoes(_ compresses: Bool) async throws {
        try await onLoop {
            let configuration = configured { if !compresses { $0.compression = nil } }
            try withSocketServer(configuration) { url, _ in
                try withHTTPClient { client in
                    try client.withWebSocket(url, configuration: configuration) { socket in
                        #if Zlib
                            #expect(socket.isCompressed == compresses)
                        #endif
                        for size in [0, 1, 5, 125, 126, 127, 1000, 65535, 65536, 70_000, 1_000_000] {
                            let text = String(repeating: "aé€😀\n", count: size / 11 + 1)
                            try socket.send(text)
                            #expect(try socket.receive() == .text(text))
                            var random = SeededRandom(seed: UInt64(size))
                            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                            try socket.send(bytes)
                            #expect(try socket.receive() == .binary(bytes))
                        }
                        try socket.send("")
                        #expect(try socket.receive() == .text(""))
                    }
                }
            }
        }
    }

    @Test("JSON both ways")
    func json() async throws {
        struct Move: Codable, Hashable {
            var from: String
            var to: [Int]
        }
        try await onLoop {
            try withSocketServer { url, _ in
                try withHTTPClient { client in
                    try client.withWebSocket(url) { socket throws in
                        let move = Move(from: "é", to: [1, 2])
                        try socket.send(.json(move))
                        let message = try #require(try socket.receive())
                        #expect(message.text != nil)
                        #expect(try message.json(Move.self) == move)
                        #expect(throws: DecodingError.self) { try message.json([String].self) }
                    }
                }
            }
        }
    }

    @Test("The async spelling does the same")
    func asynchronous() async throws {
        try await onTaskLoop { _ in
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration)
            server.webSocket("/socket") { socket async throws in
                for try await message in socket { try await socket.send(message) }
            }
            try server.start()
            try await withHTTPClient { client in
                try await client.withWebSocket("ws://127.0.0.1:\(server.port)/socket") { socket in
                    try await socket.send("hello")
                    #expect(try await socket.receive() == .text("hello"))
                    try await socket.sendMessage(.binary) { part in
                        try await part.send([1, 2])
                        try await part.send([3])
                    }
                    #expect(try await socket.receive() == .binary([1, 2, 3]))
                    try await socket.close(reason: "done")
                    #expect(try await socket.receive() == nil)
                }
            }
            try await server.stop(grace: .milliseconds(100))
        }
    }

    @Test("A message in parts can be read before it is complete", arguments: [true, false])
    func parts(_ compresses: Bool) async throws {
        try await onLoop {
            let configuration = configured { if !compresses { $0.compression = nil } }
            let told = Waiter<Void>()
            try withSocketServer(configuration) { socket in
                try socket.sendMessage(.text) { part in
                    try part.send("first, ")
                    _ = try told.wait()
                    try part.send(Array("sécond".utf8.prefix(2)))
                    try part.send(Array("sécond".utf8.dropFirst(2)))
                }
                try socket.sendMessage(.binary) { _ in }
                try socket.sendMessage(.text) { part in try part.send("last") }
            } _: { url, _ in
                try withHTTPClient { client in
                    try client.withWebSocket(url, configuration: configuration) { socket in
                        let first = try #require(try socket.receivePart())
                        #expect(String(decoding: first.bytes, as: UTF8.self) == "first, ")
                        #expect(first.kind == .text && !first.isLast)
                        told.resume(returning: ())
                        var rest: [UInt8] = []
                        while let part = try socket.receivePart() {
                            rest += part.bytes
                            if part.isLast { break }
                        }
                        #expect(String(decoding: rest, as: UTF8.self) == "sécond")
                        #expect(try socket.receive() == .binary([]))
                        #expect(try socket.receive() == .text("last"))
                        #expect(try socket.receive() == nil)
                        #expect(socket.closeCode == .normal)
                    }
                }
            }
        }
    }

    @Test("Senders take turns, and nobody waits for who receives")
    func concurrency() async throws {
        try await onLoop {
            try withSocketServer { url, _ in
                try withHTTPClient { client in
                    try client.withWebSocket(url) { socket in
                        let count = 50
                        let senders = (0..<4).map { sender in
                            spawn {
                                for number in 0..<count {
                                    if number % 10 == 0 {
                                        try socket.sendMessage(.text) { part in
                                            try part.send("\(sender)")
                                            try yield()
                                            try part.send(":\(number)")
                                        }
                                    } else {
                                        try socket.send(
                                            "\(sender):\(number)" + String(repeating: " ", count: number * 997))
                                    }
                                }
                            }
                        }
                        var next = [0, 0, 0, 0]
                        for _ in 0..<(4 * count) {
                            let words = try #require(try socket.receive()?.text).split(separator: ":")
                            let sender = try #require(Int(words[0]))
                            #expect(words[1].split(separator: " ")[0] == "\(next[sender])")
                            next[sender] += 1
                        }
                        try joinAll(senders)
                    }
                }
            }
        }
    }

    @Test("Iterating ends with the socket")
    func iteration() async throws {
        try await onLoop {
            try withSocketServer { socket in
                for number in 0..<3 { try socket.send("\(number)") }
                try socket.close(.tryAgainLater, reason: "full")
            } _: { url, _ in
                try withHTTPClient { client in
                    let socket = try client.webSocket(url)
                    #expect(socket.compactMap(\.text) == ["0", "1", "2"])
                    #expect(socket.closeCode == .tryAgainLater)
                    #expect(throws: WebSocketError.closed(.tryAgainLater, reason: "full")) { try socket.receive() }
                }
            }
        }
    }

    // MARK: Endings

    @Test("Both sides say goodbye")
    func goodbye() async throws {
        try await onLoop {
            let code = Waiter<WebSocket.CloseCode?>()
            try withSocketServer { socket in
                let message = try socket.receive()
                #expect(message == nil)
                code.resume(returning: socket.closeCode)
                #expect(throws: WebSocketError.closed(.goingAway, reason: "leaving")) { try socket.send("more") }
            } _: { url, _ in
                try withHTTPClient { client in
                    let socket = try client.webSocket(url)
                    let watch = Stopwatch()
                    try socket.close(.goingAway, reason: "leaving")
                    #expect(watch.elapsed < .seconds(5))
                    let told = try code.wait(until: .after(.seconds(30)))
                    #expect(told == .goingAway)
                    #expect(socket.closeCode == .goingAway)
                    try socket.close()
                    #expect(throws: WebSocketError.self) { try socket.send("more") }
                    #expect(try socket.receive() == nil)
                }
            }
        }
    }

    @Test("Closing wakes who receives, and its message is not lost")
    func closeWhileReceiving() async throws {
        try await onLoop {
            try withSocketServer { url, _ in
                try withHTTPClient { client in
                    let socket = try client.webSocket(url)
                    let receiver = try spawnAndPark { try socket.receive() }
                    try socket.close()
                    #expect(try receiver.get() == nil)
                }
            }
        }
    }

    @Test("Codes and reasons that no close frame may have are refused")
    func invalidClose() async throws {
        try await onLoop {
            try withSocketServer { url, _ in
                try withHTTPClient { client in
                    try client.withWebSocket(url) { socket in
                        #expect(throws: WebSocketError.self) { try socket.close(.abnormal) }
                        #expect(throws: WebSocketError.self) {
                            try socket.close(WebSocket.CloseCode(rawValue: 1005), reason: "x")
                        }
                        #expect(throws: WebSocketError.self) {
                            try socket.close(reason: String(repeating: "x", count: 124))
                        }
                        try socket.send("still open")
                        #expect(try socket.receive() == .text("still open"))
                    }
                }
            }
        }
    }

    @Test("A handler that throws ends the socket with 1011 and is reported")
    func failingHandler() async throws {
        struct BrokenHandler: Error {}
        try await onLoop {
            try withSocketServer { _ in
                throw BrokenHandler()
            } _: { url, _ in
                try withHTTPClient { client in
                    let socket = try client.webSocket(url)
                    #expect(throws: WebSocketError.closed(.internalError, reason: "")) { try socket.receive() }
                }
            }
        }
        #expect(ReportLog.reports(containing: "BrokenHandler").count == 1)
    }

    @Test("A server that stops says that it goes away")
    func serverStops() async throws {
        try await onLoop {
            var configuration = HTTPServer.Configuration()
            configuration.port = 0
            let server = HTTPServer(configuration)
            server.webSocket("/socket", handler: echo)
            try server.start()
            try withHTTPClient { client in
                let socket = try client.webSocket("ws://127.0.0.1:\(server.port)/socket")
                let receiver = try spawnAndPark { try socket.receive() }
                try server.stop(grace: .seconds(5))
                #expect(try receiver.get() == nil)
                #expect(socket.closeCode == .goingAway)
            }
        }
    }

    @Test("A peer that is gone without a goodbye")
    func lost() async throws {
        try await onLoop {
            let ending = Waiter<WebSocket.CloseCode?>()
            try withSocketServer { socket in
                defer { ending.resume(returning: socket.closeCode) }
                _ = try socket.receive()
            } _: { _, port in
                let peer = try RawPeer(port: port)
                try peer.send(0x01, Array("half a mess".utf8))
                peer.connection.close()
                #expect(try ending.wait() == .abnormal)
            }
        }
    }

    @Test("A peer that says no goodbye is waited for no longer than configured")
    func closeTimeout() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let peer = spawn { try RawPeer(accepting: listener) }
            let configuration = configured { $0.closeTimeout = .milliseconds(50) }
            try withHTTPClient { client in
                let socket = try client.webSocket("ws://127.0.0.1:\(listener.port)/", configuration: configuration)
                try socket.close()
                #expect(socket.closeCode == .abnormal)
                #expect(try peer.get().closeCode() == 1000)
            }
        }
    }

    // MARK: Cancellation

    @Test("A cancelled receive loses nothing, wherever in a message it was")
    func cancelledReceive() async throws {
        try await onLoop {
            let (cancelled, got) = (Queue<Int>(), Waiter<[WebSocket.Message?]>())
            let bytes = frame(0x01, Array("hel".utf8)) + frame(0x80, Array("lo".utf8)) + frame(0x82, [1])
            try withSocketServer { socket in
                for number in 0..<bytes.count - 9 {
                    #expect(throws: DeadlineExceeded.self) {
                        try withTimeout(.milliseconds(2)) { _ = try socket.receive() }
                    }
                    try cancelled.put(number)
                }
                got.resume(returning: [try socket.receive(), try socket.receive()])
            } _: { _, port in
                let peer = try RawPeer(port: port)
                for byte in bytes.dropLast(9) {
                    _ = try cancelled.get()
                    try peer.connection.write([byte])
                }
                try peer.connection.write(Array(bytes.suffix(9)))
                #expect(try got.wait() == [.text("hello"), .binary([1])])
            }
        }
    }

    @Test("A send that was cancelled on its way ends the connection")
    func cancelledSend() async throws {
        try await onLoop {
            try withSocketServer(Self.plain) { socket in
                try sleep(.seconds(60))
            } _: { url, _ in
                try withHTTPClient { client in
                    let socket = try client.webSocket(url, configuration: Self.plain)
                    #expect(throws: DeadlineExceeded.self) {
                        try withTimeout(.milliseconds(50)) { try socket.send([UInt8](repeating: 0, count: 50 << 20)) }
                    }
                    let error = try failure(WebSocketError.self) { try socket.send("next") }
                    #expect("\(error)".contains("cancelled"))
                }
            }
        }
    }

    // MARK: Signs of life

    @Test("Pings are answered in order, and their payload comes back")
    func pings() async throws {
        try await onLoop {
            try withSocketServer { url, port in
                let peer = try RawPeer(port: port)
                for number in 0..<10 as Range<UInt8> { try peer.send(0x89, [number, number]) }
                for number in 0..<10 as Range<UInt8> {
                    let frame = try #require(try peer.receive())
                    #expect(frame.first == 0x8A && frame.payload == [number, number])
                }
                try withHTTPClient { client in
                    try client.withWebSocket(url) { socket in
                        let receiver = spawn { try socket.receive() }
                        #expect(try socket.ping(timeout: .seconds(10)) > .zero)
                        try socket.pong()
                        try socket.send("and messages go on")
                        #expect(try receiver.get() == .text("and messages go on"))
                    }
                }
            }
        }
    }

    @Test("A dead peer is noticed, a living one is kept")
    func heartbeat() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let configuration = configured {
                $0.heartbeat = .milliseconds(30)
                $0.heartbeatTimeout = .milliseconds(200)
            }
            let peer = spawn {
                let peer = try RawPeer(accepting: listener)
                for _ in 0..<3 {
                    // Whatever the peer sends is a sign of life.
                    let ping = try peer.receive()
                    #expect(ping?.first == 0x89)
                    try peer.connection.write(frame(0x8A, [], masked: false))
                }
                return peer
            }
            try withHTTPClient { client in
                let socket = try client.webSocket("ws://127.0.0.1:\(listener.port)/", configuration: configuration)
                #expect(throws: WebSocketError.peerIsSilent(after: .milliseconds(200))) { try socket.receive() }
                #expect(socket.closeCode == .abnormal)
                _ = try peer.get()
            }
        }
    }

    // MARK: Rules and limits

    @Test(
        "What breaks the rules is answered with its code, and nothing after it is read",
        arguments: [
            (1002, frame(0x81, [], masked: false)), (1002, frame(0x83, [])), (1007, frame(0x81, [0xFF])),
            (1009, frame(0x82, [UInt8](repeating: 0, count: 1001))),
            (1009, frame(0x02, [UInt8](repeating: 0, count: 600)) + frame(0x80, [UInt8](repeating: 0, count: 600))),
            (1002, frame(0x80, [])), (1002, frame(0x88, [1])), (1000, frame(0x88, [3, 0xE8])), (0, frame(0x88, [])),
            (4321, frame(0x88, [0x10, 0xE1])),
        ] as [(Int, [UInt8])])
    func violations(_ code: Int, _ bytes: [UInt8]) async throws {
        try await onLoop {
            try withSocketServer(configured { $0.messageLimit = 1000 }) { socket in
                if let message = try socket.receive() { Issue.record("\(message) was received") }
            } _: { _, port in
                let peer = try RawPeer(port: port)
                try peer.connection.write(bytes + frame(0x81, Array("too late".utf8)))
                #expect(try peer.closeCode() == code)
                #expect(try peer.receive() == nil)
            }
        }
    }

    @Test("Handlers learn of the end, however it comes")
    func endings() async throws {
        struct Mine: Error {}
        try await onLoop {
            let ended = Queue<WebSocket.CloseCode?>()
            try withSocketServer { socket in
                for _ in socket {}
                try ended.put(socket.closeCode)
            } _: { url, _ in
                try withHTTPClient { client in
                    try client.webSocket(url).close()
                    #expect(try ended.get() == .normal)
                    _ = try client.webSocket(url)  // dropped: the stream ends with its last reference
                    #expect(try ended.get() == .abnormal)
                    #expect(throws: Mine.self) { try client.withWebSocket(url) { _ in throw Mine() } }
                    #expect(try ended.get() == .abnormal)
                }
            }
        }
    }
}
