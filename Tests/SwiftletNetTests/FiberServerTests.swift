import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct FiberServerTests {
    @Test func aStreamServerServesNoMoreThanItsLimit() async throws {
        try await onLoop {
            let release = Waiter<Void>()
            let server = StreamServer(limit: 2) { connection in
                try connection.write("in")
                _ = try release.wait()
            }
            #expect(!server.isStarted && server.port == 0)
            try server.start()
            #expect(server.isStarted && server.port > 0)
            #expect(throws: ServerError.alreadyStarted) { try server.start() }
            let clients = try (0..<4).map { _ in try TCPConnection.connect(to: "127.0.0.1", port: server.port) }
            for client in clients.prefix(2) { #expect(try client.readExactly(2) == Array("in".utf8)) }
            #expect(server.connectionCount == 2 && server.isFull)
            // The others are connected to the kernel only.
            #expect(throws: SocketError.self) { try clients[2].readExactly(1, until: .after(.milliseconds(20))) }
            release.resume(returning: ())
            for client in clients.dropFirst(2) {
                #expect(try client.readExactly(2, until: .after(.seconds(50))) == Array("in".utf8))
            }
            try server.stop()
            #expect(server.connectionCount == 0)
        }
    }

    @Test func stoppingWaitsAndThenKills() async throws {
        try await onLoop {
            let ends = Waiter<String>()
            let quickMayEnd = Event()
            let quick = StreamServer { connection in
                try connection.write("x")
                try quickMayEnd.wait()
                try connection.write("y")
            }
            let slow = StreamServer { connection in
                do {
                    try connection.write("x")
                    try sleep(.seconds(100))
                } catch let error where error is GreenletExit {
                    ends.resume(returning: "killed")
                    throw error
                }
            }
            let running = spawn { try slow.run() }
            try quick.start()
            while !slow.isStarted { try yield() }
            let client = try TCPConnection.connect(to: "127.0.0.1", port: quick.port)
            let other = try TCPConnection.connect(to: "127.0.0.1", port: slow.port)
            _ = try (client.readExactly(1), other.readExactly(1))
            spawn { quickMayEnd.set() }  // runs when `stop` waits
            try quick.stop(timeout: .seconds(50))
            #expect(try client.readToEnd() == Array("y".utf8))
            #expect(throws: SocketError.self) { try TCPConnection.connect(to: "127.0.0.1", port: quick.port) }
            try slow.stop(timeout: .milliseconds(5))
            #expect(try ends.wait(until: .after(.seconds(50))) == "killed")
            #expect(try other.readToEnd().isEmpty)
            try running.get(timeout: .seconds(50))
            try slow.stop()
        }
    }

    @Test func cancellingRunStopsTheServer() async throws {
        try await onLoop {
            let hasBegun = Event()
            let server = StreamServer { connection in
                hasBegun.set()
                try sleep(.seconds(100))
            }
            let running = spawn { try server.run() }
            while !server.isStarted { try yield() }
            let client = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
            try hasBegun.wait()
            running.cancel()
            #expect(throws: CancellationError.self) { try running.get(timeout: .seconds(50)) }
            #expect(try client.readToEnd(until: .after(.seconds(50))).isEmpty)
            #expect(try EventLoop.current.liveFibers().map(\.name) == ["main"])
        }
    }

    @Test func aDatagramServerAnswersSideBySide() async throws {
        struct Broken: Error { let port: Int }
        ReportLog.begin()
        try await onLoop {
            let (slowHasBegun, slowMayEnd) = (Event(), Event())
            let server = DatagramServer(limit: 10) { datagram, socket in
                if datagram.text == "fail" { throw Broken(port: datagram.sender.port) }
                if datagram.text == "slow" {
                    slowHasBegun.set()
                    _ = try slowMayEnd.wait()
                }
                try socket.send("got \(datagram.text)", to: datagram.sender)
            }
            try server.start()
            let client = try UDPSocket.connect(to: "127.0.0.1", port: server.port)
            try client.send("fail")
            try client.send("slow")
            try client.send("fast")
            #expect(try client.receive(until: .after(.seconds(50))).text == "got fast")
            slowMayEnd.set()
            #expect(try client.receive(until: .after(.seconds(50))).text == "got slow")
            #expect(ReportLog.reports(containing: "a datagram from \(client.localAddress) threw Broken").count == 1)
            // What was taken in is still answered.
            slowHasBegun.clear()
            slowMayEnd.clear()
            try client.send("slow")
            try slowHasBegun.wait()
            spawn { slowMayEnd.set() }  // runs when `stop` waits
            try server.stop(timeout: .seconds(50))
            #expect(try client.receive(until: .after(.seconds(50))).text == "got slow")
            // A process that another test starts has all sockets until it executes its program.
            let patience = Deadline.after(.seconds(60))
            var reason = SocketError.Reason.timedOut
            while reason == .timedOut, .now < patience {
                reason = try failure(SocketError.self) {
                    try client.send("fast")
                    _ = try client.receive(until: .after(.milliseconds(20)))
                }.reason
            }
            #expect(reason == .system(errno: ECONNREFUSED))
        }
    }

    @Test func stoppingFromAnotherThread() async throws {
        try await onLoop {
            let server = StreamServer { connection in try sleep(.seconds(100)) }
            let running = spawn { try server.run() }
            while !server.isStarted { try yield() }
            let client = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
            try toThread { try server.stop(timeout: .milliseconds(5)) }
            try running.get(timeout: .seconds(50))
            _ = client
        }
    }

    @Test func servesOnEachLoopOfAGroup() async throws {
        let group = try EventLoopGroup(count: 2)
        defer { group.stop() }
        let threads = SharedJournal<CInt>()
        let server = StreamServer(on: group, limit: 100) { connection in
            threads.note(swiftlet_thread_id())
            try connection.write(try connection.readExactly(1))
        }
        try await onFreshThread {
            try server.start()
            // The kernel spreads by a hash of the ports: one loop alone would need luck like a coin's, 60 times.
            for number in UInt8(0)..<60 {
                try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    try connection.write([number])
                    #expect(try connection.readExactly(1) == [number])
                }
            }
            try server.stop(timeout: .seconds(50))
            // A process that another test starts has all sockets until it executes its program.
            let patience = Deadline.after(.seconds(60))
            while let late = try? TCPConnection.connect(to: "127.0.0.1", port: server.port), .now < patience {
                late.close()
                try sleep(.milliseconds(1))
            }
            #expect(throws: SocketError.self) { try TCPConnection.connect(to: "127.0.0.1", port: server.port) }
        }
        #expect(Set(threads.entries).count == 2)
    }

    @Test func aServerThatCannotOpenMayBeStartedAgain() async throws {
        try await onLoop {
            let taken = try TCPListener()
            let server = StreamServer(port: taken.port) { _ in }
            for _ in 0..<2 {
                #expect(throws: SocketError.self) { try server.start() }
                #expect(!server.isStarted && server.port == taken.port)
            }
            try yield()
        }
    }
}
