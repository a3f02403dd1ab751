import Glibc
import Swiftlet
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test func echoesBetweenFibers() async throws {
        let text = try await onLoop {
            let listener = try TCPListener()
            let server = spawn {
                try listener.serve { connection in
                    while case let bytes = try connection.read(upTo: 4096), !bytes.isEmpty {
                        try connection.write(bytes)
                    }
                }
            }
            let clients = (0..<20).map { number in
                spawn {
                    try TCPConnection.with("127.0.0.1", port: listener.port) { connection in
                        #expect(connection.remoteAddress.port == listener.port)
                        #expect(connection.localAddress?.host == "127.0.0.1")
                        for round in 0..<10 {
                            try connection.write("\(number) \(round);")
                            let expected = "\(number) \(round);"
                            let answer = try connection.readExactly(expected.utf8.count)
                            #expect(String(decoding: answer, as: UTF8.self) == expected)
                        }
                        return number
                    }
                }
            }
            let sum = try clients.map { try $0.get() }.reduce(0, +)
            listener.close()
            try server.get()
            return sum
        }
        #expect(text == 190)
    }

    @Test func echoesBetweenTasks() async throws {
        try await onTaskLoop { _ in
            let listener = try TCPListener()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await listener.serve { connection in
                        while case let bytes = try await connection.read(upTo: 4096), !bytes.isEmpty {
                            try await connection.write(bytes)
                        }
                    }
                }
                for number in 0..<5 {
                    let connection = try await TCPConnection.connect(to: "127.0.0.1", port: listener.port)
                    try await connection.write("hello \(number)")
                    #expect(try await connection.readExactly(7) == Array("hello \(number)".utf8))
                    try connection.closeWriting()
                    #expect(try await connection.readToEnd().isEmpty)
                    connection.close()
                }
                listener.close()
                try await group.waitForAll()
            }
        }
    }

    @Test func servesTasksThatAreOnNoLoop() async throws {
        let listener = try TCPListener()
        async let echoed: Void = {
            let connection = try await listener.accept()
            try await connection.write(try await connection.readExactly(4))
            connection.close()
        }()
        let answer = try await TCPConnection.with("127.0.0.1", port: listener.port) { connection in
            try await connection.write("ping")
            return try await connection.readToEnd()
        }
        try await echoed
        #expect(answer == Array("ping".utf8))
    }

    @Test func cancellingATaskThatIsOnNoLoopEndsItsRead() async throws {
        let pair = try makePair()
        let reader = Task { try await pair.client.read(upTo: 10) }
        reader.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
        withExtendedLifetime(pair.server) {}
    }

    @Test func blocksOnPlainThreads() async throws {
        let listener = try TCPListener()
        async let served = onFreshThread {
            let connection = try listener.accept()
            defer { connection.close() }
            let request = try connection.readExactly(1_000_000)
            try connection.write(request)
            return request.count
        }
        let answer = try await onFreshThread {
            #expect(EventLoop.currentIfAny == nil)
            let connection = try TCPConnection.connect(to: "localhost", port: listener.port)
            connection.timeout = .seconds(60)
            let writer = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) }
            try connection.write(writer)
            #expect(try connection.readToEnd() == writer)
            connection.readTimeout = .milliseconds(20)
            return writer.count
        }
        #expect(try await served == answer)
    }

    @Test func timesOutOnPlainThreads() async throws {
        try await onFreshThread {
            let pair = try makePair()
            pair.client.readTimeout = .milliseconds(10)
            let error = try failure(SocketError.self) { try pair.client.read(upTo: 1) }
            #expect(error.reason == .timedOut)
            #expect(error.operation == .read)
        }
    }

    @Test func halfCloses() async throws {
        try await onLoop {
            let pair = try makePair()
            let server = spawn {
                let question = try pair.server.readToEnd()
                try pair.server.write(question, Array(" and goodbye".utf8))
                pair.server.close()
            }
            try pair.client.write("hello")
            try pair.client.closeWriting()
            #expect(String(decoding: try pair.client.readToEnd(), as: UTF8.self) == "hello and goodbye")
            // The end stays the end.
            #expect(try pair.client.read(upTo: 1).isEmpty)
            try server.get()
            let error = try failure(SocketError.self) { try pair.client.write("more") }
            #expect(error.isDisconnection)
        }
    }

    @Test func holdsBackAWriterWhoseReaderIsSlow() async throws {
        try await onLoop {
            let pair = try makePair()
            let size = 32_000_000
            let data = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                // Blocks of an odd size, so that a lost or repeated part shows.
                let block = (0..<10_007).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
                for start in stride(from: 0, to: size, by: block.count) {
                    memcpy(buffer.baseAddress! + start, block, min(block.count, size - start))
                }
                count = size
            }
            let writer = try spawnAndPark {
                try pair.client.write(data, Array("end".utf8))
                pair.client.close()
            }
            #expect(!writer.isFinished)
            var received: [UInt8] = []
            while case let piece = try pair.server.read(upTo: 300_000), !piece.isEmpty {
                received += piece
                try yield()
            }
            #expect(received.count == size + 3)
            #expect(memcmp(received, data, size) == 0)
            try writer.get()
        }
    }

    @Test func timesOutAWriterWhosePeerTakesNothing() async throws {
        try await onLoop {
            let pair = try makePair()
            pair.client.writeTimeout = .milliseconds(20)
            let error = try failure(SocketError.self) {
                try pair.client.write([UInt8](repeating: 0, count: 64_000_000))
            }
            #expect(error.reason == .timedOut)
            #expect(error.operation == .write)
            withExtendedLifetime(pair.server) {}
        }
    }

    @Test func wakesAReader() async throws {
        try await onLoop {
            let pair = try makePair()
            let closed = try spawnAndPark { try pair.client.read(upTo: 1) }
            pair.client.close()
            pair.client.close()
            let error = try failure(SocketError.self) { try closed.get(timeout: .seconds(60)) }
            #expect(error.reason == .closed)
            #expect(pair.client.isClosed)
            #expect(try failure(SocketError.self) { try pair.client.write("x") }.reason == .closed)

            let other = try makePair()
            let cancelled = try spawnAndPark { try other.server.readExactly(1) }
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get(timeout: .seconds(60)) }
            other.client.readTimeout = .milliseconds(10)
            #expect(try failure(SocketError.self) { try other.client.read(upTo: 1) }.reason == .timedOut)
            let deadline = Deadline.after(.milliseconds(10))
            #expect(
                try failure(SocketError.self) { try other.server.read(upTo: 1, until: deadline) }.reason == .timedOut)
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(10)) { try other.server.read(upTo: 1) }
            }
            // Nothing is lost by any of it.
            try other.client.write("a")
            #expect(try other.server.read(upTo: 1) == [97])
        }
    }

    @Test func tellsOfAnEarlyEnd() async throws {
        try await onLoop {
            let pair = try makePair()
            try pair.server.write("abc")
            pair.server.close()
            let error = try failure(SocketError.self) { try pair.client.readExactly(10) }
            #expect(error.reason == .unexpectedEnd(received: 3, expected: 10))
            #expect(error.description.contains("127.0.0.1"))
            try yield()
        }
    }

    @Test func tellsOfAReset() async throws {
        try await onLoop {
            let pair = try makePair()
            try pair.client.write("unread")
            try pair.server.waitForInput()
            pair.server.close()  // with unread bytes: the kernel answers by a reset (RFC 1122, 4.2.2.13)
            let error = try failure(SocketError.self) { try pair.client.readExactly(1) }
            #expect(error.reason == .system(errno: ECONNRESET))
            #expect(error.isDisconnection)
        }
    }

    @Test func limitsWhatIsReadToTheEnd() async throws {
        try await onLoop {
            let pair = try makePair()
            let writer = spawn {
                try pair.server.write([UInt8](repeating: 1, count: 1000))
                pair.server.close()
            }
            let error = try failure(SocketError.self) { try pair.client.readToEnd(limit: 999) }
            #expect(error.reason == .limitExceeded(999))
            try writer.get()
        }
    }

    @Test func movesBetweenLoopsOfAThread() async throws {
        try await onFreshThread {
            let pair = try EventLoop.run(takesOver: false) {
                let pair = try makePair()
                let reader = spawn { try pair.client.readExactly(1) }
                try yield()
                try pair.server.write("a")
                try reader.get()
                return pair
            }
            // The loop is closed; without one the thread blocks.
            try pair.server.write("b")
            #expect(try pair.client.readExactly(1) == [98])
            try EventLoop.run(takesOver: false) {
                let reader = try spawnAndPark { try pair.client.readExactly(1) }
                try pair.server.write("c")
                #expect(try reader.get(timeout: .seconds(60)) == [99])
            }
        }
    }

    @Test func movesBetweenThreads() async throws {
        let pair = try await onLoop {
            let pair = try makePair()
            let reader = try spawnAndPark { try pair.client.readExactly(1) }
            try pair.server.write("a")
            try reader.get()
            return pair
        }
        try await onLoop {
            let reader = try spawnAndPark { try pair.client.readExactly(1) }
            try pair.server.write("b")
            #expect(try reader.get(timeout: .seconds(60)) == [98])
        }
    }
}
